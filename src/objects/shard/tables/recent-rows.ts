// The rows of one table that are in memory: those that have changed since rows were last written, and those that were read or
// written before. A change whose key is among them reads nothing, and several changes of a key are written once.
import type { Table } from './table.ts'
import { GONE, NO_TEXT, type RowPage, type TableRow, type TableRows } from './table-rows.ts'

/** What a row in memory takes besides its key and its metadata, in characters, about. */
const ROW_CHARS = 200

/** A key in memory. */
interface RecentRow {
  readonly key: string
  /** Undefined: there is none. */
  row: TableRow | undefined
  /** Its event, in UTF-8, until it is written. Null: it has not changed since. */
  text: Uint8Array | null
  /** What it counts as of what may stay in memory. */
  chars: number
}

export class RecentRows {
  readonly table: Table
  readonly #rows: TableRows
  /** In the order in which they came into memory. */
  readonly #byKey = new Map<string, RecentRow>()
  #changed: RecentRow[] = []
  #chars = 0

  constructor(table: Table, rows: TableRows) {
    this.table = table
    this.#rows = rows
  }

  /** Number of changed rows that are not written. */
  get changes(): number {
    return this.#changed.length
  }

  /** Reads the rows of these keys, unless they are in memory: `get` then knows each. */
  load(keys: readonly string[]): void {
    const missing = keys.filter((key) => !this.#byKey.has(key))
    if (missing.length === 0) return
    for (const key of missing) {
      const recent: RecentRow = { key, row: undefined, text: null, chars: 0 }
      this.#byKey.set(key, recent)
      // A key without a row takes memory, too: a shard is told of every key whose row none of its users sees.
      this.#weigh(recent, 0)
    }
    for (const [key, row, metaChars] of this.#rows.find(missing)) this.#keep(key, row, metaChars)
  }

  /** Returns the row of a key that was loaded. */
  get(key: string): TableRow | undefined {
    return this.#byKey.get(key)?.row
  }

  /** Changes the row of a key that was loaded. A removed key is kept while older rows may be filled in. */
  change(key: string, row: TableRow, text: Uint8Array): void {
    const recent = this.#byKey.get(key)
    if (recent === undefined) throw new Error('the row was not loaded')
    if (recent.row === undefined && !this.#isKept(row)) return
    this.#count(key, recent.row, -1)
    this.#count(key, row, 1)
    if (recent.text === null) this.#changed.push(recent)
    recent.row = row
    recent.text = text
  }

  /** Writes the changed rows. `maxChars`: what the rows that stay in memory may take. */
  write(maxChars: number): void {
    const kept = this.#changed.filter(({ row }) => row !== undefined && this.#isKept(row))
    const metaChars = this.#rows.put(kept)
    for (const [index, recent] of kept.entries()) this.#weigh(recent, metaChars[index] ?? 0)
    for (const recent of this.#changed) {
      if (recent.row === undefined || !this.#isKept(recent.row)) this.#remove(recent)
      // It would keep the whole segment in memory.
      recent.text = null
    }
    this.#changed = []
    for (const recent of this.#byKey.values()) {
      if (this.#chars <= maxChars) break
      this.#forget(recent)
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

  /** Drops all rows, in storage too, which takes long if there are many. */
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
      if (recipients.length === 0) this.change(key, { ...row, ...GONE }, NO_TEXT)
      else this.#keep(key, { ...row, recipients }, this.#rows.putMeta(key, { ...row, recipients }))
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
    this.#changed = []
    this.#byKey.clear()
    this.#chars = 0
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
    const recent = this.#byKey.get(key)
    if (recent === undefined) return
    recent.row = row
    this.#weigh(recent, metaChars)
  }

  #weigh(recent: RecentRow, metaChars: number): void {
    const chars = ROW_CHARS + recent.key.length + metaChars
    this.#chars += chars - recent.chars
    recent.chars = chars
  }

  #remove(recent: RecentRow): void {
    this.#rows.delete(recent.key)
    this.#forget(recent)
  }

  #forget({ chars, key }: RecentRow): void {
    this.#chars -= chars
    this.#byKey.delete(key)
  }
}
