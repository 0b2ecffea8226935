// One connection to a NATS server, opened on first use and closed after IDLE_MS without use: the server pings clients,
// so an idle connection would keep its Durable Object awake. The NATS client does not reconnect by itself; the next
// use opens a connection to any of the servers. Used by followers and by the NatsClient object.
import { wsconnect, type NatsConnection } from '@nats-io/nats-core'
import {
  credsAuthenticator,
  NatsConnectionImpl,
  setTransportFactory,
  type ConnectionOptions,
} from '@nats-io/nats-core/internal'
import type { NatsConfig } from '../../config/sources/nats.ts'
import { SocketTransport } from './socket-transport.ts'

/** Covers the handshakes of TCP, TLS and NATS with one server. */
const CONNECT_TIMEOUT_MS = 5_000

/** The client closes the connection after two pings without an answer, which detects a paused server. */
const PING_INTERVAL_MS = 20_000

const IDLE_MS = 30_000

export class NatsSession {
  readonly #config: NatsConfig
  #connection: Promise<NatsConnection> | undefined
  #users = 0
  #idle: ReturnType<typeof setTimeout> | null = null

  /** Opens no connection. */
  constructor(config: NatsConfig) {
    this.#config = config
  }

  /** Runs `work` with an open connection. Throws an Error with the reason if no server can be reached. */
  async use<T>(work: (connection: NatsConnection) => Promise<T>): Promise<T> {
    clearTimeout(this.#idle)
    this.#users += 1
    try {
      return await work(await this.connection())
    } finally {
      this.#users -= 1
      if (this.#users === 0) this.#idle = setTimeout(() => this.close(), IDLE_MS)
    }
  }

  /** Returns an open connection. A caller that keeps it must call `close`. */
  async connection(): Promise<NatsConnection> {
    const known = await this.#connection?.catch(() => undefined)
    if (known !== undefined && !known.isClosed()) return known
    const opening = openConnection(this.#config)
    this.#connection = opening
    return opening
  }

  /** Closes the connection. Calls in progress fail; the next use opens a new connection. */
  close(): void {
    const connection = this.#connection
    this.#connection = undefined
    connection?.then((open) => open.close()).catch(() => undefined)
  }
}

async function openConnection(config: NatsConfig): Promise<NatsConnection> {
  const { servers } = config
  const scheme = servers[0]?.scheme ?? 'nats'
  const isWebSocket = scheme === 'ws' || scheme === 'wss'
  try {
    const options = optionsOf(config)
    if (isWebSocket) return await wsconnect(options)
    setTransportFactory({ factory: () => new SocketTransport(), defaultPort: 4_222 })
    return await NatsConnectionImpl.connect({ ...options, ...(scheme === 'tls' ? { tls: {} } : {}) })
  } catch (error) {
    const addresses = servers.map(({ host, port }) => `${host}:${port}`).join(', ')
    throw new Error(`NATS: no connection to ${addresses}: ${String(error)}`, { cause: error })
  }
}

function optionsOf({ creds, password, servers, token, username }: NatsConfig): ConnectionOptions {
  return {
    servers: servers.map(({ host, port, scheme }) =>
      scheme === 'ws' || scheme === 'wss' ? `${scheme}://${host}:${port}` : `${host}:${port}`,
    ),
    name: 'rigel',
    reconnect: false,
    timeout: CONNECT_TIMEOUT_MS,
    pingInterval: PING_INTERVAL_MS,
    ignoreClusterUpdates: true,
    noAsyncTraces: true,
    ...(username === null ? {} : { user: username, pass: password ?? '' }),
    ...(token === null ? {} : { token }),
    ...(creds === null ? {} : { authenticator: credsAuthenticator(new TextEncoder().encode(creds)) }),
  }
}
