// Sockets of Node for the Kafka protocol of src/kafka, instead of cloudflare:sockets. TLS trusts public authorities only, as
// Workers do. Used by check-brokers.ts.
import { once } from 'node:events'
import { connect as connectPlain } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { ConnectionError } from '../../src/kafka/protocol/errors.ts'
import type { OpenSocket } from '../../src/kafka/protocol/socket-port.ts'
import { toBrokerSocket } from '../broker-socket.ts'

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
