// What the stand-in bridge can be, and what may be ordered of it. Types only: tests in workerd use them too.
export type BridgeDialect = 'redpanda' | 'confluent' | 'karapace' | 'strimzi'

export interface BridgeOptions {
  readonly dialect: BridgeDialect
  /** Those of proxies behind a load balancer follow it. Without it, any. */
  readonly port?: number
  /** Of a real Kafka to stand before; without them the log is in memory. For bridges.ts. */
  readonly brokers?: readonly string[]
  /** What `authorization` must be. */
  readonly authorization?: string
  readonly idleMs?: number
  /** How many proxies stand behind the load balancer. */
  readonly replicas?: number
  /** Whether it keeps a client at its proxy by a cookie. */
  readonly sticky?: boolean
  /** What the proxies call themselves in `base_uri`: by a name of the inside, or by an address that can be reached. */
  readonly baseUri?: 'inside' | 'reachable'
}

/** What becomes of requests that match, so often. */
export interface Fault {
  readonly method?: string
  /** Of the path. */
  readonly pattern: string
  readonly times: number
  readonly delayMs?: number
  /** Without it the request is answered, only later. */
  readonly status?: number
  readonly text?: string
  /** The connection is cut, after the work was done. */
  readonly cut?: boolean
}

/** What becomes of one record. */
export interface Failure {
  readonly error_code: number
  readonly error: string
}
