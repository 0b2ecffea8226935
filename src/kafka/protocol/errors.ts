// Kafka's error codes and the errors that src/kafka/protocol throws. A caller that can handle one checks its code; all others
// reach the follower, which retries with backoff. https://kafka.apache.org/protocol#protocol_error_codes

/** What a client does about a code: give up, retry, or refresh the metadata and retry. */
type RetryAction = 'final' | 'retry' | 'refresh'

/** The codes that Rigel's requests can receive, with Kafka's names. */
const CODES: Readonly<Record<number, readonly [name: string, action: RetryAction]>> = {
  [-1]: ['UNKNOWN_SERVER_ERROR', 'final'],
  1: ['OFFSET_OUT_OF_RANGE', 'final'],
  2: ['CORRUPT_MESSAGE', 'retry'],
  3: ['UNKNOWN_TOPIC_OR_PARTITION', 'refresh'],
  5: ['LEADER_NOT_AVAILABLE', 'refresh'],
  6: ['NOT_LEADER_OR_FOLLOWER', 'refresh'],
  7: ['REQUEST_TIMED_OUT', 'retry'],
  8: ['BROKER_NOT_AVAILABLE', 'refresh'],
  9: ['REPLICA_NOT_AVAILABLE', 'refresh'],
  10: ['MESSAGE_TOO_LARGE', 'final'],
  13: ['NETWORK_EXCEPTION', 'refresh'],
  14: ['COORDINATOR_LOAD_IN_PROGRESS', 'retry'],
  15: ['COORDINATOR_NOT_AVAILABLE', 'refresh'],
  16: ['NOT_COORDINATOR', 'refresh'],
  17: ['INVALID_TOPIC_EXCEPTION', 'final'],
  18: ['RECORD_LIST_TOO_LARGE', 'final'],
  19: ['NOT_ENOUGH_REPLICAS', 'retry'],
  20: ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'retry'],
  22: ['ILLEGAL_GENERATION', 'final'],
  24: ['INVALID_GROUP_ID', 'final'],
  25: ['UNKNOWN_MEMBER_ID', 'final'],
  29: ['TOPIC_AUTHORIZATION_FAILED', 'final'],
  30: ['GROUP_AUTHORIZATION_FAILED', 'final'],
  31: ['CLUSTER_AUTHORIZATION_FAILED', 'final'],
  32: ['INVALID_TIMESTAMP', 'final'],
  33: ['UNSUPPORTED_SASL_MECHANISM', 'final'],
  34: ['ILLEGAL_SASL_STATE', 'final'],
  35: ['UNSUPPORTED_VERSION', 'final'],
  38: ['INVALID_REPLICATION_FACTOR', 'final'],
  44: ['POLICY_VIOLATION', 'final'],
  45: ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'final'],
  46: ['DUPLICATE_SEQUENCE_NUMBER', 'final'],
  47: ['INVALID_PRODUCER_EPOCH', 'final'],
  53: ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'final'],
  56: ['KAFKA_STORAGE_ERROR', 'refresh'],
  58: ['SASL_AUTHENTICATION_FAILED', 'final'],
  59: ['UNKNOWN_PRODUCER_ID', 'final'],
  70: ['FETCH_SESSION_ID_NOT_FOUND', 'retry'],
  72: ['LISTENER_NOT_FOUND', 'refresh'],
  74: ['FENCED_LEADER_EPOCH', 'refresh'],
  75: ['UNKNOWN_LEADER_EPOCH', 'refresh'],
  76: ['UNSUPPORTED_COMPRESSION_TYPE', 'final'],
  78: ['OFFSET_NOT_AVAILABLE', 'retry'],
  87: ['INVALID_RECORD', 'final'],
  89: ['THROTTLING_QUOTA_EXCEEDED', 'retry'],
  90: ['PRODUCER_FENCED', 'final'],
  100: ['UNKNOWN_TOPIC_ID', 'refresh'],
  103: ['INCONSISTENT_TOPIC_ID', 'refresh'],
}

/** The broker failed for a reason that has no code of its own. */
export const UNKNOWN_SERVER_ERROR = -1
/** The code of every response that succeeded. */
export const NO_ERROR = 0
/** The offset is before the first record or behind the end of the partition. */
export const OFFSET_OUT_OF_RANGE = 1
/** The topic or partition does not exist, or this broker does not host it. */
export const UNKNOWN_TOPIC_OR_PARTITION = 3
/** A leader is being elected; also the response to a topic that is being created. */
export const LEADER_NOT_AVAILABLE = 5
/** The broker does not know the version of the request. */
export const UNSUPPORTED_VERSION = 35
/** The broker stored this batch of an idempotent producer before (KIP-98). */
export const DUPLICATE_SEQUENCE_NUMBER = 46
/** A new leader does not know its high watermark yet (KIP-207). */
export const OFFSET_NOT_AVAILABLE = 78
/** The quota is exceeded: the request may be repeated after the throttle time (KIP-599). */
export const THROTTLING_QUOTA_EXCEEDED = 89
/** The cluster gives this client no producer id: CLUSTER_AUTHORIZATION_FAILED, UNSUPPORTED_VERSION. */
export const PRODUCER_ID_UNAVAILABLE: ReadonlySet<number> = new Set([31, 35])
/** One record can be the cause, and the broker stored nothing of its batch: too large (10, 18), invalid (32, 87). */
export const RECORD_REJECTED: ReadonlySet<number> = new Set([10, 18, 32, 87])
/** The broker has lost this producer's sequence: the producer needs a new id. */
export const PRODUCER_STATE_LOST: ReadonlySet<number> = new Set([45, 47, 59])

/** An error code in a broker's response. The message names the operation, Kafka's error and the broker's own text. */
export class BrokerError extends Error {
  override readonly name = 'BrokerError'
  readonly code: number
  readonly retryAction: RetryAction

  constructor(code: number, doing: string, message: string | null = null) {
    const [name, retryAction] = CODES[code] ?? [`error ${code}`, 'final']
    super(`Kafka: ${doing}: ${name}${message ? ` (${message})` : ''}`)
    this.code = code
    this.retryAction = retryAction
  }
}

/** The connection failed: not opened, closed, timed out, or an unreadable response. Another connection may work. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
}

/** The broker refused the credentials or the mechanism. A retry within the same call does not help. */
export class AuthenticationError extends Error {
  override readonly name = 'AuthenticationError'
}

/** Throws a BrokerError unless `code` is 0. `doing` names the operation in the message. */
export function throwIfError(code: number, doing: string, message: string | null = null): void {
  if (code !== NO_ERROR) throw new BrokerError(code, doing, message)
}

/** Returns whether another attempt, with fresh metadata, may succeed. */
export function isRetriable(error: unknown): boolean {
  if (error instanceof AuthenticationError) return false
  return error instanceof ConnectionError || (error instanceof BrokerError && error.retryAction !== 'final')
}
