// Reads a subject by core NATS, which stores nothing: messages published while the follower is not connected are lost.
// The first offset of a subscription is the time in microseconds since 1970, and each message gets the next one. So
// offsets also grow when the follower restarts. Used by nats-log.ts.
import type { NatsConnection, Subscription } from '@nats-io/nats-core'
import { sourceOf } from '../../core/events/topic-source.ts'
import type { LogRecord } from '../../core/events/kafka-record.ts'
import type { Fetched, FetchLimits, FetchPosition } from '../../kafka/kafka-log.ts'
import { toLogRecord } from './nats-records.ts'
import type { NatsSession } from './nats-session.ts'

/** Limit of messages that wait for the follower. Above it, the oldest ones are dropped. */
const MAX_WAITING_BYTES = 8 * 1_048_576

/** Memory of one header besides its text. */
const HEADER_BYTES = 150

/** Settings of a CoreReader. */
export interface CoreReaderOptions {
  readonly session: NatsSession
  /** The server sends each message to one subscriber of the group. */
  readonly queueGroup: string
  readonly nowMs: () => number
  readonly warn: (message: string, details: Record<string, unknown>) => void
}

export class CoreReader {
  readonly #options: CoreReaderOptions
  #connection: NatsConnection | undefined
  #subscription: Subscription | undefined
  #waiting: LogRecord[] = []
  #waitingBytes = 0
  #nextOffset = 0
  #dropped = 0
  #arrived = Promise.withResolvers<void>()

  constructor(options: CoreReaderOptions) {
    this.#options = options
  }

  /** Returns what has arrived; if nothing has, waits. The subscription stays between fetches. */
  async fetch(position: FetchPosition, { maxBytes, maxWaitMs }: FetchLimits): Promise<Fetched> {
    await this.#subscribe(position)
    if (this.#waiting.length === 0 && maxWaitMs > 0) await this.#wait(maxWaitMs)
    this.#reportDropped(position.topic)
    // Messages before `position` have been appended. After a failed append the follower asks for the same position
    // again.
    this.#drop((record) => record.offset < position.offset)
    const records = firstBytes(this.#waiting, maxBytes)
    const last = records.at(-1)
    return { kind: 'records', records, next: last === undefined ? position.offset : last.offset + 1 }
  }

  async #subscribe({ offset, topic }: FetchPosition): Promise<void> {
    if (this.#subscription !== undefined && this.#connection?.isClosed() === false) return
    const { nowMs, queueGroup, session } = this.#options
    const connection = await session.connection()
    this.#nextOffset = Math.max(this.#nextOffset, offset, nowMs() * 1_000)
    this.#connection = connection
    this.#subscription = connection.subscribe(sourceOf(topic).name, {
      queue: queueGroup,
      callback: (error, message) => {
        if (error === null) this.#add(toLogRecord(message, topic, this.#nextOffset++, nowMs()))
      },
    })
    // Messages that are published from here on are received: the server has processed the subscription.
    await connection.flush()
  }

  #add(record: LogRecord): void {
    this.#waiting.push(record)
    this.#waitingBytes += sizeOf(record)
    while (this.#waitingBytes > MAX_WAITING_BYTES && this.#waiting.length > 1) {
      const oldest = this.#waiting.shift()
      this.#waitingBytes -= oldest === undefined ? 0 : sizeOf(oldest)
      this.#dropped += 1
    }
    this.#arrived.resolve()
  }

  #drop(isOld: (record: LogRecord) => boolean): void {
    this.#waiting = this.#waiting.filter((record) => !isOld(record))
    this.#waitingBytes = this.#waiting.reduce((sum, record) => sum + sizeOf(record), 0)
  }

  async #wait(maxWaitMs: number): Promise<void> {
    this.#arrived = Promise.withResolvers()
    const timer = setTimeout(() => this.#arrived.resolve(), maxWaitMs)
    const closed = this.#connection?.closed() ?? Promise.resolve()
    await Promise.race([this.#arrived.promise, closed])
    clearTimeout(timer)
  }

  #reportDropped(topic: string): void {
    if (this.#dropped === 0) return
    this.#options.warn('messages of core NATS were dropped: they arrived faster than they could be appended', {
      topic,
      dropped: this.#dropped,
    })
    this.#dropped = 0
  }
}

function sizeOf({ headers, value }: LogRecord): number {
  const inHeaders = headers.reduce((sum, { key, value: text }) => sum + HEADER_BYTES + key.length + text.length, 0)
  return 100 + (value?.length ?? 0) + inHeaders
}

function firstBytes(records: readonly LogRecord[], maxBytes: number): readonly LogRecord[] {
  let bytes = 0
  const end = records.findIndex((record, index) => {
    bytes += sizeOf(record)
    return index > 0 && bytes > maxBytes
  })
  return end === -1 ? records.slice() : records.slice(0, end)
}
