// A follower's place in its partition and what it has counted: SQL for `checkpoint`, one row, moved as one.
import type { Checkpoint, BatchCounters } from '../../following/consume-loop.ts'

interface CheckpointRow extends Record<string, SqlStorageValue> {
  next_offset: number
  generation: number
  topic_id: string | null
  records: number
  dead_letters: number
  lost: number
}

export interface FollowerCounters extends BatchCounters, Checkpoint {}

export class CheckpointStore {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(`
      CREATE TABLE IF NOT EXISTS checkpoint (
        id INTEGER PRIMARY KEY, next_offset INTEGER NOT NULL, generation INTEGER NOT NULL, topic_id TEXT,
        records INTEGER NOT NULL, dead_letters INTEGER NOT NULL, lost INTEGER NOT NULL
      )
    `)
  }

  /** Undefined: it has not started yet. */
  read(): FollowerCounters | undefined {
    const row = this.#sql.exec<CheckpointRow>('SELECT * FROM checkpoint').toArray()[0]
    if (row === undefined) return undefined
    const { next_offset: offset, generation, topic_id: topicId, records, dead_letters: deadLetters, lost } = row
    return { offset, generation, topicId, records, deadLetters, lost }
  }

  start(offset: number): Checkpoint {
    this.#sql.exec('INSERT INTO checkpoint VALUES (0, ?, 0, NULL, 0, 0, 0)', offset)
    return { offset, generation: 0, topicId: null }
  }

  move(next: Checkpoint, counted: BatchCounters): void {
    this.#sql.exec(
      'UPDATE checkpoint SET next_offset = ?, generation = ?, topic_id = ?, records = records + ?, dead_letters = dead_letters + ?, lost = lost + ?',
      next.offset,
      next.generation,
      next.topicId,
      counted.records,
      counted.deadLetters,
      counted.lost,
    )
  }
}
