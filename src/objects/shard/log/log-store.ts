// The log of one shard: SQL for `log`, `segments` and `seen`. A pack of events is one row, a segment, as it came from the
// follower. Knows nothing of connections.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import {
  decodeHeaders,
  encodeBatches,
  decodePayloads,
  decodeBatch,
  type AppendBatch,
  type EventBatch,
  type EventHeader,
  type EncodedEvents,
} from '../../../core/delivery/batch-codec.ts'
import { formatPosition, parsePosition } from '../../../core/identity/position.ts'

const encoder = new TextEncoder()

/** How often time-based retention is looked at, at most. */
const TRIM_INTERVAL_MS = 1_000

export interface LogRetention {
  readonly retentionMs: number
  readonly retentionBytes: number
}

/** Events in a row of the log: a pack, with sequence numbers instead of offsets. */
export interface LogSegment extends EncodedEvents {
  readonly firstSeq: number
  readonly lastSeq: number
}

interface SegmentRow extends Record<string, SqlStorageValue> {
  first_seq: number
  last_seq: number
  heads: string
  body: ArrayBuffer
}

export class LogStore {
  readonly #storage: DurableObjectStorage
  readonly #sql: SqlStorage
  readonly #retention: LogRetention
  /** `<shard>.<life>`, made when the log was: a position with another one is of another log. */
  readonly epoch: string
  /** Sequence number of the newest entry. Equals what the `log` row says at every await. */
  #head: number
  /** Everything up to here may have been trimmed. */
  #floor: number
  /** Sum of `segments.bytes`. */
  #bytes: number
  #trimmedAtMs = 0

  constructor(storage: DurableObjectStorage, newEpoch: string, retention: LogRetention) {
    this.#storage = storage
    this.#sql = storage.sql
    this.#retention = retention
    this.#createTables()
    this.#sql.exec('INSERT OR IGNORE INTO log (id, epoch, head, floor) VALUES (0, ?, 0, 0)', newEpoch)
    const row = this.#sql
      .exec<{ epoch: string; head: number; floor: number }>('SELECT epoch, head, floor FROM log')
      .one()
    this.epoch = row.epoch
    this.#head = row.head
    this.#floor = row.floor
    this.#bytes = this.#sql.exec<{ bytes: number }>('SELECT COALESCE(SUM(bytes), 0) AS bytes FROM segments').one().bytes
  }

  get head(): number {
    return this.#head
  }

  position(seq: number): string {
    return formatPosition(this.epoch, seq)
  }

  /** The oldest sequence number that reading can go on from without a gap. */
  get floor(): number {
    return this.#floor
  }

  /** The sequence number to read on from, or undefined if there would be a gap: too old, of another life, or garbage. */
  resumable(lastEventId: string): number | undefined {
    const position = parsePosition(lastEventId)
    if (position?.epoch !== this.epoch || position.seq > this.#head || position.seq < this.#floor) return undefined
    return position.seq
  }

  /** Stores what has not been seen yet, all or nothing, and answers it. Durable once `storage.sync()` resolves. */
  append(batches: readonly AppendBatch[], nowMs: number): readonly LogSegment[] {
    const fresh = this.#atomically(() =>
      this.#write(
        batches.flatMap((batch) => this.#unseen(batch)),
        nowMs,
      ),
    )
    this.#atomically(() => this.#trim(nowMs))
    return fresh
  }

  /** Stores one of Rigel's own events for one connection. */
  appendOwn(connectionId: string, type: string, json: string, nowMs: number): readonly LogSegment[] {
    const body = encoder.encode(json)
    const head: EventHeader = [type, {}, null, connectionId, body.length]
    return this.#atomically(() => this.#write([{ count: 1, heads: JSON.stringify([head]), body }], nowMs))
  }

  /** Makes positions given out before this call differ from those given out after it. Answers the new head. */
  advance(): number {
    this.#head += 1
    this.#sql.exec('UPDATE log SET head = ?', this.#head)
    return this.#head
  }

  /** Events after `seq`, oldest first, in whole segments: at least one if there is any, then up to about `maxBytes`. */
  read(seq: number, maxBytes: number): readonly StoredEvent[] {
    const events: StoredEvent[] = []
    let bytes = 0
    const rows = this.#sql.exec<SegmentRow>(
      'SELECT first_seq, last_seq, heads, body FROM segments WHERE last_seq > ? ORDER BY last_seq',
      seq,
    )
    for (const row of rows) {
      for (const event of decodeSegment(toSegment(row))) if (event.seq > seq) events.push(event)
      bytes += row.body.byteLength
      if (bytes >= maxBytes) break
    }
    return events
  }

  /** What is rolled back in SQL is rolled back in memory too. */
  #atomically<T>(work: () => T): T {
    const before = { head: this.#head, bytes: this.#bytes, floor: this.#floor }
    try {
      return this.#storage.transactionSync(work)
    } catch (error) {
      this.#head = before.head
      this.#bytes = before.bytes
      this.#floor = before.floor
      throw error
    }
  }

  #unseen({ topic, partition, generation, packs }: AppendBatch): readonly EventBatch[] {
    const seen = this.#sql
      .exec<{ generation: number; next_offset: number }>(
        'SELECT generation, next_offset FROM seen WHERE topic = ? AND partition = ?',
        topic,
        partition,
      )
      .toArray()[0]
    if (seen !== undefined && generation < seen.generation) return []
    const next = seen?.generation === generation ? seen.next_offset : 0
    const fresh = packs.flatMap((pack) => from(next, pack))
    const last = fresh.at(-1)
    if (last !== undefined) {
      this.#sql.exec(
        'INSERT OR REPLACE INTO seen (topic, partition, generation, next_offset) VALUES (?, ?, ?, ?)',
        topic,
        partition,
        generation,
        last.lastOffset + 1,
      )
    }
    return fresh
  }

  #write(packs: readonly (EncodedEvents & Pick<EventBatch, 'count'>)[], nowMs: number): readonly LogSegment[] {
    if (packs.length === 0) return []
    const segments = packs.map(({ count, heads, body }): LogSegment => {
      const firstSeq = this.#head + 1
      this.#head += count
      return { firstSeq, lastSeq: this.#head, heads, body }
    })
    for (const segment of segments) this.#insert(segment, nowMs)
    this.#sql.exec('UPDATE log SET head = ?', this.#head)
    return segments
  }

  #insert({ firstSeq, lastSeq, heads, body }: LogSegment, nowMs: number): void {
    const bytes = heads.length + body.length
    this.#sql.exec(
      'INSERT INTO segments (last_seq, first_seq, appended_ms, bytes, heads, body) VALUES (?, ?, ?, ?, ?, ?)',
      lastSeq,
      firstSeq,
      nowMs,
      bytes,
      heads,
      body,
    )
    this.#bytes += bytes
  }

  /** Oldest first, so that what is left has no gap. Not by RETURNING, which reads whole what it deletes. */
  #trim(nowMs: number): void {
    const tooOld = nowMs - this.#trimmedAtMs >= TRIM_INTERVAL_MS
    if (!tooOld && this.#bytes <= this.#retention.retentionBytes) return
    this.#trimmedAtMs = nowMs
    const { bytes, upTo } = this.#excess(nowMs - this.#retention.retentionMs)
    if (upTo === undefined) return
    this.#sql.exec('DELETE FROM segments WHERE last_seq <= ?', upTo)
    this.#sql.exec('UPDATE log SET floor = ?', upTo)
    this.#bytes -= bytes
    this.#floor = upTo
  }

  /** What retention has to give up: all up to a sequence number; undefined: nothing. */
  #excess(sinceMs: number): { readonly bytes: number; readonly upTo: number | undefined } {
    let bytes = 0
    let upTo: number | undefined
    const oldestFirst = this.#sql.exec<{ last_seq: number; appended_ms: number; bytes: number }>(
      'SELECT last_seq, appended_ms, bytes FROM segments ORDER BY last_seq',
    )
    for (const row of oldestFirst) {
      if (row.appended_ms >= sinceMs && this.#bytes - bytes <= this.#retention.retentionBytes) break
      bytes += row.bytes
      upTo = row.last_seq
    }
    return { bytes, upTo }
  }

  #createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, epoch TEXT NOT NULL, head INTEGER NOT NULL, floor INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS segments (
        last_seq INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL, appended_ms INTEGER NOT NULL,
        bytes INTEGER NOT NULL, heads TEXT NOT NULL, body BLOB NOT NULL
      );
      CREATE TABLE IF NOT EXISTS seen (
        topic TEXT NOT NULL, partition INTEGER NOT NULL, generation INTEGER NOT NULL, next_offset INTEGER NOT NULL,
        PRIMARY KEY (topic, partition)
      ) WITHOUT ROWID;
    `)
  }
}

/** What of a pack is not older. Nearly always that is all of it or nothing. */
function from(next: number, pack: EventBatch): readonly EventBatch[] {
  if (pack.firstOffset >= next) return [pack]
  if (pack.lastOffset < next) return []
  return encodeBatches([...decodeBatch(pack)].filter(({ offset }) => offset >= next))
}

function toSegment({ first_seq: firstSeq, last_seq: lastSeq, heads, body }: SegmentRow): LogSegment {
  return { firstSeq, lastSeq, heads, body: new Uint8Array(body) }
}

export function* decodeSegment({ firstSeq, heads, body }: LogSegment): Generator<StoredEvent> {
  const events = decodeHeaders(heads)
  const texts = decodePayloads(events, body)
  for (const [index, [type, fields, recipients, connectionId]] of events.entries()) {
    yield { seq: firstSeq + index, type, json: texts[index] ?? '', fields, recipients, connectionId }
  }
}
