// What a Kafka REST proxy refuses, or does not answer at all. Thrown: a follower tries again with backoff, and whoever
// produces is told that nothing is known to be stored. The few that mean something to an adapter are asked for by code.

/** No answer: the network, a timeout, more bytes than are taken. */
export const NO_ANSWER = 0

export class KafkaRestError extends Error {
  /** HTTP's, or NO_ANSWER. */
  readonly status: number
  /** The proxy's `error_code`; without one, the status. */
  readonly code: number
  /** It has a code of the proxy's. A load balancer's page has none. */
  readonly isOfProxy: boolean

  constructor(host: string, doing: string, failure: { status: number; code?: number | undefined; message: string }) {
    const { status, code = status, message } = failure
    const said = status === NO_ANSWER ? message : `HTTP ${status}${code === status ? '' : `, ${code}`}: ${message}`
    super(`Kafka REST proxy ${host}: ${doing}: ${said}`)
    this.name = 'KafkaRestError'
    this.status = status
    this.code = code
    this.isOfProxy = failure.code !== undefined
  }
}

/**
 * An instance, a topic, a partition: 40403 of instances everywhere but at Strimzi, whose codes are HTTP's; Karapace says it
 * of unknown topics too. What an ingress says of a proxy that is not up yet is nothing of the kind.
 */
export function isNotFound(error: unknown): boolean {
  return error instanceof KafkaRestError && error.status === 404 && error.isOfProxy
}
