// The records of one topic-partition of the embedded log, and how far they have been followed. embedded-log.ts is the object
// around it; the tables are src/segment-log's, and those of idempotency-keys.ts.
import { splitBySize } from '../../core/split-by-size.ts'
import type { LogRecord, TopicPartition } from '../../core/events/kafka-record.ts'
import type { Fetched, OffsetRange } from '../../kafka/kafka-log.ts'
import { sizeOf, type Appended, type AppendRecord, type KeyedRecord } from '../../rpc/embedded-kafka.ts'
import type { FollowerCounters } from '../../rpc/follower.ts'
import { SegmentLog, type NewSegment } from '../../segment-log/segment-log.ts'
import type { Retention } from '../../segment-log/slices.ts'
import { migrateLog } from './migrate-log.ts'
import { findDuplicates, IdempotencyKeys, type DedupeWindow } from './idempotency-keys.ts'
import { decodeSegment, encodeSegment } from './segment.ts'

/** A row of SQLite holds 2 MB at most. */
const MAX_SEGMENT_BYTES = 1_000_000

export interface PartitionRetention extends Retention {
  readonly dedupe: DedupeWindow
}

/** The metadata of a segment's row: the checkpoint at the append. Null if it has not changed. */
type SegmentCheckpoint =
  | readonly [
      offset: number,
      generation: number,
      topicId: string | null,
      records: number,
      deadLetters: number,
      lost: number,
      /** Absent in rows of versions before 0.2. */
      dropped?: number,
    ]
  | null

const NOTHING_DROPPED = { dropped: 0 }

export interface PartitionState {
  /** Null: the partition is not followed, or was not yet. */
  readonly checkpoint: FollowerCounters | null
}

export class PartitionLog {
  readonly #at: TopicPartition
  readonly #log: SegmentLog<SegmentCheckpoint, PartitionState>
  readonly #keys: IdempotencyKeys
  /** Newer than the stored one while `#isCheckpointStored` is false. */
  #checkpoint: FollowerCounters | null
  #isCheckpointStored = true

  constructor(storage: DurableObjectStorage, at: TopicPartition, { dedupe, ...retention }: PartitionRetention) {
    migrateLog(storage)
    this.#at = at
    this.#keys = new IdempotencyKeys(storage.sql, dedupe)
    this.#log = new SegmentLog(storage, {
      retention,
      initial: (): PartitionState => ({ checkpoint: null }),
      fold: (state, checkpoint) => (checkpoint === null ? state : { checkpoint: toCounters(checkpoint) }),
    })
    const { checkpoint } = this.#log.state
    // Versions before 0.2 did not count what rules drop.
    this.#checkpoint = checkpoint && { ...NOTHING_DROPPED, ...checkpoint }
  }

  offsets(): OffsetRange {
    return { earliest: this.#log.floor, latest: this.#log.head }
  }

  /**
   * Appends the records of several requests in one transaction. Returns the place of each record, by request. A record whose
   * idempotency key is known is not stored again. Durable once `storage.sync()` resolves.
   */
  append(requests: readonly (readonly KeyedRecord[])[], nowMs: number): readonly (readonly Appended[])[] {
    const [only = []] = requests
    const records = requests.length === 1 ? only : requests.flat()
    const { head } = this.#log
    const places = records.some(({ idempotencyKey }) => idempotencyKey !== undefined)
      ? this.#log.transact(() => this.#appendOnce(records, nowMs))
      : this.#appendAll(records, nowMs)
    if (this.#log.head > head) this.#isCheckpointStored = true
    if (requests.length === 1) return [places]
    let from = 0
    return requests.map(({ length }) => places.slice(from, (from += length)))
  }

  /** Returns records from `offset` on, as many as `maxBytes` allows, and at least one if there is any. */
  read(offset: number, maxBytes: number): Fetched {
    const { earliest, latest } = this.offsets()
    if (offset < earliest || offset > latest) return { kind: 'offset_out_of_range', earliest, latest }
    const records: LogRecord[] = []
    let bytes = 0
    for (const record of this.#recordsFrom(offset)) {
      bytes += sizeOf(record)
      if (records.length > 0 && bytes > maxBytes) return { kind: 'records', records, next: record.offset }
      records.push(record)
    }
    return { kind: 'records', records, next: latest }
  }

  /** Returns the offset of the first record that is not older; the end of the log if all are. */
  offsetAt(timestampMs: number): number {
    for (const record of this.#recordsFrom(this.#log.floor)) if (record.timestampMs >= timestampMs) return record.offset
    return this.#log.head
  }

  /** Null: the partition was never followed. */
  get checkpoint(): FollowerCounters | null {
    return this.#checkpoint
  }

  /** Whether storage has the newest checkpoint. */
  get isCheckpointStored(): boolean {
    return this.#isCheckpointStored
  }

  /** In memory: the next append stores it in its own row. */
  moveCheckpoint(checkpoint: FollowerCounters): void {
    this.#checkpoint = checkpoint
    this.#isCheckpointStored = false
  }

  /** Stores the checkpoint by itself, in one row. */
  storeCheckpoint(): void {
    this.#log.setState({ checkpoint: this.#checkpoint })
    this.#isCheckpointStored = true
  }

  /** Drops records that are past the retention. */
  trim(nowMs: number): void {
    this.#log.trim(nowMs)
  }

  *#recordsFrom(offset: number): Generator<LogRecord> {
    for (const { position, heads, body } of this.#log.read(offset)) {
      for (const record of decodeSegment(this.#at, position, { heads, body })) if (record.offset >= offset) yield record
    }
  }

  #appendOnce(records: readonly KeyedRecord[], nowMs: number): readonly Appended[] {
    try {
      this.#keys.forgetOld(nowMs)
      const first = this.#log.head
      const { places, fresh } = findDuplicates(records, first, (key) => this.#keys.offsetOf(key))
      if (fresh.length === 0) return places
      this.#appendAll(fresh, nowMs)
      this.#keys.remember(first, fresh, nowMs)
      return places
    } catch (error) {
      this.#keys.reload()
      throw error
    }
  }

  #appendAll(records: readonly AppendRecord[], nowMs: number): readonly Appended[] {
    const first = this.#log.head
    const checkpoint = this.#isCheckpointStored || this.#checkpoint === null ? null : toMeta(this.#checkpoint)
    const segments = splitBySize(records, sizeOf, MAX_SEGMENT_BYTES).map((some): NewSegment<SegmentCheckpoint> => {
      const { heads, body } = encodeSegment(some)
      return { count: some.length, meta: checkpoint, heads, body }
    })
    this.#log.append(segments, nowMs)
    return records.map((_, index) => ({ offset: first + index, duplicate: false }))
  }
}

function toMeta(counters: FollowerCounters): SegmentCheckpoint {
  const { offset, generation, topicId, records, deadLetters, lost, dropped } = counters
  return [offset, generation, topicId, records, deadLetters, lost, dropped]
}

function toCounters(checkpoint: NonNullable<SegmentCheckpoint>): FollowerCounters {
  const [offset, generation, topicId, records, deadLetters, lost, dropped = 0] = checkpoint
  return { offset, generation, topicId, records, deadLetters, lost, dropped }
}
