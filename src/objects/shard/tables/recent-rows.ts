// The rows of one table that are in memory: those that have changed since rows were last written, and those that were read or
// written last. A change whose key is among them reads nothing, and several changes of a key are written once.
import type { Table } from './table.ts'
import { GONE, type ChangedRow, type RowPage, type TableRow, type TableRows } from './table-rows.ts'

/** What a row in memory takes besides its key and its metadata, in characters, about. */
const ROW_CHARS = 200

interface WrittenRow {
  readonly row: TableRow
  readonly chars: number
}

export class RecentRows {
  readonly table: Table
  readonly #rows: TableRows
  readonly #changed = new Map<string, ChangedRow>()
  /** As they are stored, in the order in which they were read or written. */
  readonly #written = new Map<string, WrittenRow>()
  #writtenChars = 0

  constructor(table: Table, rows: TableRows) {
    this.table = table
    this.#rows = rows
  }

  /** Number of changed rows that are not written. */
  get changes(): number {
    return this.#changed.size
  }

  /** Reads the rows of these keys, unless they are in memory: `get` then knows each. */
  load(keys: readonly string[]): void {
    const missing = keys.filter((key) => !this.#changed.has(key) && !this.#written.has(key))
    if (missing.length === 0) return
    for (const [key, row, metaChars] of this.#rows.find(missing)) this.#keep(key, row, metaChars)
  }

  /** Returns the row of a key that was loaded. */
  get(key: string): TableRow | undefined {
    return this.#changed.get(key) ?? this.#written.get(key)?.row
  }

  /** Changes the row of a key that was loaded. A removed key is kept while older rows may be filled in. */
  change(key: string, row: ChangedRow): void {
    const before = this.get(key)
    if (before === undefined && !this.#isKept(row)) return
    this.#count(key, before, -1)
    this.#count(key, row, 1)
    this.#changed.set(key, row)
  }

  /** Writes the changed rows. `maxChars`: what the rows that stay in memory may take. */
  write(maxChars: number): void {
    for (const [key, row] of this.#changed) {
      this.#forget(key)
      if (this.#isKept(row)) {
        // Without its text, which would keep the whole segment in memory.
        const { text: _, ...written } = row
        this.#keep(key, written, this.#rows.put(key, row))
      } else this.#rows.delete(key)
    }
    this.#changed.clear()
    for (const key of this.#written.keys()) {
      if (this.#writtenChars <= maxChars) break
      this.#forget(key)
    }
  }

  /** Reads a page of the table. Changes must have been written. */
  page(after: string): RowPage {
    const { bytes, rows, type } = this.table
    return this.#rows.page(type, after, bytes / Math.max(1, rows))
  }

  /** Creates the table in storage. */
  create(): void {
    this.#rows.create()
  }

  /** Drops all rows: in storage, whole tables take long. */
  drop(): void {
    this.clear()
    this.#rows.drop()
  }

  /** Removes a user from the recipients of rows, and the rows that are for nobody else. Changes must have been written. */
  eraseUser(user: string): void {
    const keys = this.#rows.mentioning(user)
    this.load(keys)
    for (const key of keys) {
      const row = this.get(key)
      if (row?.recipients?.includes(user) !== true) continue
      const recipients = row.recipients.filter((one) => one !== user)
      if (recipients.length === 0) this.change(key, { ...row, ...GONE })
      else this.#replace(key, { ...row, recipients })
    }
  }

  /** Deletes removed keys: no older row can be filled in any more. Changes must have been written. */
  deleteRemoved(): void {
    for (const key of this.#rows.deleteRemoved()) {
      this.table.rows -= 1
      this.table.bytes -= key.length
    }
    this.clear()
  }

  /** Forgets what is in memory. */
  clear(): void {
    this.#changed.clear()
    this.#written.clear()
    this.#writtenChars = 0
  }

  #replace(key: string, row: TableRow): void {
    this.#forget(key)
    this.#keep(key, row, this.#rows.putMeta(key, row))
  }

  #isKept({ length }: TableRow): boolean {
    return length > 0 || this.table.status === 'filling'
  }

  #count(key: string, row: TableRow | undefined, sign: 1 | -1): void {
    if (row === undefined || !this.#isKept(row)) return
    this.table.rows += sign
    this.table.bytes += sign * (key.length + row.length)
  }

  #keep(key: string, row: TableRow, metaChars: number): void {
    const chars = ROW_CHARS + key.length + metaChars
    this.#written.set(key, { row, chars })
    this.#writtenChars += chars
  }

  #forget(key: string): void {
    this.#writtenChars -= this.#written.get(key)?.chars ?? 0
    this.#written.delete(key)
  }
}
