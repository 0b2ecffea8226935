// SQL of a segment log: the snapshot row `segment_log`, and a table `segments_<n>` for each slice. Every query is read to its
// end at once: a cursor that is left open holds the write-ahead log, which then grows without end.
import type { Slice } from './slices.ts'

/** One query reads about this many bytes of segments, and at most this many rows: they are in memory while a reader continues. */
const READ_BYTES = 1_048_576
const READ_ROWS = 64

export interface SegmentRow {
  /** Position after its last record. */
  readonly position: number
  /** Milliseconds since the epoch. */
  readonly appendedMs: number
  /** Size of heads and body. */
  readonly bytes: number
  /** JSON. */
  readonly meta: string
}

export interface StoredSegment extends SegmentRow {
  readonly heads: string
  readonly body: Uint8Array
}

export interface Snapshot {
  readonly head: number
  readonly floor: number
  readonly slices: readonly Slice[]
  /** JSON; undefined if the table layout was an older one. */
  readonly state: string | undefined
}

type SqlRow<T> = T & Record<string, SqlStorageValue>

type MetaRow = SqlRow<{ position: number; appended_ms: number; bytes: number; meta: string }>
type FullRow = SqlRow<{
  position: number
  appended_ms: number
  bytes: number
  meta: string
  heads: string
  body: ArrayBuffer
}>

export class SegmentTables {
  readonly #sql: SqlStorage
  /** The statement that inserts into the newest slice: the runtime finds a prepared one sooner by a text that it has seen before. */
  #inserting = { id: -1, statement: '' }

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(`
      CREATE TABLE IF NOT EXISTS segment_log (
        id INTEGER PRIMARY KEY, head INTEGER NOT NULL, floor INTEGER NOT NULL, slices TEXT NOT NULL, state TEXT
      )
    `)
  }

  readSnapshot(): Snapshot | undefined {
    const [row] = this.#sql
      .exec<SqlRow<{ head: number; floor: number; slices: string; state: string | null }>>(
        'SELECT head, floor, slices, state FROM segment_log',
      )
      .toArray()
    if (row === undefined) return undefined
    return { ...row, slices: JSON.parse(row.slices) as readonly Slice[], state: row.state ?? undefined }
  }

  writeSnapshot({ head, floor, slices, state }: Snapshot): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO segment_log (id, head, floor, slices, state) VALUES (0, ?, ?, ?, ?)',
      head,
      floor,
      JSON.stringify(slices),
      state ?? null,
    )
  }

  /** Small columns come first: SQLite reads a row's pages from the front. */
  create(id: number): void {
    this.#sql.exec(`
      CREATE TABLE segments_${id} (
        position INTEGER PRIMARY KEY, appended_ms INTEGER NOT NULL, bytes INTEGER NOT NULL, meta TEXT NOT NULL,
        heads TEXT NOT NULL, body BLOB NOT NULL
      )
    `)
  }

  drop(id: number): void {
    this.#sql.exec(`DROP TABLE segments_${id}`)
  }

  insert(id: number, { position, appendedMs, bytes, meta }: SegmentRow, heads: string, body: Uint8Array): void {
    if (this.#inserting.id !== id) {
      const columns = 'position, appended_ms, bytes, meta, heads, body'
      this.#inserting = { id, statement: `INSERT INTO segments_${id} (${columns}) VALUES (?, ?, ?, ?, ?, ?)` }
    }
    this.#sql.exec(this.#inserting.statement, position, appendedMs, bytes, meta, heads, body)
  }

  /** Replaces the records of a segment. */
  update(id: number, position: number, heads: string, body: Uint8Array): void {
    const bytes = heads.length + body.length
    this.#sql.exec(
      `UPDATE segments_${id} SET bytes = ?, heads = ?, body = ? WHERE position = ?`,
      bytes,
      heads,
      body,
      position,
    )
  }

  /** All rows after a position, without their records. */
  readMeta(id: number, position: number): readonly SegmentRow[] {
    return this.#sql
      .exec<MetaRow>(
        `SELECT position, appended_ms, bytes, meta FROM segments_${id} WHERE position > ? ORDER BY position`,
        position,
      )
      .toArray()
      .map(toRow)
  }

  /** The first row after a position, without its records. */
  firstAfter(id: number, position: number): Pick<SegmentRow, 'position' | 'appendedMs'> | undefined {
    const [row] = this.#sql
      .exec<SqlRow<{ position: number; appended_ms: number }>>(
        `SELECT position, appended_ms FROM segments_${id} WHERE position > ? ORDER BY position LIMIT 1`,
        position,
      )
      .toArray()
    return row === undefined ? undefined : { position: row.position, appendedMs: row.appended_ms }
  }

  /** Rows without their records, newest first, in queries of READ_ROWS. */
  *readMetaBackwards(id: number): Generator<SegmentRow> {
    let before = Number.MAX_SAFE_INTEGER
    for (;;) {
      const rows = this.#sql
        .exec<MetaRow>(
          `SELECT position, appended_ms, bytes, meta FROM segments_${id} WHERE position < ?
           ORDER BY position DESC LIMIT ${READ_ROWS}`,
          before,
        )
        .toArray()
      for (const row of rows) yield toRow(row)
      const last = rows.at(-1)
      if (last === undefined) return
      before = last.position
    }
  }

  /** Segments after a position, in queries of about READ_BYTES. */
  *read(id: number, position: number): Generator<StoredSegment> {
    let from = position
    for (;;) {
      const rows = this.#readSome(id, from)
      const last = rows.at(-1)
      if (last === undefined) return
      yield* rows
      from = last.position
    }
  }

  #readSome(id: number, position: number): readonly StoredSegment[] {
    const upTo = this.#positionWithin(id, position)
    if (upTo === undefined) return []
    return this.#sql
      .exec<FullRow>(
        `SELECT position, appended_ms, bytes, meta, heads, body FROM segments_${id}
         WHERE position > ? AND position <= ? ORDER BY position`,
        position,
        upTo,
      )
      .toArray()
      .map((row) => ({ ...toRow(row), heads: row.heads, body: new Uint8Array(row.body) }))
  }

  /** Position of the last row that one query may read; undefined if there is none after `position`. */
  #positionWithin(id: number, position: number): number | undefined {
    const rows = this.#sql
      .exec<SqlRow<{ position: number; bytes: number }>>(
        `SELECT position, bytes FROM segments_${id} WHERE position > ? ORDER BY position LIMIT ${READ_ROWS}`,
        position,
      )
      .toArray()
    let bytes = 0
    let upTo: number | undefined
    for (const row of rows) {
      bytes += row.bytes
      if (upTo !== undefined && bytes > READ_BYTES) break
      upTo = row.position
    }
    return upTo
  }
}

function toRow({ position, appended_ms: appendedMs, bytes, meta }: MetaRow | FullRow): SegmentRow {
  return { position, appendedMs, bytes, meta }
}
