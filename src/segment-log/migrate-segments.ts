// Takes over the tables that logs had before segment-log existed: one table `segments` and a row of its own for the head.
// Called once in an object's life, by the migration of each kind of log. Nothing is copied: the old table becomes the first
// slice, whatever its size.
import { SegmentTables } from './segment-tables.ts'

export interface EarlierLog {
  readonly head: number
  readonly floor: number
  /** JSON; undefined for the initial state. */
  readonly state: string | undefined
}

/** The first slice's id. */
const FIRST = 1

export function hasTable(sql: SqlStorage, name: string): boolean {
  return sql.exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?", name).toArray().length > 0
}

/** `positionColumn`: its primary key, the position after the row's last record. Call it within a transaction. */
export function migrateSegments(sql: SqlStorage, positionColumn: string, old: EarlierLog): void {
  const { bytes, newestMs } = sql
    .exec<{ bytes: number; newestMs: number }>(
      'SELECT COALESCE(SUM(bytes), 0) AS bytes, COALESCE(MAX(appended_ms), 0) AS newestMs FROM segments',
    )
    .one()
  const isEmpty = bytes === 0
  if (isEmpty) sql.exec('DROP TABLE segments')
  else {
    sql.exec(`
      ALTER TABLE segments RENAME TO segments_${FIRST};
      ALTER TABLE segments_${FIRST} RENAME COLUMN ${positionColumn} TO position;
      ALTER TABLE segments_${FIRST} ADD COLUMN meta TEXT NOT NULL DEFAULT 'null';
    `)
  }
  // Begun before any time: the next append begins a slice of today's layout.
  const slices = isEmpty ? [] : [{ id: FIRST, start: old.floor, sinceMs: Number.MIN_SAFE_INTEGER, newestMs, bytes }]
  new SegmentTables(sql).writeSnapshot({ ...old, slices })
}
