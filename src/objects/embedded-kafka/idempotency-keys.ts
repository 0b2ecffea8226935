// Idempotency keys of the records that a partition of the embedded log has stored: SQL for `idempotency_keys`, and the keys
// in memory once one was asked for. Exact, in whatever order a sender retries, splits or overtakes itself. Keys older than
// the window are forgotten; a record that comes again later is stored again. partition-log.ts calls, in its transaction.
import type { Appended, KeyedRecord } from '../../rpc/embedded-kafka.ts'

export interface DedupeWindow {
  readonly windowMs: number
  /** Largest number of keys: each takes about 50 bytes of memory while the object is awake; 100,000 take 20 ms to load. */
  readonly maxKeys: number
}

/** Rows that one query reads. */
const ROWS_AT_ONCE = 64

interface KeysRow extends Record<string, SqlStorageValue> {
  first_offset: number
  appended_ms: number
  keys: string
}

export class IdempotencyKeys {
  readonly #sql: SqlStorage
  readonly #window: DedupeWindow
  /** Key → offset, oldest first, as in the table. Null until a key is asked for: logs without keys don't read it. */
  #known: Map<string, number> | null = null

  constructor(sql: SqlStorage, window: DedupeWindow) {
    this.#sql = sql
    this.#window = window
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS idempotency_keys (
        first_offset INTEGER PRIMARY KEY, appended_ms INTEGER NOT NULL, keys TEXT NOT NULL
      )
    `)
  }

  offsetOf(key: string): number | undefined {
    return this.#keys().get(key)
  }

  /** Stores the keys of records that were appended from `first` on, in one row: a row for each would be billed. */
  remember(first: number, records: readonly KeyedRecord[], nowMs: number): void {
    const keys = records.map(({ idempotencyKey }) => idempotencyKey ?? null)
    this.#sql.exec('INSERT INTO idempotency_keys VALUES (?, ?, ?)', first, nowMs, JSON.stringify(keys))
    addKeys(this.#keys(), first, keys)
    if (this.#keys().size > this.#window.maxKeys) this.#forgetWhile(() => this.#keys().size > this.#window.maxKeys)
  }

  /** Forgets keys that are older than the window. */
  forgetOld(nowMs: number): void {
    this.#forgetWhile(({ appended_ms }) => appended_ms < nowMs - this.#window.windowMs)
  }

  /** Reads the table again when it is next asked: the transaction was undone. */
  reload(): void {
    this.#known = null
  }

  #keys(): Map<string, number> {
    if (this.#known !== null) return this.#known
    const known = new Map<string, number>()
    this.#known = known
    for (let from = -1; ;) {
      const rows = this.#rowsAfter(from)
      for (const row of rows) addKeys(known, row.first_offset, parseKeys(row))
      const last = rows.at(-1)
      if (last === undefined) return known
      from = last.first_offset
    }
  }

  /** Read to its end: a cursor that is left open holds the write-ahead log. */
  #rowsAfter(firstOffset: number): readonly KeysRow[] {
    return this.#sql
      .exec<KeysRow>(
        `SELECT first_offset, appended_ms, keys FROM idempotency_keys WHERE first_offset > ?
         ORDER BY first_offset LIMIT ${ROWS_AT_ONCE}`,
        firstOffset,
      )
      .toArray()
  }

  /** Oldest first, while they are due. */
  #forgetWhile(isDue: (row: KeysRow) => boolean): void {
    for (;;) {
      const rows = this.#rowsAfter(-1)
      const kept = rows.findIndex((row) => {
        if (!isDue(row)) return true
        for (const key of parseKeys(row)) if (key !== null) this.#keys().delete(key)
        return false
      })
      const last = rows.at(kept === -1 ? -1 : kept - 1)
      if (last === undefined || kept === 0) return
      this.#sql.exec('DELETE FROM idempotency_keys WHERE first_offset <= ?', last.first_offset)
      if (kept !== -1) return
    }
  }
}

/** Returns the records that are new, and the places of all once those are appended from `next` on. Pure. */
export function findDuplicates(
  records: readonly KeyedRecord[],
  next: number,
  offsetOf: (key: string) => number | undefined,
): { readonly places: readonly Appended[]; readonly fresh: readonly KeyedRecord[] } {
  const fresh: KeyedRecord[] = []
  const here = new Map<string, number>()
  const places = records.map((record): Appended => {
    const key = record.idempotencyKey
    const known = key === undefined ? undefined : (here.get(key) ?? offsetOf(key))
    if (known !== undefined) return { offset: known, duplicate: true }
    const offset = next + fresh.length
    fresh.push(record)
    if (key !== undefined) here.set(key, offset)
    return { offset, duplicate: false }
  })
  return { places, fresh }
}

function addKeys(to: Map<string, number>, first: number, keys: readonly (string | null)[]): void {
  for (const [index, key] of keys.entries()) if (key !== null) to.set(key, first + index)
}

function parseKeys({ keys }: KeysRow): readonly (string | null)[] {
  return JSON.parse(keys) as readonly (string | null)[]
}
