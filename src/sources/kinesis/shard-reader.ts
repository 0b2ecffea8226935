// Reads one shard from a follower's checkpoint. It polls, because Kinesis has no long polling. Offsets are dense and
// count from where the follower began; the checkpoint's cursor has the sequence number. Used by kinesis-log.ts.
import { sourceOf } from '../../core/events/topic-source.ts'
import type { LogRecord } from '../../core/events/kafka-record.ts'
import { fromBase64 } from '../../core/bytes.ts'
import { isObject, type JsonObject } from '../../core/json.ts'
import type { Fetched, FetchLimits, FetchPosition } from '../../kafka/kafka-log.ts'
import { splitAggregated } from './aggregated-record.ts'
import { formatCursor, parseCursor, type Cursor } from './cursor.ts'
import { KinesisError, type KinesisCall } from './kinesis-client.ts'
import { listShards, shardIdOf } from './shards.ts'

/** Kinesis allows five reads of a shard per second, for all consumers together. */
const POLL_MS = 500
const MIN_POLL_MS = 250

/** Records of one read. Kinesis also limits a response to 10 MB. */
const MAX_RECORDS = 2_000

/** Records of one fetch, each of which takes some hundred bytes. An aggregated record can hold more: the rest is read again. */
const MAX_FETCHED = 20_000

/** The API, the clock, and the state of other followers, so that tests can control them. */
export interface ShardReaderDeps {
  readonly call: KinesisCall
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
  /** Whether the follower of another shard of the stream has read it to its end. */
  readonly isEnded: (partition: number) => Promise<boolean>
}

/** A shard iterator, and the place that it reads from. */
interface IteratorPlace {
  readonly offset: number
  readonly cursor: Cursor
  readonly iterator: string
}

interface ReadRecord {
  readonly record: LogRecord
  /** The place after the record. */
  readonly cursor: Cursor
}

export class ShardReader {
  readonly #deps: ShardReaderDeps
  #place: IteratorPlace | undefined
  #topicId: string | undefined
  #lastReadMs = -Infinity

  constructor(deps: ShardReaderDeps) {
    this.#deps = deps
  }

  async fetch(position: FetchPosition, { maxWaitMs }: FetchLimits): Promise<Fetched> {
    const cursor = parseCursor(position.cursor ?? null)
    try {
      if (this.#topicId === undefined) await this.#identify(sourceOf(position.topic).name)
      const isAnother =
        position.topicId !== undefined && position.topicId !== null && position.topicId !== this.#topicId
      if (isAnother) return { kind: 'offset_out_of_range', earliest: 0, latest: 0, topicId: this.#topicId ?? null }
      if (cursor.kind === 'end') return this.#ended(position)
      return await this.#poll(position, cursor, this.#deps.nowMs() + maxWaitMs)
    } catch (error) {
      // The stream may be deleted and created again before the next fetch.
      this.#place = undefined
      this.#topicId = undefined
      if (error instanceof KinesisError && error.code === 'ResourceNotFoundException')
        return { kind: 'unknown_topic_or_partition' }
      throw error
    }
  }

  async #poll(position: FetchPosition, cursor: Cursor, endMs: number): Promise<Fetched> {
    const { nowMs, sleep } = this.#deps
    for (;;) {
      const isReadable = cursor.kind !== 'start' || (await this.#hasNoUnreadParent(position))
      const fetched = isReadable ? await this.#read(position, cursor) : this.#nothing(position)
      const hasMoved = fetched.kind !== 'records' || fetched.next !== position.offset
      if (hasMoved || nowMs() + POLL_MS > endMs) return fetched
      await sleep(POLL_MS)
    }
  }

  async #read(position: FetchPosition, cursor: Cursor): Promise<Fetched> {
    const { offset } = position
    const isThere = this.#place?.offset === offset && formatCursor(this.#place.cursor) === formatCursor(cursor)
    const place = this.#place !== undefined && isThere ? this.#place : await this.#findPlace(position, cursor)
    this.#place = undefined
    const answer = await this.#getRecords(place.iterator)
    if (answer === undefined) return this.#nothing(position)
    const { isWhole, read } = await toRecords(answer, position, cursor)
    const next = answer['NextShardIterator']
    const last = read.at(-1)
    const isEnd = typeof next !== 'string' && read.length === 0
    const at = { offset: offset + read.length, cursor: last?.cursor ?? cursor }
    if (typeof next === 'string' && isWhole) this.#place = { ...at, iterator: next }
    const topicId = this.#topicId ?? null
    // The end of the shard takes one offset. Otherwise the checkpoint would not move, and the cursor `end` not be
    // stored.
    if (isEnd)
      return { kind: 'records', records: [], next: offset + 1, topicId, cursors: [formatCursor({ kind: 'end' })] }
    const cursors = read.map((one) => formatCursor(one.cursor))
    return { kind: 'records', records: read.map(({ record }) => record), next: at.offset, topicId, cursors }
  }

  /** Returns undefined if Kinesis throttles the call, or if the iterator has expired, which takes five minutes. */
  async #getRecords(iterator: string): Promise<JsonObject | undefined> {
    const { call, nowMs, sleep } = this.#deps
    const waitMs = this.#lastReadMs + MIN_POLL_MS - nowMs()
    if (waitMs > 0) await sleep(waitMs)
    this.#lastReadMs = nowMs()
    try {
      return await call('GetRecords', { ShardIterator: iterator, Limit: MAX_RECORDS })
    } catch (error) {
      const isPassing =
        error instanceof KinesisError &&
        (error.code === 'ProvisionedThroughputExceededException' || error.code === 'ExpiredIteratorException')
      if (isPassing) return undefined
      throw error
    }
  }

  async #findPlace(position: FetchPosition, cursor: Cursor): Promise<IteratorPlace> {
    const { offset, partition, topic } = position
    const answer = await this.#deps.call('GetShardIterator', {
      StreamName: sourceOf(topic).name,
      ShardId: shardIdOf(partition),
      ...startOf(cursor, offset),
    })
    return { offset, cursor, iterator: String(answer['ShardIterator']) }
  }

  /** The creation time distinguishes a stream from a later one of the same name. */
  async #identify(stream: string): Promise<void> {
    const answer = await this.#deps.call('DescribeStreamSummary', { StreamName: stream })
    const summary = answer['StreamDescriptionSummary']
    this.#topicId = isObject(summary) ? String(summary['StreamCreationTimestamp']) : ''
  }

  /**
   * Older records of a key are in the parent, so it must be read first. Parents that retention has removed are not
   * listed.
   */
  async #hasNoUnreadParent({ partition, topic }: FetchPosition): Promise<boolean> {
    const shards = await listShards(this.#deps.call, sourceOf(topic).name)
    const own = shards?.find((shard) => shard.partition === partition)
    for (const parent of own?.parents ?? []) if (!(await this.#deps.isEnded(parent))) return false
    return true
  }

  async #ended({ partition, topic }: FetchPosition): Promise<Fetched> {
    const shards = (await listShards(this.#deps.call, sourceOf(topic).name)) ?? []
    const children = shards.filter(({ parents }) => parents.includes(partition))
    return { kind: 'ended', successors: children.map((shard) => shard.partition) }
  }

  #nothing({ offset }: FetchPosition): Fetched {
    return { kind: 'records', records: [], next: offset, topicId: this.#topicId ?? null, cursors: [] }
  }
}

/** The first offset of a follower is 0 if it begins at the start of the shard, else the time at which it began. */
function startOf(cursor: Cursor, offset: number): JsonObject {
  if (cursor.kind === 'after') {
    const { inside, sequence } = cursor
    return {
      ShardIteratorType: inside > 0 ? 'AT_SEQUENCE_NUMBER' : 'AFTER_SEQUENCE_NUMBER',
      StartingSequenceNumber: sequence,
    }
  }
  if (offset === 0) return { ShardIteratorType: 'TRIM_HORIZON' }
  return { ShardIteratorType: 'AT_TIMESTAMP', Timestamp: offset / 1_000 }
}

/** `isWhole`: false if the answer has more than a fetch may. */
async function toRecords(
  answer: JsonObject,
  from: FetchPosition,
  cursor: Cursor,
): Promise<{ readonly read: readonly ReadRecord[]; readonly isWhole: boolean }> {
  const list = Array.isArray(answer['Records']) ? answer['Records'].filter(isObject) : []
  const read: ReadRecord[] = []
  for (const one of list) {
    const sequence = String(one['SequenceNumber'])
    const data = fromBase64(String(one['Data'])) ?? new Uint8Array()
    const parts = (await splitAggregated(data)) ?? [{ key: String(one['PartitionKey']), data }]
    const skipped = cursor.kind === 'after' && cursor.sequence === sequence ? cursor.inside : 0
    const timestampMs = Math.round(Number(one['ApproximateArrivalTimestamp']) * 1_000) || 0
    let index = 0
    for (const part of parts) {
      index += 1
      if (index <= skipped) continue
      if (read.length === MAX_FETCHED) return { read, isWhole: false }
      const { partition, topic } = from
      const place = { topic, partition, offset: from.offset + read.length, timestampMs }
      const record = { ...place, key: new TextEncoder().encode(part.key), headers: [], value: part.data }
      read.push({ record, cursor: { kind: 'after', sequence, inside: index } })
    }
    // All of it has been read.
    const last = read.at(-1)
    if (last !== undefined) read[read.length - 1] = { ...last, cursor: { kind: 'after', sequence, inside: 0 } }
  }
  return { read, isWhole: true }
}
