// SQL for the rows of one table: `rows_<n>`. An event type has a SQL table of its own, so that one that is no longer wanted is
// dropped without a deletion for each row. Called by RecentRows.
import type { Fields, RowAudience, StoredEvent } from '../../../core/events/stored-event.ts'

/** The newest event of a key, without its text. */
export interface TableRow extends RowAudience {
  readonly seq: number
  /** `<topic>/<partition>` */
  readonly partition: string
  /** The generation of the partition's offsets. BEFORE_LOG: the event was produced before the shard wanted the type. */
  readonly generation: number
  readonly offset: number
  /** When the log stored it, in milliseconds since the epoch. 0: it is from before. */
  readonly storedMs: number
  /** Length of the event in bytes. 0: the key was removed, or nobody of this shard sees it. */
  readonly length: number
}

/** A row with its event as JSON, in UTF-8: usually a view of the segment that it came in. */
export interface ChangedRow {
  readonly key: string
  readonly row: TableRow | undefined
  readonly text: Uint8Array | null
}

/** No event of the log is older. */
export const BEFORE_LOG = -1

/** What is left of a row that was removed. */
export const GONE = { fields: {}, recipients: [], length: 0 } as const satisfies Partial<TableRow>

export const NO_TEXT = new Uint8Array()

interface PagedRow extends StoredEvent {
  readonly storedMs: number
}

/** One page of a table, in the order of keys. */
export interface RowPage {
  readonly events: readonly PagedRow[]
  /** The key to read on from; null: this was the last page. */
  readonly next: string | null
}

type Meta = readonly [
  Fields,
  readonly string[] | null,
  partition: string,
  generation: number,
  offset: number,
  storedMs: number,
]

type Columns<T> = T & Record<string, SqlStorageValue>

/** A page is read at once, so that no cursor stays open. */
const PAGE_ROWS = 256
const PAGE_BYTES = 65_536

/** A statement writes one row or so many, so that there are two statements to prepare. A statement has at most 100 values. */
const PUT_ROWS = 25

export class TableRows {
  readonly #sql: SqlStorage
  readonly #name: string

  constructor(sql: SqlStorage, id: number) {
    this.#sql = sql
    this.#name = `rows_${id}`
  }

  create(): void {
    this.#sql.exec(
      `CREATE TABLE ${this.#name} (key TEXT PRIMARY KEY, seq INTEGER NOT NULL, meta TEXT NOT NULL, json BLOB NOT NULL) WITHOUT ROWID`,
    )
  }

  drop(): void {
    this.#sql.exec(`DROP TABLE IF EXISTS ${this.#name}`)
  }

  /** Returns those of the keys that have a row, each with the length of its metadata in characters. */
  find(keys: readonly string[]): readonly (readonly [key: string, row: TableRow, metaChars: number])[] {
    const [only] = keys
    const columns = `SELECT key, seq, meta, LENGTH(json) AS length FROM ${this.#name}`
    return this.#sql
      .exec<Columns<{ key: string; seq: number; meta: string; length: number }>>(
        keys.length === 1 ? `${columns} WHERE key = ?` : `${columns} WHERE key IN (SELECT value FROM json_each(?))`,
        keys.length === 1 ? only : JSON.stringify(keys),
      )
      .toArray()
      .map(({ key, length, meta, seq }) => [key, toRow(meta, seq, length), meta.length])
  }

  /** Returns the length of the metadata of each, in characters. */
  put(changed: readonly ChangedRow[]): readonly number[] {
    const lengths: number[] = []
    const put = (some: readonly ChangedRow[]) => {
      const values = some.flatMap(({ key, row, text }) => {
        const meta = row === undefined ? '' : toMeta(row)
        lengths.push(meta.length)
        // Empty bytes may be stored as NULL.
        return [key, row?.seq, meta, row?.length === 0 ? '' : text]
      })
      const places = Array.from(some, () => '(?, ?, ?, ?)').join(', ')
      this.#sql.exec(`INSERT OR REPLACE INTO ${this.#name} VALUES ${places}`, ...values)
    }
    const inFull = changed.length - (changed.length % PUT_ROWS)
    for (let at = 0; at < inFull; at += PUT_ROWS) put(changed.slice(at, at + PUT_ROWS))
    for (const one of changed.slice(inFull)) put([one])
    return lengths
  }

  /** Changes a row without its text. Returns the length of the metadata in characters. */
  putMeta(key: string, row: TableRow): number {
    const meta = toMeta(row)
    this.#sql.exec(`UPDATE ${this.#name} SET meta = ? WHERE key = ?`, meta, key)
    return meta.length
  }

  delete(key: string): void {
    this.#sql.exec(`DELETE FROM ${this.#name} WHERE key = ?`, key)
  }

  /** Deletes removed keys, which had to be remembered. Returns them. */
  deleteRemoved(): readonly string[] {
    return this.#sql
      .exec<{ key: string }>(`DELETE FROM ${this.#name} WHERE LENGTH(json) = 0 RETURNING key`)
      .toArray()
      .map(({ key }) => key)
  }

  /** Returns keys whose metadata has this user: all that are addressed to the user, and some others. */
  mentioning(user: string): readonly string[] {
    return this.#sql
      .exec<{ key: string }>(`SELECT key FROM ${this.#name} WHERE INSTR(meta, ?) > 0`, JSON.stringify(user))
      .toArray()
      .map(({ key }) => key)
  }

  /** Reads rows behind the key `after`, at least one if there is one. `meanBytes`: of a row. */
  page(type: string, after: string, meanBytes: number): RowPage {
    const limit = Math.min(PAGE_ROWS, Math.ceil(PAGE_BYTES / Math.max(1, meanBytes)))
    const found = this.#sql
      .exec<Columns<{ key: string; seq: number; meta: string; json: string }>>(
        `SELECT key, seq, meta, CAST(json AS TEXT) AS json FROM ${this.#name} WHERE key > ? ORDER BY key LIMIT ${limit}`,
        after,
      )
      .toArray()
    const events: PagedRow[] = []
    let bytes = 0
    for (const { json, key, meta, seq } of found) {
      const [fields, recipients, , , , storedMs] = JSON.parse(meta) as Meta
      events.push({ seq, type, json, fields, recipients, connectionId: null, storedMs })
      bytes += json.length
      if (bytes >= PAGE_BYTES && events.length < found.length) return { events, next: key }
    }
    return { events, next: found.length < limit ? null : (found.at(-1)?.key ?? null) }
  }
}

function toMeta({ fields, generation, offset, partition, recipients, storedMs }: TableRow): string {
  return JSON.stringify([fields, recipients, partition, generation, offset, storedMs] satisfies Meta)
}

function toRow(meta: string, seq: number, length: number): TableRow {
  const [fields, recipients, partition, generation, offset, storedMs] = JSON.parse(meta) as Meta
  return { seq, fields, recipients, partition, generation, offset, storedMs, length }
}
