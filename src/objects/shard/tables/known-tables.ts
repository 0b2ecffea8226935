// Which tables a shard has: SQL for `tables`, one row for each event type. Their rows are in RecentRows. Called by TableStore and
// TableChanges.
import type { TableRules } from '../../../core/tables/table-rule.ts'
import { hasTable } from '../../../segment-log/migrate-segments.ts'
import { migrateTables } from './migrate-tables.ts'
import { RecentRows } from './recent-rows.ts'
import type { Table, TableStatus } from './table.ts'
import { TableRows } from './table-rows.ts'

type StoredTable = {
  id: number
  type: string
  status: TableStatus
  since_seq: number
  map_version: number
  fill_id: string
  filled: string
  rows: number
  bytes: number
  written_seq: number
  unwanted_ms: number | null
} & Record<string, SqlStorageValue>

export class KnownTables {
  readonly #sql: SqlStorage
  readonly #basis: ReadonlyMap<string, string>
  readonly #byType = new Map<string, RecentRows>()
  /** The values of `#byType`: each append asks for them. */
  #all: readonly RecentRows[] = []
  #writtenSeq = 0

  /** `basis`: by event type. Tables of another one are forgotten. */
  constructor(sql: SqlStorage, basis: ReadonlyMap<string, string> = new Map()) {
    this.#sql = sql
    this.#basis = basis
  }

  /** Reads what is stored, anew if it was read before. `head`: of the log. */
  load(rules: TableRules, head: number): void {
    migrateTables(this.#sql, head)
    this.#sql.exec(
      'CREATE TABLE IF NOT EXISTS tables (id INTEGER PRIMARY KEY, type TEXT NOT NULL UNIQUE, status TEXT NOT NULL, since_seq INTEGER NOT NULL, map_version INTEGER NOT NULL, fill_id TEXT NOT NULL, filled TEXT NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, written_seq INTEGER NOT NULL, unwanted_ms INTEGER)',
    )
    const stored = this.#sql.exec<StoredTable>('SELECT * FROM tables').toArray()
    this.#byType.clear()
    this.#all = []
    for (const { fill_id: fillId, filled, map_version: mapVersion, since_seq: sinceSeq, ...table } of stored) {
      this.#writtenSeq = table.written_seq
      const { bytes, id, rows, status, type, unwanted_ms: unwantedMs } = table
      const done = new Set(JSON.parse(filled) as readonly string[])
      this.#open({ id, type, mapVersion, fillId, filled: done, status, unwantedMs, sinceSeq, rows, bytes })
    }
    const isOfBasis = (type: string) => this.get(type)?.fillId.startsWith(this.#basis.get(type) ?? '') === true
    const isCurrent = (type: string) => rules.has(type) && isOfBasis(type)
    for (const type of this.types) if (!isCurrent(type)) this.drop(type)
  }

  /** Drops what is stored from a time with TABLES. Without it nothing keeps tables as the log is: they must not be found later. */
  forget(head: number): void {
    if (hasTable(this.#sql, 'tables')) this.load(new Map(), head)
  }

  get types(): readonly string[] {
    return [...this.#byType.keys()]
  }

  get all(): readonly RecentRows[] {
    return this.#all
  }

  get(type: string): Table | undefined {
    return this.#byType.get(type)?.table
  }

  rowsOf(type: string): RecentRows | undefined {
    return this.#byType.get(type)
  }

  /** The sequence number up to which the stored rows have all changes. It is the same for all tables. */
  get writtenSeq(): number {
    return this.#writtenSeq
  }

  /** Adds a table without rows. `seq`: the head of the log, up to which all changes of other tables are written. */
  add(type: string, mapVersion: number, fillId: string, seq: number): void {
    const { id } = this.#sql
      .exec<{ id: number }>(
        `INSERT INTO tables (type, status, since_seq, map_version, fill_id, filled, rows, bytes, written_seq) VALUES (?, 'filling', 0, ?, ?, '[]', 0, 0, ?) RETURNING id`,
        type,
        mapVersion,
        fillId,
        seq,
      )
      .one()
    const filled = new Set<string>()
    const empty = { status: 'filling', unwantedMs: null, sinceSeq: 0, rows: 0, bytes: 0 } as const
    this.#open({ id, type, mapVersion, fillId, filled, ...empty }).create()
    this.#writtenSeq = seq
  }

  drop(type: string): void {
    const dropped = this.#byType.get(type)
    if (dropped === undefined) return
    dropped.drop()
    this.#sql.exec('DELETE FROM tables WHERE id = ?', dropped.table.id)
    this.#byType.delete(type)
    this.#all = [...this.#byType.values()]
  }

  /** See Table. */
  setUnwanted(type: string, unwantedMs: number | null): void {
    const table = this.get(type)
    if (table === undefined) return
    this.#sql.exec('UPDATE tables SET unwanted_ms = ? WHERE id = ?', unwantedMs, table.id)
    table.unwantedMs = unwantedMs
  }

  /** Stores what has changed of the table. All changes of its rows must be written: they are counted in its size. */
  save({ bytes, filled, id, rows, sinceSeq, status }: Table): void {
    this.#sql.exec(
      'UPDATE tables SET status = ?, since_seq = ?, filled = ?, rows = ?, bytes = ?, written_seq = ? WHERE id = ?',
      status,
      sinceSeq,
      JSON.stringify([...filled]),
      rows,
      bytes,
      this.#writtenSeq,
      id,
    )
  }

  /** All changes up to `seq`, the head of the log, are written. */
  saveAll(seq: number): void {
    this.#writtenSeq = seq
    for (const { table } of this.#all) this.save(table)
  }

  #open(table: Table): RecentRows {
    const rows = new RecentRows(table, new TableRows(this.#sql, table.id))
    this.#byType.set(table.type, rows)
    this.#all = [...this.#byType.values()]
    return rows
  }
}
