// Marks dead letters that an operator has replayed or discarded: SQL for `handled_letters`. Kafka cannot delete single
// records of a topic. Above a limit the oldest marks are deleted, and their dead letters appear as new again.
import type { DeadLetterHandling, HandledDeadLetter, DeadLetterPlace } from '../../rpc/directory.ts'

const MAX_HANDLED = 10_000
/** Marks are counted and dropped now and then. */
const SLACK = 1_000

interface HandledRow extends Record<string, SqlStorageValue> {
  partition: number
  offset: number
  how: string
}

export class HandledDeadLetters {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(`
      CREATE TABLE IF NOT EXISTS handled_letters (
        partition INTEGER NOT NULL, offset INTEGER NOT NULL, how TEXT NOT NULL, at_ms INTEGER NOT NULL,
        PRIMARY KEY (partition, offset)
      ) WITHOUT ROWID
    `)
  }

  mark(deadLetters: readonly DeadLetterPlace[], how: DeadLetterHandling, nowMs: number): void {
    for (const { offset, partition } of deadLetters) {
      this.#sql.exec('INSERT OR REPLACE INTO handled_letters VALUES (?, ?, ?, ?)', partition, offset, how, nowMs)
    }
    this.#drop()
  }

  /** Returns those that are marked. */
  among(deadLetters: readonly DeadLetterPlace[]): readonly HandledDeadLetter[] {
    return deadLetters.flatMap(({ offset, partition }) => {
      const query = 'SELECT partition, offset, how FROM handled_letters WHERE partition = ? AND offset = ?'
      return this.#sql
        .exec<HandledRow>(query, partition, offset)
        .toArray()
        .map((row) => ({ ...row, how: row.how === 'replayed' ? 'replayed' : 'discarded' }) as const)
    })
  }

  #drop(): void {
    const { count } = this.#sql.exec<{ count: number }>('SELECT COUNT(*) AS count FROM handled_letters').one()
    if (count <= MAX_HANDLED + SLACK) return
    const oldest = 'SELECT at_ms FROM handled_letters ORDER BY at_ms DESC LIMIT 1 OFFSET ?'
    this.#sql.exec(`DELETE FROM handled_letters WHERE at_ms <= (${oldest})`, MAX_HANDLED)
  }
}
