// Sockets of Node for the Kafka protocol of src/kafka, instead of cloudflare:sockets. TLS trusts public authorities only, as
// Workers do. Used by check-brokers.ts.
import { once } from 'node:events'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { ConnectionError } from '../../src/kafka/protocol/errors.ts'
import type { BrokerSocket, OpenSocket } from '../../src/kafka/protocol/socket-port.ts'

const TIMEOUT_MS = 10_000

export function createNodeOpener(tls: boolean): OpenSocket {
  return async ({ host, port }) => {
    const socket = tls ? connectTls({ host, port, servername: host }) : connectPlain(port, host)
    try {
      await once(socket, tls ? 'secureConnect' : 'connect', { signal: AbortSignal.timeout(TIMEOUT_MS) })
    } catch (error) {
      socket.destroy()
      const reason = error instanceof Error && error.name === 'AbortError' ? 'no answer' : String(error)
      throw new ConnectionError(`no ${tls ? 'TLS ' : ''}connection to ${host}:${port}: ${reason}`)
    }
    // The doctor ends while connections are open.
    socket.unref()
    return toBrokerSocket(socket)
  }
}

function toBrokerSocket(socket: Socket): BrokerSocket {
  let buffered = Buffer.alloc(0)
  let isOver = false
  let wake = (): void => undefined
  socket.on('data', (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk])
    wake()
  })
  for (const end of ['end', 'close', 'error']) {
    socket.on(end, () => {
      isOver = true
      wake()
    })
  }
  return {
    async readExactly(count) {
      socket.ref()
      while (buffered.length < count) {
        if (isOver) return undefined
        await new Promise<void>((resolve) => (wake = resolve))
      }
      const read = new Uint8Array(buffered.subarray(0, count))
      buffered = buffered.subarray(count)
      return read
    },
    write: async (bytes) => void socket.write(bytes),
    close: () => void socket.destroy(),
  }
}
