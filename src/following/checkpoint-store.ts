// A follower's checkpoint and counters: the SQL of table `checkpoint`, one row that is updated as one. Used by
// topic-follower.ts and, after each batch, by consume-loop.ts. Where batches follow each other it is stored once a
// second: a row is billed, and after a crash shards drop what they are sent again.
import type { DeadLetterStatus, FollowerCounters } from '../rpc/follower.ts'
import { DeadLetterStore, type DeadLetterSummary } from './dead-letters.ts'

/** Where a follower is: the next offset to fetch, and how often offsets have started anew. */
export interface Checkpoint {
  readonly offset: number
  readonly generation: number
  /**
   * Id of the topic that the offset belongs to. Null while unknown: the log has no topic ids, or nothing was read yet.
   */
  readonly topicId: string | null
  /**
   * The log's own name of the place, where it does not number its records: a sequence number of Kinesis. Null or
   * absent: none.
   */
  readonly cursor?: string | null
}

/** What a batch consisted of. Counted in the same transaction as the checkpoint. */
export interface BatchCounters {
  readonly records: number
  readonly deadLetters: DeadLetterSummary
  /** Records that a rule of TOPICS dropped. */
  readonly dropped: number
  /** Records that retention removed before they could be read. */
  readonly lost: number
}

interface CheckpointRow extends Record<string, SqlStorageValue> {
  next_offset: number
  generation: number
  topic_id: string | null
  cursor: string | null
  records: number
  dead_letters: number
  lost: number
  dropped: number
}

/** A moved checkpoint is stored at most this long after the last write. */
const STORE_EVERY_MS = 1_000

export interface CheckpointClock {
  /** Milliseconds since the epoch. */
  nowMs(): number
  /** Calls `act` after `ms`. */
  schedule(ms: number, act: () => void): void
}

export class CheckpointStore {
  readonly #sql: SqlStorage
  readonly #clock: CheckpointClock | undefined
  /** Moved and not stored yet. */
  #unstored: { readonly next: Checkpoint; readonly records: number; readonly dropped: number } | undefined
  #storedMs = -Infinity
  #isScheduled = false
  readonly #deadLetters: DeadLetterStore

  /** Without a clock each move is stored at once. */
  constructor(sql: SqlStorage, clock?: CheckpointClock) {
    this.#sql = sql
    this.#clock = clock
    this.#deadLetters = new DeadLetterStore(sql)
    sql.exec(`
      CREATE TABLE IF NOT EXISTS checkpoint (
        id INTEGER PRIMARY KEY, next_offset INTEGER NOT NULL, generation INTEGER NOT NULL, topic_id TEXT,
        records INTEGER NOT NULL, dead_letters INTEGER NOT NULL, lost INTEGER NOT NULL, cursor TEXT,
        dropped INTEGER NOT NULL DEFAULT 0
      );
      CREATE TABLE IF NOT EXISTS handed_over (id INTEGER PRIMARY KEY);
    `)
    this.#addColumn('cursor TEXT')
    this.#addColumn('dropped INTEGER NOT NULL DEFAULT 0')
  }

  /** Returns undefined before `start`. */
  read(): FollowerCounters | undefined {
    const row = this.#sql.exec<CheckpointRow>('SELECT * FROM checkpoint').toArray()[0]
    if (row === undefined) return undefined
    const {
      next_offset: offset,
      generation,
      topic_id: topicId,
      records,
      dead_letters: deadLetters,
      lost,
      cursor,
      dropped,
    } = row
    const stored = { offset, generation, topicId, records, deadLetters, lost, dropped }
    if (this.#unstored === undefined) return cursor === null ? stored : { ...stored, cursor }
    const { next, ...counted } = this.#unstored
    return { ...stored, ...next, records: records + counted.records, dropped: dropped + counted.dropped }
  }

  /** Sets the first checkpoint. Call once. */
  start(offset: number): Checkpoint {
    this.#sql.exec(
      'INSERT INTO checkpoint (id, next_offset, generation, records, dead_letters, lost) VALUES (0, ?, 0, 0, 0, 0)',
      offset,
    )
    return { offset, generation: 0, topicId: null }
  }

  deadLetters(): DeadLetterStatus {
    return this.#deadLetters.read()
  }

  /**
   * Moves the checkpoint and adds to the counters, as one. Stored within a second, and at once if anything went wrong.
   */
  move(next: Checkpoint, counted: BatchCounters): void {
    const { dropped = 0, records = 0 } = this.#unstored ?? {}
    this.#unstored = { next, records: records + counted.records, dropped: dropped + counted.dropped }
    const isSound = counted.deadLetters.count === 0 && counted.lost === 0
    if (isSound && this.#clock !== undefined && this.#clock.nowMs() - this.#storedMs < STORE_EVERY_MS) {
      return this.#flushLater(this.#clock)
    }
    this.#store(counted.deadLetters.count, counted.lost)
    this.#deadLetters.add(counted.deadLetters)
  }

  /** Stores the position if it has moved and is not stored yet. */
  flush(): void {
    if (this.#unstored !== undefined) this.#store(0, 0)
  }

  /** Versions before 0.2 had neither. */
  #addColumn(definition: `cursor ${string}` | `dropped ${string}`): void {
    const columns = this.#sql.exec<{ name: string }>(`SELECT name FROM pragma_table_info('checkpoint')`).toArray()
    if (columns.some(({ name }) => definition.startsWith(`${name} `))) return
    this.#sql.exec(`ALTER TABLE checkpoint ADD COLUMN ${definition}`)
  }

  #flushLater(clock: CheckpointClock): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    clock.schedule(STORE_EVERY_MS, () => {
      this.#isScheduled = false
      this.flush()
    })
  }

  #store(deadLetters: number, lost: number): void {
    if (this.#unstored === undefined) return
    const { dropped, next, records } = this.#unstored
    this.#sql.exec(
      'UPDATE checkpoint SET next_offset = ?, generation = ?, topic_id = ?, cursor = ?, records = records + ?, dead_letters = dead_letters + ?, lost = lost + ?, dropped = dropped + ?',
      next.offset,
      next.generation,
      next.topicId,
      next.cursor ?? null,
      records,
      deadLetters,
      lost,
      dropped,
    )
    this.#unstored = undefined
    this.#storedMs = this.#clock?.nowMs() ?? -Infinity
  }

  /**
   * Marks the checkpoint as taken over by the embedded log's partition: read by versions that followed such
   * partitions.
   */
  handOver(): void {
    this.#sql.exec('INSERT OR IGNORE INTO handed_over VALUES (0)')
  }
}
