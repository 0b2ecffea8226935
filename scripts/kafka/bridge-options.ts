// The options of the stand-in bridge, and the faults that it can be given. Types only: tests in workerd use them too.
export type BridgeDialect = 'redpanda' | 'confluent' | 'karapace' | 'strimzi'

export interface BridgeOptions {
  readonly dialect: BridgeDialect
  /** The port of the load balancer; its proxies have the ports after it. Absent: any free port. */
  readonly port?: number
  /** Brokers of a real Kafka. Absent: the log is in memory. */
  readonly brokers?: readonly string[]
  /** The value that the header `authorization` must have. */
  readonly authorization?: string
  /** The number of proxies behind the load balancer. */
  readonly replicas?: number
  /** Whether it keeps a client at its proxy by a cookie. */
  readonly sticky?: boolean
  /** The host in `base_uri`: a name that only the proxies resolve, or an address that clients reach. */
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
