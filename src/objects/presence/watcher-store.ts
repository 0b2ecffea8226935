// The shards that are told of a presence topic's changes: SQL for `watchers`. Used by presence-topic.ts.

export class WatcherStore {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec('CREATE TABLE IF NOT EXISTS watchers (shard INTEGER PRIMARY KEY, asked_at_ms INTEGER)')
    const columns = sql.exec<{ name: string }>(`SELECT name FROM pragma_table_info('watchers')`).toArray()
    if (!columns.some(({ name }) => name === 'asked_at_ms'))
      sql.exec('ALTER TABLE watchers ADD COLUMN asked_at_ms INTEGER')
  }

  get shards(): readonly number[] {
    return this.#sql
      .exec<{ shard: number }>('SELECT shard FROM watchers')
      .toArray()
      .map(({ shard }) => shard)
  }

  /** `askedAtMs`: when the shard asked, by its clock. */
  add(shard: number, askedAtMs: number): void {
    this.#sql.exec('INSERT OR REPLACE INTO watchers VALUES (?, ?)', shard, askedAtMs)
  }

  delete(shard: number): void {
    this.#sql.exec('DELETE FROM watchers WHERE shard = ?', shard)
  }

  /** Like `delete`, unless the shard has asked again later: calls may overtake each other. */
  deleteAskedAt(shard: number, askedAtMs: number): void {
    this.#sql.exec('DELETE FROM watchers WHERE shard = ? AND COALESCE(asked_at_ms, 0) <= ?', shard, askedAtMs)
  }
}
