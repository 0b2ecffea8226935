// The records of one topic-partition: SQL for `partition` and `segments`, retention by time and bytes. Knows nothing of
// who reads or waits; embedded-log.ts is the object around it. What was stored before is known by idempotency-keys.ts.
import { splitBySize } from '../../core/split-by-size.ts'
import type { LogRecord, TopicPartition } from '../../core/events/kafka-record.ts'
import { sizeOf, type Appended, type AppendRecord, type KeyedRecord } from '../../rpc/embedded-kafka.ts'
import { IdempotencyKeys, sortOut, type DedupeWindow } from './idempotency-keys.ts'
import type { Fetched, OffsetRange } from '../../kafka/kafka-log.ts'
import { decodeSegment, encodeSegment } from './segment.ts'

/** A row of SQLite holds 2 MB at most. */
const MAX_SEGMENT_BYTES = 1_000_000

interface SegmentRow extends Record<string, SqlStorageValue> {
  first_offset: number
  next_offset: number
  heads: string
  body: ArrayBuffer
}

export interface PartitionRetention {
  readonly retentionMs: number
  readonly retentionBytes: number
  readonly dedupe: DedupeWindow
}

export class PartitionLog {
  readonly #storage: DurableObjectStorage
  readonly #sql: SqlStorage
  readonly #at: TopicPartition
  readonly #retention: PartitionRetention
  readonly #keys: IdempotencyKeys
  /** The offset that the next record will get. Equals the `partition` row at every await. */
  #next: number
  /** Sum of `segments.bytes`. */
  #bytes: number

  constructor(storage: DurableObjectStorage, at: TopicPartition, retention: PartitionRetention) {
    this.#storage = storage
    this.#sql = storage.sql
    this.#at = at
    this.#retention = retention
    this.#keys = new IdempotencyKeys(storage.sql, retention.dedupe)
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS partition (id INTEGER PRIMARY KEY, next_offset INTEGER NOT NULL);
      INSERT OR IGNORE INTO partition VALUES (0, 0);
      CREATE TABLE IF NOT EXISTS segments (
        next_offset INTEGER PRIMARY KEY, first_offset INTEGER NOT NULL, appended_ms INTEGER NOT NULL,
        bytes INTEGER NOT NULL, heads TEXT NOT NULL, body BLOB NOT NULL
      );
    `)
    this.#next = this.#sql.exec<{ next_offset: number }>('SELECT next_offset FROM partition').one().next_offset
    this.#bytes = this.#sql.exec<{ bytes: number }>('SELECT COALESCE(SUM(bytes), 0) AS bytes FROM segments').one().bytes
  }

  offsets(): OffsetRange {
    const { first } = this.#sql.exec<{ first: number | null }>('SELECT MIN(first_offset) AS first FROM segments').one()
    return { earliest: first ?? this.#next, latest: this.#next }
  }

  /** Answers the offset of the first. All or nothing. */
  append(records: readonly AppendRecord[], nowMs: number): number {
    const first = this.#next
    this.#transact(() => this.#append(records, nowMs))
    return first
  }

  /** Leaves out what it has by its key, also within `records`, and answers the place of each. All or nothing. */
  appendOnce(records: readonly KeyedRecord[], nowMs: number): readonly Appended[] {
    return this.#transact(() => {
      this.#keys.forgetOld(nowMs)
      const first = this.#next
      const { places, fresh } = sortOut(records, first, (key) => this.#keys.offsetOf(key))
      if (fresh.length === 0) return places
      this.#append(fresh, nowMs)
      this.#keys.remember(first, fresh, nowMs)
      return places
    })
  }

  read(offset: number, maxBytes: number): Fetched {
    const { earliest, latest } = this.offsets()
    if (offset < earliest || offset > latest) return { kind: 'offset_out_of_range', earliest, latest }
    const records: LogRecord[] = []
    let bytes = 0
    for (const row of this.#segmentsAfter(offset)) {
      for (const record of this.#decode(row)) {
        if (record.offset < offset) continue
        bytes += sizeOf(record)
        if (records.length > 0 && bytes > maxBytes) return { kind: 'records', records, next: record.offset }
        records.push(record)
      }
    }
    return { kind: 'records', records, next: this.#next }
  }

  /** The offset of the first record that is not older; the end of the log if all are. */
  offsetAt(timestampMs: number): number {
    for (const row of this.#segmentsAfter(0)) {
      for (const record of this.#decode(row)) if (record.timestampMs >= timestampMs) return record.offset
    }
    return this.#next
  }

  /** What is in memory goes back with the transaction. */
  #transact<T>(work: () => T): T {
    const [next, bytes] = [this.#next, this.#bytes]
    try {
      return this.#storage.transactionSync(work)
    } catch (error) {
      this.#next = next
      this.#bytes = bytes
      this.#keys.reload()
      throw error
    }
  }

  #append(records: readonly AppendRecord[], nowMs: number): void {
    for (const segment of splitBySize(records, sizeOf, MAX_SEGMENT_BYTES)) this.#insert(segment, nowMs)
    this.#sql.exec('UPDATE partition SET next_offset = ?', this.#next)
    this.#trim(nowMs)
  }

  #segmentsAfter(offset: number): SqlStorageCursor<SegmentRow> {
    return this.#sql.exec<SegmentRow>(
      'SELECT first_offset, next_offset, heads, body FROM segments WHERE next_offset > ? ORDER BY next_offset',
      offset,
    )
  }

  #decode(row: SegmentRow): Generator<LogRecord> {
    return decodeSegment(this.#at, row.first_offset, { heads: row.heads, body: new Uint8Array(row.body) })
  }

  #insert(records: readonly AppendRecord[], nowMs: number): void {
    const first = this.#next
    this.#next += records.length
    const { heads, body } = encodeSegment(records)
    const bytes = heads.length + body.length
    this.#bytes += bytes
    this.#sql.exec(
      'INSERT INTO segments (next_offset, first_offset, appended_ms, bytes, heads, body) VALUES (?, ?, ?, ?, ?, ?)',
      this.#next,
      first,
      nowMs,
      bytes,
      heads,
      body,
    )
  }

  /** Oldest first, and never the newest: what was just produced can always be read. */
  #trim(nowMs: number): void {
    for (const row of this.#sql.exec<{ next_offset: number; appended_ms: number; bytes: number }>(
      'SELECT next_offset, appended_ms, bytes FROM segments WHERE next_offset < ? ORDER BY next_offset',
      this.#next,
    )) {
      const tooOld = row.appended_ms < nowMs - this.#retention.retentionMs
      if (!tooOld && this.#bytes <= this.#retention.retentionBytes) return
      this.#sql.exec('DELETE FROM segments WHERE next_offset = ?', row.next_offset)
      this.#bytes -= row.bytes
    }
  }
}
