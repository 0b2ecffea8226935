// The few calls of JetStream's API that a follower needs (https://docs.nats.io/reference/reference-protocols/nats_api_reference):
// JSON requests on subjects below `$JS.API`, and pulls of messages. The official package for JetStream keeps timers and
// buffers of its own for consumers that live as long as a process; a follower reads from an offset, and may be evicted.
import { createInbox, type Msg, type NatsConnection } from '@nats-io/nats-core'
import { isObject, parseJson, type JsonObject } from '../../core/json.ts'

const REQUEST_TIMEOUT_MS = 5_000

/** A pull that has not ended this long after it should have is lost: the connection, or the server, hangs. */
const PULL_GRACE_MS = 3_000

/** JetStream's own error codes. */
const NOT_FOUND = new Set([10_014, 10_059])

/** What a follower needs to know of a stream. */
export interface StreamInfo {
  readonly name: string
  /** When it was created: tells a stream from a later one of the same name. */
  readonly created: string
  /** The smallest sequence that is still there, or the next one if there is none. From 1. */
  readonly earliest: number
  /** The sequence that the next message will get. */
  readonly latest: number
}

/** What a consumer has delivered. */
export interface ConsumerInfo {
  /** Messages delivered so far. */
  readonly delivered: number
  /** Messages that match and are not delivered yet. */
  readonly pending: number
}

/** One message of a stream, with what its reply subject says of it. */
export interface StreamMessage {
  readonly message: Msg
  readonly sequence: number
  /** The consumer's own count, from 1, without gaps unless a message got lost on the way. */
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

/** A consumer that is gone when it was not used for this long. A follower that is away longer makes a new one. */
const INACTIVE_NS = 120_000_000_000

/** Creates a consumer in memory that delivers from a sequence on, and acknowledges nothing: the offset is the follower's. */
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

/** Returns undefined if the consumer does not exist. */
export async function consumerInfo(
  connection: NatsConnection,
  stream: string,
  name: string,
): Promise<ConsumerInfo | undefined> {
  const answer = await ask(connection, `CONSUMER.INFO.${stream}.${name}`, {})
  const delivered = answer?.['delivered']
  if (answer === undefined || !isObject(delivered)) return undefined
  return { delivered: numberOf(delivered['consumer_seq']), pending: numberOf(answer['num_pending']) }
}

/** What one pull asks for. */
export interface PullRequest {
  readonly batch: number
  /** Absent: whatever the size. */
  readonly maxBytes?: number
  /** 0: what is there. Otherwise the pull waits this long for a first message. */
  readonly waitMs: number
}

/** Pulls messages. Throws if neither they nor a status come in time. */
export async function pull(
  connection: NatsConnection,
  stream: string,
  consumer: string,
  { batch, maxBytes, waitMs }: PullRequest,
): Promise<Pulled> {
  const inbox = createInbox()
  const { promise, reject, resolve } = Promise.withResolvers<Pulled>()
  const messages: StreamMessage[] = []
  const subscription = connection.subscribe(inbox, {
    callback: (error, message) => {
      if (error !== null) return reject(error)
      const status = message.headers?.code ?? 0
      const read = status === 0 ? readMessage(message) : undefined
      if (read !== undefined) messages.push(read)
      if (messages.length === batch) resolve({ messages, ended: 'complete' })
      else if (status !== 0) resolve({ messages, ended: endedBy(status, message.headers?.description ?? '') })
    },
  })
  const timer = setTimeout(() => {
    // With exactly `max_bytes` the server sends no status.
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

/** 404, 408: there is nothing (more). 409 has several meanings, by text. 503: nobody answers, as for a consumer in a restarted server. */
function endedBy(status: number, description: string): Pulled['ended'] {
  if (status === 404 || status === 408) return 'complete'
  if (status === 409 && /max_?bytes/i.test(description)) return 'too_large'
  return 'lost'
}

/** `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<ns>.<pending>`, or with domain and account before the stream. */
function readMessage(message: Msg): StreamMessage | undefined {
  const tokens = (message.reply ?? '').split('.')
  const [, , sequence, consumerSequence, nanos] = tokens.slice(tokens.length >= 11 ? 5 : 3)
  if (nanos === undefined) return undefined
  const timestampMs = Number(nanos.slice(0, -6))
  return { message, sequence: Number(sequence), consumerSequence: Number(consumerSequence), timestampMs }
}

/** Returns undefined if what is asked about does not exist. Throws the API's error otherwise. */
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
