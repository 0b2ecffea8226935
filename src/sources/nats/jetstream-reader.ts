// Reads a subject of a JetStream stream. Offsets are the stream's sequences. A consumer in the server's memory
// delivers from an offset on; nothing is acknowledged. If the follower asks for another offset than the consumer's
// next one, a new consumer is created. While the stream has more than was pulled, the next pull runs before its fetch, so
// that a backlog does not wait for the server's answer. Used by nats-log.ts.
import { nuid, type NatsConnection } from '@nats-io/nats-core'
import { sourceOf } from '../../core/events/topic-source.ts'
import type { LogRecord } from '../../core/events/kafka-record.ts'
import type { Fetched, FetchLimits, FetchPosition, OffsetRange } from '../../kafka/kafka-log.ts'
import {
  createConsumer,
  hasMessage,
  pull,
  streamInfo,
  streamsOf,
  type Pulled,
  type StreamInfo,
  type StreamMessage,
} from './jetstream-api.ts'
import { toLogRecord } from './nats-records.ts'
import { hasGap, splitAtLost } from './stream-gaps.ts'
import type { NatsSession } from './nats-session.ts'

/** Messages of one pull, whose size `max_bytes` limits as well. */
const MAX_BATCH = 5_000

/** Headers of the messages of one fetch: each takes 150 bytes, and can be sent in four. The rest is pulled again. */
const MAX_HEADERS = 100_000

/** A consumer on the server, and how far it has delivered. */
interface Consumer {
  readonly stream: StreamInfo
  readonly name: string
  /** The next message has this offset or a later one. */
  next: number
  /** Number of messages that fetches have got of it. */
  delivered: number
  /** The pull of the next fetch, if it has begun. At most one: its size is bounded as a fetch's is. */
  ahead?: PullAhead | undefined
}

interface PullAhead {
  readonly maxBytes: number
  readonly pulled: Promise<Pulled>
}

type Placed =
  | { readonly kind: 'at'; readonly consumer: Consumer }
  | { readonly kind: 'nowhere'; readonly fetched: Fetched }

/** The result of the next fetch, if it is at this offset: one pull can hold several results. */
interface Queued {
  readonly at: number
  readonly fetched: Fetched
}

export class JetStreamReader {
  readonly #session: NatsSession
  #consumer: Consumer | undefined
  /** In order of offsets and without gaps. The last result ends at the consumer's `next`. */
  #queue: Queued[] = []

  constructor(session: NatsSession) {
    this.#session = session
  }

  /** Returns undefined if no stream has the subject. */
  async offsets(topic: string): Promise<OffsetRange | undefined> {
    return this.#session.use(async (connection) => findStream(connection, sourceOf(topic).name))
  }

  async fetch(position: FetchPosition, limits: FetchLimits): Promise<Fetched> {
    // Sequences start at 1, so a follower that starts at 0 misses nothing.
    const offset = Math.max(1, position.offset)
    const queued = this.#queue.shift()
    if (queued?.at === offset) return queued.fetched
    this.#queue = []
    return this.#session.use(async (connection) => this.#read(connection, { ...position, offset }, limits))
  }

  /**
   * Creates a lost consumer again once. It is lost when the server restarts, or when nothing was fetched for too long.
   */
  async #read(
    connection: NatsConnection,
    position: FetchPosition,
    limits: FetchLimits,
    isAgain = false,
  ): Promise<Fetched> {
    const placed = await this.#place(connection, position)
    if (placed.kind === 'nowhere') return placed.fetched
    const { consumer } = placed
    const messages = await this.#pull(connection, consumer, limits)
    if (messages?.length === 0) return this.#readNothing(connection, consumer, position.topic)
    if (messages !== undefined) return this.#readMessages(connection, consumer, position.topic, messages)
    this.#consumer = undefined
    if (isAgain) throw new Error('NATS: the server removed the consumer twice in a row')
    return this.#read(connection, position, limits, true)
  }

  /** Returns the consumer at the position, creating it if necessary, or why nothing can be read there. */
  async #place(connection: NatsConnection, position: FetchPosition): Promise<Placed> {
    const { offset, topic, topicId = null } = position
    if (this.#consumer?.next === offset) return { kind: 'at', consumer: this.#consumer }
    this.#consumer = undefined
    const subject = sourceOf(topic).name
    const stream = await findStream(connection, subject)
    if (stream === undefined) return { kind: 'nowhere', fetched: { kind: 'unknown_topic_or_partition' } }
    const isAnother = topicId !== null && topicId !== stream.created
    if (isAnother || offset > stream.latest || offset < stream.earliest)
      return { kind: 'nowhere', fetched: outOfRange(stream, stream.earliest) }
    const name = `rigel-${nuid.next()}`
    await createConsumer(connection, stream.name, name, subject, offset)
    this.#consumer = { stream, name, next: offset, delivered: 0 }
    return { kind: 'at', consumer: this.#consumer }
  }

  /**
   * Gaps between sequences are messages of other subjects, or messages that the stream removed before they were read.
   */
  async #readMessages(
    connection: NatsConnection,
    consumer: Consumer,
    topic: string,
    messages: readonly StreamMessage[],
  ): Promise<Fetched> {
    const records = toRecords(messages, topic)
    // The consumer on the server does not deliver the rest again.
    if (records.length < messages.length) this.#consumer = undefined
    const from = consumer.next
    consumer.next = (records.at(-1)?.offset ?? from - 1) + 1
    const { created: topicId, name } = consumer.stream
    const stream = hasGap(from, records) ? await streamInfo(connection, name) : undefined
    const pieces = splitAtLost(from, records, stream?.earliest ?? 0)
    this.#queue = pieces.map(({ at, end, records: some }) => ({
      at,
      fetched:
        some === null
          ? { kind: 'offset_out_of_range', earliest: end, latest: stream?.latest ?? end, topicId }
          : { kind: 'records', records: some, next: end, topicId },
    }))
    return this.#queue.shift()?.fetched ?? { kind: 'records', records, next: consumer.next, topicId }
  }

  /**
   * Returns available messages; if there are none, waits for one. Returns undefined if the consumer no longer exists.
   */
  async #pull(
    connection: NatsConnection,
    consumer: Consumer,
    { maxBytes, maxWaitMs }: FetchLimits,
  ): Promise<readonly StreamMessage[] | undefined> {
    const { ahead, name, stream } = consumer
    consumer.ahead = undefined
    // What was pulled may be more than the caller takes, and the consumer does not deliver it again.
    if (ahead !== undefined && ahead.maxBytes !== maxBytes) return undefined
    let pulled = await (ahead?.pulled ?? pullBatch(connection, consumer, maxBytes))
    // The first message alone is larger than `maxBytes`.
    if (pulled.messages.length === 0 && pulled.ended === 'too_large')
      pulled = await pull(connection, stream.name, name, { batch: 1, waitMs: 0 })
    if (pulled.messages.length === 0 && pulled.ended === 'complete' && maxWaitMs > 0)
      pulled = await pull(connection, stream.name, name, { batch: 1, waitMs: maxWaitMs })
    if (pulled.messages.length === 0) return pulled.ended === 'complete' ? [] : undefined
    const whole = wholePart(pulled.messages, consumer.delivered)
    consumer.delivered += whole.length
    const hasMore = pulled.ended === 'too_large' || pulled.messages.length === MAX_BATCH
    if (hasMore && whole.length === pulled.messages.length) consumer.ahead = pullAhead(connection, consumer, maxBytes)
    return whole.length === 0 ? undefined : whole
  }

  /**
   * Handles a pull without messages. If all messages up to the stream's end are of other subjects, the offset moves to
   * the end. Otherwise messages of other subjects that retention removes would count as lost. The stream is asked for a
   * message of the subject: the server tells a consumer of a stored message only later, so the consumer's pull, and its
   * count of pending messages, may not have it yet.
   */
  async #readNothing(connection: NatsConnection, consumer: Consumer, topic: string): Promise<Fetched> {
    const { next } = consumer
    const subject = sourceOf(topic).name
    const stream = await streamInfo(connection, consumer.stream.name)
    if (stream === undefined) {
      this.#consumer = undefined
      return { kind: 'unknown_topic_or_partition' }
    }
    if (stream.created !== consumer.stream.created || stream.earliest > next || stream.latest < next) {
      this.#consumer = undefined
      return outOfRange(stream, stream.earliest)
    }
    // Order matters: what is stored after `stream` was read has a sequence of `latest` or above.
    const isPast = stream.latest > next && !(await hasMessage(connection, stream.name, subject, next))
    if (isPast) consumer.next = stream.latest
    return { kind: 'records', records: [], next: consumer.next, topicId: stream.created }
  }
}

/** Pulls what the stream has, without waiting. */
async function pullBatch(connection: NatsConnection, { name, stream }: Consumer, maxBytes: number): Promise<Pulled> {
  return pull(connection, stream.name, name, { batch: MAX_BATCH, maxBytes, waitMs: 0 })
}

/** A failed pull fails the fetch that takes it. If none does, its failure is without effect. */
function pullAhead(connection: NatsConnection, consumer: Consumer, maxBytes: number): PullAhead {
  const pulled = pullBatch(connection, consumer, maxBytes)
  pulled.catch(() => undefined)
  return { maxBytes, pulled }
}

async function findStream(connection: NatsConnection, subject: string): Promise<StreamInfo | undefined> {
  const [name, ...others] = await streamsOf(connection, subject)
  if (name === undefined) return undefined
  if (others.length > 0)
    throw new Error(`NATS: several streams have the subject ${subject}: ${[name, ...others].join(', ')}`)
  return streamInfo(connection, name)
}

function outOfRange({ created, latest }: StreamInfo, earliest: number): Fetched {
  return { kind: 'offset_out_of_range', earliest, latest, topicId: created }
}

/** Returns at least one, and no more than can be held. */
function toRecords(messages: readonly StreamMessage[], topic: string): readonly LogRecord[] {
  const records: LogRecord[] = []
  let headers = 0
  for (const { message, sequence, timestampMs } of messages) {
    if (headers >= MAX_HEADERS) break
    const record = toLogRecord(message, topic, sequence, timestampMs)
    headers += record.headers.length
    records.push(record)
  }
  return records
}

/** Returns the messages before the first gap: a connection that breaks may lose messages. */
function wholePart(messages: readonly StreamMessage[], delivered: number): readonly StreamMessage[] {
  const end = messages.findIndex(({ consumerSequence }, index) => consumerSequence !== delivered + index + 1)
  return end === -1 ? messages : messages.slice(0, end)
}
