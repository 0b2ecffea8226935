// The sockets of Node for the protocol of src/kafka, so that tests can drive it without workerd; `ca` opens TLS.
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { once } from 'node:events'
import { ConnectionError } from '../../src/kafka/protocol/errors.ts'
import type { OpenSocket } from '../../src/kafka/protocol/socket-port.ts'

export function createNodeOpener(ca?: string): OpenSocket {
  return async ({ host, port }) => {
    const socket = ca === undefined ? connectPlain(port, host) : connectTls({ host, port, ca })
    try {
      await once(socket, ca === undefined ? 'connect' : 'secureConnect')
    } catch (error) {
      throw new ConnectionError(String(error))
    }
    socket.on('error', () => undefined)
    return {
      readExactly: (count) => readExactly(socket, count),
      write: async (bytes) => {
        if (!socket.writable) throw new Error('closed')
        socket.write(bytes)
      },
      close: () => socket.destroy(),
    }
  }
}

async function readExactly(socket: Socket, count: number): Promise<Uint8Array | undefined> {
  for (;;) {
    const chunk = socket.read(count) as Buffer | null
    if (chunk !== null) return chunk.length === count ? new Uint8Array(chunk) : undefined
    if (socket.readableEnded || socket.destroyed) return undefined
    await new Promise((resolve) => {
      socket.once('readable', resolve)
      socket.once('close', resolve)
    })
  }
}
