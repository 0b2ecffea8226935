// A follower's checkpoint and counters: the SQL of table `checkpoint`, one row that is updated as one. Used by
// topic-follower.ts and, after each batch, by consume-loop.ts.
import type { DeadLetterStatus, FollowerCounters } from '../rpc/follower.ts'
import { DeadLetterStore, type DeadLetterSummary } from './dead-letters.ts'

/** Where a follower is: the next offset to fetch, and how often offsets have started anew. */
export interface Checkpoint {
  readonly offset: number
  readonly generation: number
  /** Id of the topic that the offset belongs to. Null while unknown: the log has no topic ids, or nothing was read yet. */
  readonly topicId: string | null
}

/** What a batch consisted of. Counted in the same transaction as the checkpoint. */
export interface BatchCounters {
  readonly records: number
  readonly deadLetters: DeadLetterSummary
  /** Records that retention removed before they could be read. */
  readonly lost: number
}

interface CheckpointRow extends Record<string, SqlStorageValue> {
  next_offset: number
  generation: number
  topic_id: string | null
  records: number
  dead_letters: number
  lost: number
}

export class CheckpointStore {
  readonly #sql: SqlStorage
  readonly #deadLetters: DeadLetterStore

  constructor(sql: SqlStorage) {
    this.#sql = sql
    this.#deadLetters = new DeadLetterStore(sql)
    sql.exec(`
      CREATE TABLE IF NOT EXISTS checkpoint (
        id INTEGER PRIMARY KEY, next_offset INTEGER NOT NULL, generation INTEGER NOT NULL, topic_id TEXT,
        records INTEGER NOT NULL, dead_letters INTEGER NOT NULL, lost INTEGER NOT NULL
      );
      CREATE TABLE IF NOT EXISTS handed_over (id INTEGER PRIMARY KEY);
    `)
  }

  /** Returns undefined before `start`. */
  read(): FollowerCounters | undefined {
    const row = this.#sql.exec<CheckpointRow>('SELECT * FROM checkpoint').toArray()[0]
    if (row === undefined) return undefined
    const { next_offset: offset, generation, topic_id: topicId, records, dead_letters: deadLetters, lost } = row
    return { offset, generation, topicId, records, deadLetters, lost }
  }

  /** Sets the first checkpoint. Call once. */
  start(offset: number): Checkpoint {
    this.#sql.exec('INSERT INTO checkpoint VALUES (0, ?, 0, NULL, 0, 0, 0)', offset)
    return { offset, generation: 0, topicId: null }
  }

  deadLetters(): DeadLetterStatus {
    return this.#deadLetters.read()
  }

  /** Moves the checkpoint and adds to the counters, in one transaction. */
  move(next: Checkpoint, counted: BatchCounters): void {
    this.#sql.exec(
      'UPDATE checkpoint SET next_offset = ?, generation = ?, topic_id = ?, records = records + ?, dead_letters = dead_letters + ?, lost = lost + ?',
      next.offset,
      next.generation,
      next.topicId,
      counted.records,
      counted.deadLetters.count,
      counted.lost,
    )
    this.#deadLetters.add(counted.deadLetters)
  }

  /** Marks the checkpoint as taken over by the embedded log's partition: read by versions that followed such partitions. */
  handOver(): void {
    this.#sql.exec('INSERT OR IGNORE INTO handed_over VALUES (0)')
  }
}
