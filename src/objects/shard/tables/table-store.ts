// The rows of the tables of a shard: SQL for `tables` and a table `rows_<n>` for each event type, so that one that is no longer
// wanted is dropped without a deletion per row. The log calls `apply` in the transaction of an append; fill-tables.ts brings
// what was before.
import type { NewSegment } from '../../../segment-log/segment-log.ts'
import { decodeHeaders, decodePayloads, type EventHeader } from '../../../core/delivery/batch-codec.ts'
import type { Fields, RowAudience, StoredEvent } from '../../../core/events/stored-event.ts'
import { withReplaced } from '../../../core/tables/row-change.ts'
import type { TableRules } from '../../../core/tables/table-rule.ts'
import { keyOf, type SegmentSource } from '../log/seen.ts'

/** `filling`: rows from before the shard wanted the type are missing. */
export type TableStatus = 'filling' | 'complete' | 'too_large'

/** A row from before the shard wanted the type. */
export interface FilledRow extends RowAudience {
  readonly key: string
  readonly offset: number
  /** Empty: the row was removed, or nobody of this shard sees it. */
  readonly json: string
}

interface Table {
  readonly id: number
  readonly type: string
  /** Version of the shard map by which it was filled. */
  readonly mapVersion: number
  readonly fillId: string
  /** Partitions that it has been filled from. */
  readonly filled: Set<string>
  status: TableStatus
  /** From here on the log has what removals need. */
  sinceSeq: number
  rows: number
  bytes: number
}

type Meta = readonly [
  Fields,
  readonly string[] | null,
  partition: string,
  generation: number,
  offset: number,
  ms: number,
]

type Columns<T> = T & Record<string, SqlStorageValue>
type TableRow = Columns<{
  id: number
  type: string
  status: TableStatus
  since_seq: number
  map_version: number
  fill_id: string
  filled: string
}>
type RowOfTable = Columns<{ key: string; seq: number; meta: string; json: string }>

/** A page is read at once, so that no cursor stays open. */
const PAGE_ROWS = 256
const PAGE_CHARS = 65_536

export interface TableStoreDeps {
  readonly rules: TableRules | null
  readonly newId: () => string
  readonly isExpired?: ((type: string, storedMs: number) => boolean) | undefined
  /** Called when a table has become too large, within the append's transaction. */
  onTooLarge(type: string): void
}

export class TableStore {
  readonly #sql: SqlStorage
  readonly #deps: TableStoreDeps
  #tables = new Map<string, Table>()

  constructor(sql: SqlStorage, deps: TableStoreDeps) {
    this.#sql = sql
    this.#deps = deps
    if (deps.rules !== null) this.load()
  }

  /** False: an append has nothing to do here. */
  get isActive(): boolean {
    return this.#tables.size > 0
  }

  get types(): readonly string[] {
    return [...this.#tables.keys()]
  }

  statusOf(type: string): TableStatus | undefined {
    return this.#tables.get(type)?.status
  }

  mapVersionOf(type: string): number | undefined {
    return this.#tables.get(type)?.mapVersion
  }

  sizeOf(type: string): { readonly rows: number; readonly bytes: number } {
    const { bytes, rows } = this.#tables.get(type) ?? { bytes: 0, rows: 0 }
    return { bytes, rows }
  }

  /** Returns whether the log has every change and removal of these types after `seq`. */
  coversSince(types: readonly string[], seq: number): boolean {
    return types.every((type) => {
      const table = this.#tables.get(type)
      return table?.status === 'complete' && table.sinceSeq <= seq
    })
  }

  /** Begins a table. It is complete when it has been filled. */
  create(type: string, mapVersion: number): void {
    this.drop(type)
    const fillId = this.#deps.newId()
    const { id } = this.#sql
      .exec<{ id: number }>(
        `INSERT INTO tables (type, status, since_seq, map_version, fill_id, filled) VALUES (?, 'filling', 0, ?, ?, '[]') RETURNING id`,
        type,
        mapVersion,
        fillId,
      )
      .one()
    this.#sql.exec(
      `CREATE TABLE rows_${id} (key TEXT PRIMARY KEY, seq INTEGER NOT NULL, meta TEXT NOT NULL, json TEXT NOT NULL) WITHOUT ROWID`,
    )
    this.#tables.set(type, {
      id,
      type,
      mapVersion,
      fillId,
      filled: new Set(),
      status: 'filling',
      sinceSeq: 0,
      rows: 0,
      bytes: 0,
    })
  }

  drop(type: string): void {
    const table = this.#tables.get(type)
    if (table === undefined) return
    this.#sql.exec(`DROP TABLE IF EXISTS rows_${table.id}`)
    this.#sql.exec('DELETE FROM tables WHERE id = ?', table.id)
    this.#tables.delete(type)
  }

  /** Names the filling of the table: of another one nothing counts. */
  fillIdOf(type: string): string | undefined {
    return this.#tables.get(type)?.fillId
  }

  isFilled(type: string, partition: string): boolean {
    return this.#tables.get(type)?.filled.has(partition) === true
  }

  /** Everything from before that is in the partition has been filled in. */
  filled(type: string, partition: string): void {
    const table = this.#tables.get(type)
    if (table === undefined) return
    table.filled.add(partition)
    this.#sql.exec('UPDATE tables SET filled = ? WHERE id = ?', JSON.stringify([...table.filled]), table.id)
  }

  /** Everything from before has been filled in. `seq`: the head of the log. */
  complete(type: string, seq: number): void {
    const table = this.#tables.get(type)
    if (table?.status !== 'filling') return
    this.#sql.exec(`DELETE FROM rows_${table.id} WHERE json = ''`)
    this.#sql.exec(`UPDATE tables SET status = 'complete', since_seq = ? WHERE id = ?`, seq, table.id)
    table.status = 'complete'
    table.sinceSeq = seq
    this.#measure(table)
  }

  /** Adds rows from before. A row that is there is newer, unless it is of the same partition and an earlier offset. */
  fill(type: string, partition: string, rows: readonly FilledRow[], seq: number): void {
    const table = this.#tables.get(type)
    if (table?.status !== 'filling') return
    for (const { fields, json, key, offset, recipients } of rows) {
      const known = this.#rowOf(table, key)
      const isFilled = known?.meta[3] === -1
      if (known !== undefined && !(isFilled && (known.meta[2] !== partition || known.meta[4] < offset))) continue
      // Generation -1: no event of the log is older.
      this.#put(table, key, seq, [fields, recipients, partition, -1, offset, 0], json, known?.json)
      if (this.#isTooLarge(table)) return this.#becomeTooLarge(table)
    }
  }

  /**
   * Changes the rows that these segments change, one row a key, and returns the segments with what each change replaces.
   * `head`: of the log before. Call in the append's transaction; after a failure call `load`.
   */
  apply(
    segments: readonly NewSegment<SegmentSource>[],
    head: number,
    nowMs: number,
  ): readonly NewSegment<SegmentSource>[] {
    const changed = new Map<Table, Map<string, Changed>>()
    let seq = head
    const applied = segments.map((segment) => {
      const first = seq + 1
      seq += segment.count
      return this.#applySegment(segment, first, nowMs, changed)
    })
    for (const [table, rows] of changed) {
      for (const [key, { before, json, meta, rowSeq }] of rows) this.#put(table, key, rowSeq, meta, json, before?.json)
      if (this.#isTooLarge(table)) this.#becomeTooLarge(table)
    }
    return applied
  }

  /** Returns rows behind the key `after`, in the order of keys, at least one if there is one; and where to read on. */
  read(
    type: string,
    after: string,
    untilSeq: number,
  ): { readonly events: readonly StoredEvent[]; readonly next: string | null } {
    const table = this.#tables.get(type)
    if (table === undefined) return { events: [], next: null }
    const events: StoredEvent[] = []
    const found = this.#sql
      .exec<RowOfTable>(`SELECT * FROM rows_${table.id} WHERE key > ? ORDER BY key LIMIT ${PAGE_ROWS}`, after)
      .toArray()
    let chars = 0
    for (const [index, { json, key, meta, seq }] of found.entries()) {
      const [fields, recipients, , , , ms] = JSON.parse(meta) as Meta
      const isGone = json === '' || seq > untilSeq || (ms > 0 && this.#deps.isExpired?.(type, ms) === true)
      if (!isGone) events.push({ seq, type, json, fields, recipients, connectionId: null })
      chars += json.length
      if (chars >= PAGE_CHARS && index + 1 < found.length) return { events, next: key }
    }
    return { events, next: found.length < PAGE_ROWS ? null : (found.at(-1)?.key ?? null) }
  }

  /** Erases rows that are addressed to this user. */
  eraseUser(user: string): void {
    for (const table of this.#tables.values()) {
      for (const { key, meta } of this.#sql.exec<RowOfTable>(`SELECT * FROM rows_${table.id}`).toArray()) {
        const [fields, recipients, ...rest] = JSON.parse(meta) as Meta
        if (recipients?.includes(user) !== true) continue
        const others = recipients.filter((one) => one !== user)
        const kept = JSON.stringify([others.length === 0 ? {} : fields, others, ...rest])
        if (others.length === 0)
          this.#sql.exec(`UPDATE rows_${table.id} SET meta = ?, json = '' WHERE key = ?`, kept, key)
        else this.#sql.exec(`UPDATE rows_${table.id} SET meta = ? WHERE key = ?`, kept, key)
      }
      this.#measure(table)
    }
  }

  /** Reads which tables there are, and how large. */
  load(): void {
    this.#sql.exec(
      'CREATE TABLE IF NOT EXISTS tables (id INTEGER PRIMARY KEY, type TEXT NOT NULL UNIQUE, status TEXT NOT NULL, since_seq INTEGER NOT NULL, map_version INTEGER NOT NULL, fill_id TEXT NOT NULL, filled TEXT NOT NULL)',
    )
    this.#tables = new Map()
    const stored = this.#sql.exec<TableRow>('SELECT * FROM tables').toArray()
    for (const { fill_id: fillId, filled, id, map_version: mapVersion, since_seq: sinceSeq, status, type } of stored) {
      const done = new Set(JSON.parse(filled) as readonly string[])
      const table: Table = { id, type, mapVersion, fillId, filled: done, status, sinceSeq, rows: 0, bytes: 0 }
      this.#tables.set(type, table)
      if (this.#deps.rules?.has(type) !== true) this.drop(type)
      else this.#measure(table)
    }
  }

  #applySegment(
    segment: NewSegment<SegmentSource>,
    firstSeq: number,
    nowMs: number,
    changed: Map<Table, Map<string, Changed>>,
  ): NewSegment<SegmentSource> {
    const { body, meta: source } = segment
    if (source === null) return segment
    const heads = decodeHeaders(segment.heads)
    const concerned = heads.map(([type, , , , , , row]) => (row === undefined ? undefined : this.#liveTable(type)))
    if (concerned.every((table) => table === undefined)) return segment
    const texts = decodePayloads(heads, body)
    const partition = keyOf(source[0], source[1])
    const after = heads.map((head, index): EventHeader => {
      const [table, [type, fields, recipients, , length, offset = 0, row]] = [concerned[index], head]
      if (table === undefined || row === undefined) return head
      const [key, removes] = row
      const rows = changed.get(table) ?? new Map<string, Changed>()
      changed.set(table, rows)
      const pending = rows.get(key)
      const stored = pending === undefined ? this.#rowOf(table, key) : undefined
      const before = pending === undefined ? stored : { meta: pending.meta, json: pending.json }
      const replaced = before === undefined || before.json === '' ? undefined : toAudience(before.meta)
      const isGone = removes === 1 || recipients?.length === 0
      rows.set(key, {
        rowSeq: firstSeq + index,
        meta: isGone
          ? [{}, [], partition, source[2], offset, nowMs]
          : [fields, recipients, partition, source[2], offset, nowMs],
        json: isGone ? '' : (texts[index] ?? ''),
        before: pending === undefined ? stored : pending.before,
      })
      return [type, fields, recipients, null, length, offset, withReplaced(row, replaced, { fields, recipients })]
    })
    return { ...segment, heads: JSON.stringify(after) }
  }

  #liveTable(type: string): Table | undefined {
    const table = this.#tables.get(type)
    return table === undefined || table.status === 'too_large' ? undefined : table
  }

  #rowOf(table: Table, key: string): StoredRow | undefined {
    const [row] = this.#sql
      .exec<Columns<{ meta: string; json: string }>>(`SELECT meta, json FROM rows_${table.id} WHERE key = ?`, key)
      .toArray()
    return row === undefined ? undefined : { meta: JSON.parse(row.meta) as Meta, json: row.json }
  }

  /** A removed row is kept while older ones may be filled in. */
  #put(table: Table, key: string, seq: number, meta: Meta, json: string, before: string | undefined): void {
    const isDeleted = json === '' && table.status === 'complete'
    if (isDeleted && before === undefined) return
    if (isDeleted) this.#sql.exec(`DELETE FROM rows_${table.id} WHERE key = ?`, key)
    else
      this.#sql.exec(
        `INSERT OR REPLACE INTO rows_${table.id} VALUES (?, ?, ?, ?)`,
        key,
        seq,
        JSON.stringify(meta),
        json,
      )
    table.rows += (isDeleted ? 0 : 1) - (before === undefined ? 0 : 1)
    table.bytes += (isDeleted ? 0 : key.length + json.length) - (before === undefined ? 0 : key.length + before.length)
  }

  #isTooLarge({ bytes, rows, type }: Table): boolean {
    const rule = this.#deps.rules?.get(type)
    return rule !== undefined && (rows > rule.maxRows || bytes > rule.maxBytes)
  }

  #becomeTooLarge(table: Table): void {
    this.#sql.exec(`DELETE FROM rows_${table.id}`)
    this.#sql.exec(`UPDATE tables SET status = 'too_large' WHERE id = ?`, table.id)
    Object.assign(table, { status: 'too_large', rows: 0, bytes: 0 })
    this.#deps.onTooLarge(table.type)
  }

  #measure(table: Table): void {
    const measured = this.#sql
      .exec<{ rows: number; bytes: number }>(
        `SELECT COUNT(*) AS rows, COALESCE(SUM(LENGTH(key) + LENGTH(json)), 0) AS bytes FROM rows_${table.id}`,
      )
      .one()
    Object.assign(table, measured)
  }
}

interface StoredRow {
  readonly meta: Meta
  readonly json: string
}

/** A row after the segments so far. */
interface Changed extends StoredRow {
  readonly rowSeq: number
  /** The row that is stored, which the segments replace. */
  readonly before: StoredRow | undefined
}

function toAudience([fields, recipients]: Meta): RowAudience {
  return { fields, recipients }
}
