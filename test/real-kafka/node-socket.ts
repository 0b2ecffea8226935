// The sockets of Node for the protocol of src/kafka, so that tests can drive it without workerd; `ca` opens TLS.
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { once } from 'node:events'
import { ConnectionError } from '../../src/kafka/protocol/errors.ts'
import type { OpenSocket } from '../../src/kafka/protocol/socket-port.ts'

const open = new Set<Socket>()

/** Open sockets keep a test process alive. */
export function closeAllSockets(): void {
  for (const socket of open) socket.destroy()
}

export function createNodeOpener(ca?: string): OpenSocket {
  return async ({ host, port }) => {
    const socket = ca === undefined ? connectPlain(port, host) : connectTls({ host, port, ca })
    try {
      await once(socket, ca === undefined ? 'connect' : 'secureConnect')
    } catch (error) {
      throw new ConnectionError(String(error))
    }
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    return {
      readExactly: createExactReader(socket),
      write: async (bytes) => {
        if (!socket.writable) throw new Error('closed')
        socket.write(bytes)
      },
      close: () => socket.destroy(),
    }
  }
}

function createExactReader(socket: Socket): (count: number) => Promise<Uint8Array | undefined> {
  let buffered = Buffer.alloc(0)
  let wake = () => {}
  let isOver = false
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
  return async (count) => {
    while (buffered.length < count) {
      if (isOver) return undefined
      await new Promise<void>((resolve) => (wake = resolve))
    }
    const read = new Uint8Array(buffered.subarray(0, count))
    buffered = buffered.subarray(count)
    return read
  }
}
