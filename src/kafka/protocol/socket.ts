// Opens TCP and TLS sockets with `connect` of cloudflare:sockets. This is the one place that opens a socket to a broker.
// The platform checks certificates against public authorities only, and has no client certificates.
import { withTimeout } from '../../core/time/timeout.ts'
import { connect } from 'cloudflare:sockets'
import { ConnectionError } from './errors.ts'
import { hostnameOf, type OpenSocket } from './socket-port.ts'

/** The platform's own error only says that it cannot connect. */
const TLS_HINT = ' (the listener must use TLS, with a certificate of a public authority for this host name)'

/** How sockets to brokers are opened. `timeoutMs` is milliseconds. */
export interface SocketOptions {
  readonly tls: boolean
  readonly timeoutMs: number
  /** A `vpc_networks` binding, through which brokers in a private network are reached. Absent: the internet. */
  readonly network?: Pick<Fetcher, 'connect'>
}

/** Returns the function that connects by cloudflare:sockets. `timeoutMs` covers the TCP and TLS handshakes. */
export function createSocketOpener(options: SocketOptions): OpenSocket {
  return async ({ host, port }) => {
    const secureTransport = options.tls ? 'on' : 'off'
    let socket: Socket | undefined
    try {
      // Throws synchronously for invalid addresses, which brokers may advertise.
      const address = { hostname: hostnameOf(host), port }
      socket = options.network
        ? options.network.connect(`${address.hostname}:${port}`)
        : connect(address, { secureTransport, allowHalfOpen: false })
      // Reads and writes fail with the same error, so this rejection is not needed.
      socket.closed.catch(() => undefined)
      await withTimeout(socket.opened, options.timeoutMs, 'not open')
    } catch (error) {
      socket?.close().catch(() => undefined)
      const what = options.tls ? 'TLS connection' : 'connection'
      throw new ConnectionError(`Kafka: no ${what} to ${host}:${port}: ${String(error)}${options.tls ? TLS_HINT : ''}`)
    }
    const reader = socket.readable.getReader({ mode: 'byob' })
    const writer = socket.writable.getWriter()
    return {
      async readExactly(count) {
        const { value, done } = await reader.readAtLeast(count, new Uint8Array(count))
        return done || value === undefined || value.length < count ? undefined : value
      },
      write: (bytes) => writer.write(bytes),
      close: () => void socket.close().catch(() => undefined),
    }
  }
}
