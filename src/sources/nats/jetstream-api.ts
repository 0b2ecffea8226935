// The calls of JetStream's API that a follower needs: JSON requests on subjects below `$JS.API`, and pulls of messages.
// https://docs.nats.io/reference/reference-protocols/nats_api_reference. The official JetStream package is not used: it
// keeps timers and buffers for consumers of a long-running process, but a follower may be evicted at any time.
import { createInbox, type Msg, type NatsConnection } from '@nats-io/nats-core'
import type { MsgImpl } from '@nats-io/nats-core/internal'
import { isObject, parseJson, type JsonObject } from '../../core/json.ts'
import { headerBytes, readStatus, type NatsStatus } from './nats-headers.ts'

const REQUEST_TIMEOUT_MS = 5_000

/** A pull fails if it has not ended this long after its own time limit: the connection or the server hangs. */
const PULL_GRACE_MS = 3_000

/** JetStream's error codes for a consumer, for a message and for a stream that does not exist. */
const NOT_FOUND = new Set([10_014, 10_037, 10_059])

/** The properties of a stream that a follower needs. */
export interface StreamInfo {
  readonly name: string
  /** The time of creation, which distinguishes a stream from a later one of the same name. */
  readonly created: string
  /** The smallest sequence that the stream still has; if it is empty, that of the next message. At least 1. */
  readonly earliest: number
  /** The sequence that the next message will get. */
  readonly latest: number
}

/** One message of a stream, with the values from its reply subject. */
export interface StreamMessage {
  readonly message: Msg
  readonly sequence: number
  /** The consumer's count of messages, from 1. A gap means that a message was lost in transit. */
  readonly consumerSequence: number
  readonly timestampMs: number
}

/** The result of a pull. `lost`: the consumer no longer exists. */
export interface Pulled {
  readonly messages: readonly StreamMessage[]
  readonly ended: 'complete' | 'too_large' | 'lost'
}

/** Returns the names of the streams that store messages of the subject. */
export async function streamsOf(connection: NatsConnection, subject: string): Promise<readonly string[]> {
  const answer = await ask(connection, 'STREAM.NAMES', { subject })
  const names = answer?.['streams']
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []
}

/** Returns undefined if the stream does not exist. */
export async function streamInfo(connection: NatsConnection, name: string): Promise<StreamInfo | undefined> {
  const answer = await ask(connection, `STREAM.INFO.${name}`, {})
  if (answer === undefined) return undefined
  const state = isObject(answer['state']) ? answer['state'] : {}
  const latest = numberOf(state['last_seq']) + 1
  return { name, created: String(answer['created']), earliest: Math.max(1, numberOf(state['first_seq'])), latest }
}

/** The server removes a consumer that is not used for this long. The follower then creates a new one. */
const INACTIVE_NS = 120_000_000_000

/**
 * Creates a consumer in memory that delivers from a sequence on. Nothing is acknowledged: the follower stores its
 * offset.
 */
export async function createConsumer(
  connection: NatsConnection,
  stream: string,
  name: string,
  subject: string,
  sequence: number,
): Promise<void> {
  const config = {
    name,
    deliver_policy: 'by_start_sequence',
    opt_start_seq: sequence,
    ack_policy: 'none',
    replay_policy: 'instant',
    filter_subject: subject,
    inactive_threshold: INACTIVE_NS,
    mem_storage: true,
    num_replicas: 1,
  }
  await ask(connection, `CONSUMER.CREATE.${stream}.${name}.${subject}`, { stream_name: stream, config })
}

/** Returns whether the stream stores a message of the subject, which may have wildcards, at this sequence or later. */
export async function hasMessage(
  connection: NatsConnection,
  stream: string,
  subject: string,
  sequence: number,
): Promise<boolean> {
  const answer = await ask(connection, `STREAM.MSG.GET.${stream}`, { seq: sequence, next_by_subj: subject })
  return answer !== undefined
}

/** The limits of one pull. */
export interface PullRequest {
  readonly batch: number
  /** Absent: no limit of size. */
  readonly maxBytes?: number
  /** How long the pull waits for a first message. 0: it returns at once what the stream has. */
  readonly waitMs: number
}

/** Pulls messages. Throws if neither a message nor a status arrives in time. */
export async function pull(
  connection: NatsConnection,
  stream: string,
  consumer: string,
  { batch, maxBytes, waitMs }: PullRequest,
): Promise<Pulled> {
  const inbox = createInbox()
  const { promise, reject, resolve } = Promise.withResolvers<Pulled>()
  const messages: StreamMessage[] = []
  let bytes = 0
  const subscription = connection.subscribe(inbox, {
    callback: (error, message) => {
      if (error !== null) return reject(error)
      // A publisher may write a status too: what was stored has a place to be acknowledged at, and a status has none.
      const read = readMessage(message)
      const status = read === undefined ? readStatus(headerBytes(message)) : undefined
      if (read !== undefined) messages.push(read)
      // The class of all messages that a connection gives to a callback.
      bytes += (message as MsgImpl).size()
      // The server sends no status if the messages have exactly `max_bytes`.
      if (messages.length === batch || bytes === maxBytes) resolve({ messages, ended: 'complete' })
      else if (status !== undefined) resolve({ messages, ended: endedBy(status) })
    },
  })
  const timer = setTimeout(() => {
    if (messages.length > 0) resolve({ messages, ended: 'complete' })
    else reject(new Error('NATS: the server did not answer a pull'))
  }, waitMs + PULL_GRACE_MS)
  const limits = { batch, ...(maxBytes === undefined ? {} : { max_bytes: maxBytes }) }
  const wait = waitMs === 0 ? { no_wait: true } : { expires: waitMs * 1_000_000 }
  connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, JSON.stringify({ ...limits, ...wait }), {
    reply: inbox,
  })
  const closed = connection.closed().then(() => reject(new Error('NATS: the connection was closed')))
  closed.catch(() => undefined)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    if (!connection.isClosed()) subscription.unsubscribe()
  }
}

/**
 * 404, 408: no (more) messages. 409 has several meanings, told apart by text. 503: the consumer does not exist any
 * more.
 */
function endedBy({ code, description }: NatsStatus): Pulled['ended'] {
  if (code === 404 || code === 408) return 'complete'
  if (code === 409 && /max_?bytes/i.test(description)) return 'too_large'
  return 'lost'
}

/**
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<ns>.<pending>`, or with domain and account
 * before the stream.
 */
function readMessage(message: Msg): StreamMessage | undefined {
  const { reply = '' } = message
  if (!reply.startsWith('$JS.ACK.')) return undefined
  const tokens = reply.split('.')
  const [, , sequence, consumerSequence, nanos] = tokens.slice(tokens.length >= 11 ? 5 : 3)
  if (nanos === undefined) return undefined
  const timestampMs = Number(nanos.slice(0, -6))
  return { message, sequence: Number(sequence), consumerSequence: Number(consumerSequence), timestampMs }
}

/** Returns undefined if the stream, consumer or message does not exist. Throws any other error of the API. */
async function ask(connection: NatsConnection, call: string, body: JsonObject): Promise<JsonObject | undefined> {
  const reply = await connection.request(`$JS.API.${call}`, JSON.stringify(body), { timeout: REQUEST_TIMEOUT_MS })
  const answer = parseJson(reply.string())
  if (!isObject(answer)) throw new Error(`NATS: ${call}: the answer is not JSON`)
  const { error } = answer
  if (!isObject(error)) return answer
  if (NOT_FOUND.has(numberOf(error['err_code']))) return undefined
  throw new Error(`NATS: ${call}: ${String(error['description'])}`)
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}
