// The log of one shard: SQL for `log`, `segments` and `seen`. A batch is one row (a segment): per event a head in JSON,
// and the events' texts one behind the other, so that nothing is escaped twice. Knows nothing of connections.
import type { AppendBatch, RoutedEvent, StoredEvent } from '../core/event.ts'
import { formatPosition, parsePosition } from '../core/position.ts'

/** A row of SQLite holds 2 MB at most; half of it leaves room for heads and for UTF-8. */
const MAX_SEGMENT_CHARS = 500_000

/** How often time-based retention is looked at, at most. */
const TRIM_INTERVAL_MS = 1_000

export interface Retention {
  readonly retentionMs: number
  readonly retentionBytes: number
}

type Head = [
  type: string,
  fields: StoredEvent['fields'],
  recipients: StoredEvent['recipients'],
  connectionId: string | null,
  length: number,
]

interface SegmentRow extends Record<string, SqlStorageValue> {
  first_seq: number
  last_seq: number
  heads: string
  body: string
}

export class ShardLog {
  readonly #storage: DurableObjectStorage
  readonly #sql: SqlStorage
  readonly #retention: Retention
  /** `<shard>.<life>`, made when the log was: a position with another one is of another log. */
  readonly epoch: string
  /** Sequence number of the newest entry. Equals what the `log` row says at every await. */
  #head: number
  /** Everything up to here may have been trimmed. */
  #floor: number
  /** Sum of `segments.bytes`. */
  #bytes: number
  #trimmedAtMs = 0

  constructor(storage: DurableObjectStorage, newEpoch: string, retention: Retention) {
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
  append(batches: readonly AppendBatch[], nowMs: number): readonly StoredEvent[] {
    const fresh = this.#atomically(() => {
      const stored = batches.flatMap((batch) => this.#unseen(batch)).map((event) => this.#number(event, null))
      this.#write(stored, nowMs)
      return stored
    })
    this.#atomically(() => this.#trim(nowMs))
    return fresh
  }

  /** Stores one of Rigel's own events for one connection. */
  appendOwn(connectionId: string, type: string, json: string, nowMs: number): StoredEvent {
    return this.#atomically(() => {
      const event = this.#number({ type, json, fields: {}, recipients: null }, connectionId)
      this.#write([event], nowMs)
      return event
    })
  }

  /** Makes positions given out before this call differ from those given out after it. Answers the new head. */
  advance(): number {
    this.#head += 1
    this.#sql.exec('UPDATE log SET head = ?', this.#head)
    return this.#head
  }

  /** Events after `seq`, oldest first, in whole segments: at least one if there is any, then up to about `maxChars`. */
  read(seq: number, maxChars: number): readonly StoredEvent[] {
    const events: StoredEvent[] = []
    let chars = 0
    const rows = this.#sql.exec<SegmentRow>(
      'SELECT first_seq, last_seq, heads, body FROM segments WHERE last_seq > ? ORDER BY last_seq',
      seq,
    )
    for (const row of rows) {
      for (const event of decodeSegment(row)) if (event.seq > seq) events.push(event)
      chars += row.body.length
      if (chars >= maxChars) break
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

  #unseen(batch: AppendBatch): readonly RoutedEvent[] {
    const seen = this.#sql
      .exec<{ generation: number; next_offset: number }>(
        'SELECT generation, next_offset FROM seen WHERE topic = ? AND partition = ?',
        batch.topic,
        batch.partition,
      )
      .toArray()[0]
    if (seen !== undefined && batch.generation < seen.generation) return []
    const next = seen?.generation === batch.generation ? seen.next_offset : 0
    const fresh = batch.events.filter((event) => event.offset >= next)
    const last = fresh.at(-1)
    if (last !== undefined) {
      this.#sql.exec(
        'INSERT OR REPLACE INTO seen (topic, partition, generation, next_offset) VALUES (?, ?, ?, ?)',
        batch.topic,
        batch.partition,
        batch.generation,
        last.offset + 1,
      )
    }
    return fresh
  }

  #number(event: Omit<RoutedEvent, 'offset'>, connectionId: string | null): StoredEvent {
    this.#head += 1
    const { type, json, fields, recipients } = event
    return { seq: this.#head, type, json, fields, recipients, connectionId }
  }

  #write(events: readonly StoredEvent[], nowMs: number): void {
    if (events.length === 0) return
    for (const segment of splitSegments(events)) this.#insert(segment, nowMs)
    this.#sql.exec('UPDATE log SET head = ?', this.#head)
  }

  #insert(events: readonly StoredEvent[], nowMs: number): void {
    const heads = JSON.stringify(
      events.map((event): Head => [event.type, event.fields, event.recipients, event.connectionId, event.json.length]),
    )
    const body = events.map((event) => event.json).join('')
    const bytes = heads.length + body.length
    const first = events[0]?.seq ?? 0
    this.#sql.exec(
      'INSERT INTO segments (last_seq, first_seq, appended_ms, bytes, heads, body) VALUES (?, ?, ?, ?, ?, ?)',
      first + events.length - 1,
      first,
      nowMs,
      bytes,
      heads,
      body,
    )
    this.#bytes += bytes
  }

  #trim(nowMs: number): void {
    const tooOld = nowMs - this.#trimmedAtMs >= TRIM_INTERVAL_MS
    if (!tooOld && this.#bytes <= this.#retention.retentionBytes) return
    this.#trimmedAtMs = nowMs
    this.#bytes -= this.#delete('appended_ms < ?', nowMs - this.#retention.retentionMs)
    const excess = this.#bytes - this.#retention.retentionBytes
    if (excess <= 0) return
    this.#bytes -= this.#delete(
      'last_seq <= (SELECT last_seq FROM (SELECT last_seq, SUM(bytes) OVER (ORDER BY last_seq) AS upto FROM segments) WHERE upto >= ? LIMIT 1)',
      excess,
    )
  }

  /** Segments are deleted oldest first, so what is left begins after the last one deleted. */
  #delete(condition: string, value: number): number {
    const deleted = this.#sql
      .exec<{ bytes: number; last_seq: number }>(
        `DELETE FROM segments WHERE ${condition} RETURNING bytes, last_seq`,
        value,
      )
      .toArray()
    if (deleted.length === 0) return 0
    this.#floor = Math.max(this.#floor, ...deleted.map((row) => row.last_seq))
    this.#sql.exec('UPDATE log SET floor = ?', this.#floor)
    return deleted.reduce((sum, row) => sum + row.bytes, 0)
  }

  #createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, epoch TEXT NOT NULL, head INTEGER NOT NULL, floor INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS segments (
        last_seq INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL, appended_ms INTEGER NOT NULL,
        bytes INTEGER NOT NULL, heads TEXT NOT NULL, body TEXT NOT NULL
      );
      CREATE INDEX IF NOT EXISTS segments_by_time ON segments (appended_ms);
      CREATE TABLE IF NOT EXISTS seen (
        topic TEXT NOT NULL, partition INTEGER NOT NULL, generation INTEGER NOT NULL, next_offset INTEGER NOT NULL,
        PRIMARY KEY (topic, partition)
      ) WITHOUT ROWID;
    `)
  }
}

function* splitSegments(events: readonly StoredEvent[]): Generator<readonly StoredEvent[]> {
  let segment: StoredEvent[] = []
  let chars = 0
  for (const event of events) {
    if (segment.length > 0 && chars + event.json.length > MAX_SEGMENT_CHARS) {
      yield segment
      segment = []
      chars = 0
    }
    segment.push(event)
    chars += event.json.length
  }
  if (segment.length > 0) yield segment
}

function* decodeSegment(row: SegmentRow): Generator<StoredEvent> {
  let at = 0
  let seq = row.first_seq
  for (const [type, fields, recipients, connectionId, length] of JSON.parse(row.heads) as readonly Head[]) {
    yield { seq, type, json: row.body.slice(at, at + length), fields, recipients, connectionId }
    at += length
    seq += 1
  }
}
