// Reads a subject of a JetStream stream from an offset, which is the stream's sequence. A consumer in the server's memory
// delivers from there; it acknowledges nothing, and is made anew where the follower is not where the consumer is. Used by
// nats-log.ts.
import { nuid, type NatsConnection } from '@nats-io/nats-core'
import { sourceOf } from '../../core/events/topic-source.ts'
import type { Fetched, FetchLimits, FetchPosition, OffsetRange } from '../../kafka/kafka-log.ts'
import {
  consumerInfo,
  createConsumer,
  pull,
  streamInfo,
  streamsOf,
  type StreamInfo,
  type StreamMessage,
} from './jetstream-api.ts'
import { toLogRecord } from './nats-records.ts'
import { hasGap, splitAtLost } from './stream-gaps.ts'
import type { NatsSession } from './nats-session.ts'

/** Messages of one pull: with `max_bytes` besides, small ones come in few pulls. */
const MAX_BATCH = 5_000

/** A consumer, and where it is. */
interface Consumer {
  readonly stream: StreamInfo
  readonly name: string
  /** The offset that the next message is at or after. */
  next: number
  /** Messages that it has delivered to here. */
  delivered: number
}

type Placed =
  | { readonly kind: 'at'; readonly consumer: Consumer }
  | { readonly kind: 'nowhere'; readonly fetched: Fetched }

/** What the fetch at an offset returns: read already, because one pull held more than one result. */
interface Queued {
  readonly at: number
  readonly fetched: Fetched
}

export class JetStreamReader {
  readonly #session: NatsSession
  #consumer: Consumer | undefined
  /** In order, each at the offset where the one before it ends; the last one ends where the consumer is. */
  #queue: Queued[] = []

  constructor(session: NatsSession) {
    this.#session = session
  }

  /** Returns undefined if no stream has the subject. */
  async offsets(topic: string): Promise<OffsetRange | undefined> {
    return this.#session.use(async (connection) => findStream(connection, sourceOf(topic).name))
  }

  async fetch(position: FetchPosition, limits: FetchLimits): Promise<Fetched> {
    // Sequences start at 1: a follower that starts at 0 has missed nothing.
    const offset = Math.max(1, position.offset)
    const queued = this.#queue.shift()
    if (queued?.at === offset) return queued.fetched
    this.#queue = []
    return this.#session.use(async (connection) => this.#read(connection, { ...position, offset }, limits))
  }

  /** A consumer that is lost is made anew once: the server restarted, or the follower was away too long. */
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
    if (messages?.length === 0) return this.#readNothing(connection, consumer)
    if (messages !== undefined) return this.#readMessages(connection, consumer, position.topic, messages)
    this.#consumer = undefined
    if (isAgain) throw new Error('NATS: the server removes the consumer')
    return this.#read(connection, position, limits, true)
  }

  /** Returns the consumer at the position, which is made unless there is one; or why nothing can be read there. */
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

  /** Other subjects of the stream leave gaps between sequences. What is no longer in the stream may have been missed. */
  async #readMessages(
    connection: NatsConnection,
    consumer: Consumer,
    topic: string,
    messages: readonly StreamMessage[],
  ): Promise<Fetched> {
    const records = messages.map(({ message, sequence, timestampMs }) =>
      toLogRecord(message, topic, sequence, timestampMs),
    )
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

  /** Returns what there is; if there is nothing, waits for one message. Returns undefined if the consumer is gone. */
  async #pull(
    connection: NatsConnection,
    consumer: Consumer,
    { maxBytes, maxWaitMs }: FetchLimits,
  ): Promise<readonly StreamMessage[] | undefined> {
    const { name, stream } = consumer
    let pulled = await pull(connection, stream.name, name, { batch: MAX_BATCH, maxBytes, waitMs: 0 })
    // The first message alone is larger than `maxBytes`.
    if (pulled.messages.length === 0 && pulled.ended === 'too_large')
      pulled = await pull(connection, stream.name, name, { batch: 1, waitMs: 0 })
    if (pulled.messages.length === 0 && pulled.ended === 'complete' && maxWaitMs > 0)
      pulled = await pull(connection, stream.name, name, { batch: 1, waitMs: maxWaitMs })
    if (pulled.messages.length === 0) return pulled.ended === 'complete' ? [] : undefined
    const whole = wholePart(pulled.messages, consumer.delivered)
    consumer.delivered += whole.length
    return whole.length === 0 ? undefined : whole
  }

  /**
   * Nothing came. If everything up to the stream's end is of other subjects, the offset moves there: otherwise retention of
   * what others publish would count as lost.
   */
  async #readNothing(connection: NatsConnection, consumer: Consumer): Promise<Fetched> {
    const { next } = consumer
    const stream = await streamInfo(connection, consumer.stream.name)
    if (stream === undefined) {
      this.#consumer = undefined
      return { kind: 'unknown_topic_or_partition' }
    }
    if (stream.created !== consumer.stream.created || stream.earliest > next || stream.latest < next) {
      this.#consumer = undefined
      return outOfRange(stream, stream.earliest)
    }
    if (stream.latest > next) {
      // Asked after the end of the stream: what it has not delivered by now came later.
      const info = await consumerInfo(connection, stream.name, consumer.name)
      if (info?.pending === 0 && info.delivered === consumer.delivered) consumer.next = stream.latest
    }
    return { kind: 'records', records: [], next: consumer.next, topicId: stream.created }
  }
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

/** Returns the messages up to the first that did not arrive: a connection that breaks may lose some. */
function wholePart(messages: readonly StreamMessage[], delivered: number): readonly StreamMessage[] {
  const end = messages.findIndex(({ consumerSequence }, index) => consumerSequence !== delivered + index + 1)
  return end === -1 ? messages : messages.slice(0, end)
}
