// TCP and TLS as the platform has them: `connect` of cloudflare:sockets, as socket-port.ts wants it.
// Certificates are checked against public authorities; the platform knows no others, and no client certificates.
import { connect } from 'cloudflare:sockets'
import { ConnectionError } from './errors.ts'
import { hostnameOf, type OpenSocket } from './socket-port.ts'

/** The platform says no more than that it cannot connect. */
const TLS_HINT = ' (it must listen with TLS, with a certificate of a public authority for this very name)'

export function createSocketOpener(options: { readonly tls: boolean; readonly timeoutMs: number }): OpenSocket {
  return async ({ host, port }) => {
    const secureTransport = options.tls ? 'on' : 'off'
    let socket: Socket | undefined
    try {
      // Throws at once for addresses that cannot be, which brokers may advertise.
      socket = connect({ hostname: hostnameOf(host), port }, { secureTransport, allowHalfOpen: false })
      // Whoever reads or writes is told as well.
      socket.closed.catch(() => undefined)
      await within(socket.opened, options.timeoutMs)
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

async function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`not open within ${timeoutMs} ms`)), timeoutMs)
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
