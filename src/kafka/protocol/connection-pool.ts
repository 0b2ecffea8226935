// The open connections to the brokers of one cluster: opened and authenticated when needed, replaced when they die or
// expire, closed when there are too many. Used by cluster.ts; lives as long as its Durable Object.
import { authenticate, type AuthenticationOptions } from './auth/authenticate.ts'
import { BrokerConnection } from './connection.ts'
import type { OpenSocket, SocketAddress } from './socket-port.ts'

/** A Worker invocation may hold six open connections. One is left for HTTP requests. */
const MAX_CONNECTIONS = 5

/** A broker answers in order, so a long-polling fetch has its own connection and delays no other request. */
export type ConnectionPurpose = 'fetch' | 'control'

/** How connections are opened and authenticated. `nowMs` is milliseconds since the epoch. */
export interface ConnectionPoolOptions {
  readonly open: OpenSocket
  readonly authentication: AuthenticationOptions
  readonly nowMs: () => number
}

/** At most five connections, one per broker and purpose; the least recently used is closed first. */
export class ConnectionPool {
  readonly #options: ConnectionPoolOptions
  /** Keyed by address and purpose, least recently used first. Promises, because several events of one object share them. */
  readonly #connections = new Map<string, Promise<BrokerConnection>>()

  constructor(options: ConnectionPoolOptions) {
    this.#options = options
  }

  /** Returns an open, authenticated connection. Throws a ConnectionError or an AuthenticationError. */
  async get(address: SocketAddress, purpose: ConnectionPurpose): Promise<BrokerConnection> {
    const key = `${address.host}:${address.port}/${purpose}`
    const cached = this.#connections.get(key)
    if (cached !== undefined) {
      const connection = await cached
      if (connection.isOpen && this.#options.nowMs() < connection.expiresAtMs) {
        this.#touch(key, cached)
        return connection
      }
      if (this.#connections.get(key) === cached) this.#connections.delete(key)
      connection.retire('its authentication expired')
    }
    // Another event of this object may have opened one while this one waited.
    const opening = this.#connections.get(key) ?? this.#open(address)
    this.#touch(key, opening)
    this.#evictSurplus()
    try {
      return await opening
    } catch (error) {
      if (this.#connections.get(key) === opening) this.#connections.delete(key)
      throw error
    }
  }

  async #open(address: SocketAddress): Promise<BrokerConnection> {
    const socket = await this.#options.open(address)
    const connection = new BrokerConnection(socket, `${address.host}:${address.port}`)
    try {
      await authenticate(connection, this.#options.authentication)
      return connection
    } catch (error) {
      connection.close(String(error))
      throw error
    }
  }

  #touch(key: string, connection: Promise<BrokerConnection>): void {
    this.#connections.delete(key)
    this.#connections.set(key, connection)
  }

  /** Closes the least recently used connections. Each first receives the responses that are still due. */
  #evictSurplus(): void {
    for (const [key, opening] of this.#connections) {
      if (this.#connections.size <= MAX_CONNECTIONS) return
      this.#connections.delete(key)
      opening.then(
        (connection) => connection.retire('the connection pool is full'),
        () => undefined,
      )
    }
  }
}
