// Which records a partition of the embedded log has stored, by their idempotency keys: SQL for `idempotency_keys`, the
// newest of them in memory. Exact, whatever the order: a sender may retry, split and overtake itself. What is older than
// the window is forgotten, and a record of that age would be stored again. partition-log.ts calls, in its transaction.
import type { Appended, KeyedRecord } from '../../rpc/embedded-kafka.ts'

export interface DedupeWindow {
  readonly windowMs: number
  /**
   * The most keys that are remembered: each takes about 50 bytes of memory while the object is awake, and 100,000 some 20
   * ms to read when it wakes.
   */
  readonly maxKeys: number
}

interface Row extends Record<string, SqlStorageValue> {
  first_offset: number
  appended_ms: number
  keys: string
}

export class IdempotencyKeys {
  readonly #sql: SqlStorage
  readonly #window: DedupeWindow
  /** Key → offset, oldest first; what the table has. Null: not read yet, so that logs without keys don't pay for it. */
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

  /** `records` were appended from `first` on. One row for all: a row for each key would be written, and billed, on its own. */
  remember(first: number, records: readonly KeyedRecord[], nowMs: number): void {
    const keys = records.map(({ idempotencyKey }) => idempotencyKey ?? null)
    this.#sql.exec('INSERT INTO idempotency_keys VALUES (?, ?, ?)', first, nowMs, JSON.stringify(keys))
    addKeys(this.#keys(), first, keys)
    const isFull = () => this.#keys().size > this.#window.maxKeys
    if (isFull()) this.#forget(isFull)
  }

  forgetOld(nowMs: number): void {
    this.#forget(({ appended_ms }) => appended_ms < nowMs - this.#window.windowMs)
  }

  /** The transaction was undone, and the table with it. */
  reload(): void {
    this.#known = null
  }

  #keys(): Map<string, number> {
    if (this.#known !== null) return this.#known
    this.#known = new Map()
    for (const row of this.#rows()) addKeys(this.#known, row.first_offset, parseKeys(row))
    return this.#known
  }

  #rows(): SqlStorageCursor<Row> {
    return this.#sql.exec<Row>('SELECT first_offset, appended_ms, keys FROM idempotency_keys ORDER BY first_offset')
  }

  /** Oldest first, as long as it is due. */
  #forget(isDue: (row: Row) => boolean): void {
    for (const row of this.#rows()) {
      if (!isDue(row)) return
      this.#sql.exec('DELETE FROM idempotency_keys WHERE first_offset = ?', row.first_offset)
      for (const key of parseKeys(row)) if (key !== null) this.#keys().delete(key)
    }
  }
}

/** Which records are new, with the places that all will have once those are appended from `next` on. */
export function sortOut(
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

function parseKeys({ keys }: Row): readonly (string | null)[] {
  return JSON.parse(keys) as readonly (string | null)[]
}
