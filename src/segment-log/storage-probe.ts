// Whether the storage of an object takes writes: reading goes on while a disk is full, and while an object is at its limit. For
// health. A write costs a row, so at most one is made in five seconds, and none while nobody asks.

const EVERY_MS = 5_000

export class StorageProbe {
  readonly #storage: Pick<DurableObjectStorage, 'sql' | 'sync'>
  readonly #nowMs: () => number
  #tookOneAtMs = -Infinity

  /** `nowMs`: milliseconds since the epoch. */
  constructor(storage: Pick<DurableObjectStorage, 'sql' | 'sync'>, nowMs: () => number) {
    this.#storage = storage
    this.#nowMs = nowMs
  }

  /** Resolves when a write is durable. Rejects if storage takes none; the runtime may then start the object anew. */
  async check(): Promise<void> {
    const nowMs = this.#nowMs()
    if (nowMs - this.#tookOneAtMs < EVERY_MS) return
    const { sql } = this.#storage
    sql.exec('CREATE TABLE IF NOT EXISTS storage_probe (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL)')
    sql.exec('INSERT OR REPLACE INTO storage_probe VALUES (0, ?)', nowMs)
    await this.#storage.sync()
    this.#tookOneAtMs = nowMs
  }
}
