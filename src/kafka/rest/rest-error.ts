// The error of a request to a Kafka REST proxy: refused, or not answered. A follower retries with backoff; a producer's caller
// learns that the outcome is unknown. Adapters check the few codes that they can handle.

/** Status of a request without a usable response: network error, timeout, or too many bytes. */
export const NO_RESPONSE = 0

/** The message names the host, the operation and the proxy's reason. */
export class KafkaRestError extends Error {
  /** HTTP status, or NO_RESPONSE. */
  readonly status: number
  /** The proxy's `error_code`, or the status if it has none. */
  readonly code: number
  /** Whether the response has an `error_code`, which a load balancer's error page has not. */
  readonly isFromProxy: boolean

  constructor(host: string, doing: string, failure: { status: number; code?: number | undefined; message: string }) {
    const { status, code = status, message } = failure
    const said = status === NO_RESPONSE ? message : `HTTP ${status}${code === status ? '' : `, ${code}`}: ${message}`
    super(`Kafka REST proxy ${host}: ${doing}: ${said}`)
    this.name = 'KafkaRestError'
    this.status = status
    this.code = code
    this.isFromProxy = failure.code !== undefined
  }
}

/**
 * Returns whether the proxy itself says that an instance, topic or partition does not exist. A 404 of an ingress in front of a
 * stopped proxy does not count.
 */
export function isNotFound(error: unknown): boolean {
  return error instanceof KafkaRestError && error.status === 404 && error.isFromProxy
}
