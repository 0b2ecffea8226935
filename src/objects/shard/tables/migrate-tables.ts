// Takes over the tables of versions before: some wrote each row in the transaction of its append and stored no sizes, some did not
// store since when nobody wanted a table. Called before tables are read.

/** `head`: of the log, which has no changes that are not written. */
export function migrateTables(sql: SqlStorage, head: number): void {
  const [stored] = sql.exec<{ sql: string }>("SELECT sql FROM sqlite_master WHERE name = 'tables'").toArray()
  if (stored === undefined) return
  if (!stored.sql.includes('unwanted_ms')) sql.exec('ALTER TABLE tables ADD COLUMN unwanted_ms INTEGER')
  if (stored.sql.includes('written_seq')) return
  for (const column of ['rows', 'bytes', 'written_seq'])
    sql.exec(`ALTER TABLE tables ADD COLUMN ${column} INTEGER NOT NULL DEFAULT 0`)
  for (const { id } of sql.exec<{ id: number }>('SELECT id FROM tables').toArray()) {
    const measured = `SELECT COUNT(*), COALESCE(SUM(LENGTH(key) + LENGTH(json)), 0) FROM rows_${id}`
    sql.exec(`UPDATE tables SET (rows, bytes) = (${measured}), written_seq = ? WHERE id = ?`, head, id)
  }
}
