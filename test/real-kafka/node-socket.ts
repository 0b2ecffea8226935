// Sockets of Node for the protocol of src/kafka, so that tests can drive it without workerd. `ca` opens TLS.
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { once } from 'node:events'
import { ConnectionError } from '../../src/kafka/protocol/errors.ts'
import { toBrokerSocket } from '../../scripts/broker-socket.ts'
import type { OpenSocket } from '../../src/kafka/protocol/socket-port.ts'

const sockets = new Set<Socket>()

/** Open sockets keep a test process alive. */
export function closeAllSockets(): void {
  for (const socket of sockets) socket.destroy()
}

export function createNodeOpener(ca?: string): OpenSocket {
  return async ({ host, port }) => {
    const socket = ca === undefined ? connectPlain(port, host) : connectTls({ host, port, ca })
    try {
      await once(socket, ca === undefined ? 'connect' : 'secureConnect')
    } catch (error) {
      throw new ConnectionError(String(error))
    }
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    return toBrokerSocket(socket)
  }
}

/** A broker that says it knows nothing newer than `newest`, by the number of the API: null, not at all. */
export function createOldOpener(newest: Readonly<Record<number, number | null>>): OpenSocket {
  const open = createNodeOpener()
  return async (address) => {
    const socket = await open(address)
    let reads = 0
    return {
      ...socket,
      // The first answer on each connection: its length, then that of ApiVersions 0.
      readExactly: async (count) => {
        const bytes = await socket.readExactly(count)
        return bytes !== undefined && (reads += 1) === 2 ? limitVersions(bytes, newest) : bytes
      },
    }
  }
}

const KEY_OF_NOBODY = 999

function limitVersions(answer: Uint8Array, newest: Readonly<Record<number, number | null>>): Uint8Array {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength)
  const count = view.getInt32(6)
  for (let at = 10; at < 10 + count * 6; at += 6) {
    const limit = newest[view.getInt16(at)]
    if (limit === null) view.setInt16(at, KEY_OF_NOBODY)
    else if (limit !== undefined) view.setInt16(at + 4, limit)
  }
  return answer
}
