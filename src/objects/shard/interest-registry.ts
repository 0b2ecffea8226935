// The event types that this shard follows, and since when: SQL for `interests`. A type is registered at the Directory
// before a subscription to it is confirmed, and withdrawn only when no client could come back for it any more.
import { SerialQueue } from '../../core/serial-queue.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'

export interface InterestRegistryDeps {
  /** Tells the Directory. Resolves when every follower knows. */
  change(gained: readonly string[], lost: readonly string[]): Promise<void>
  /** Makes positions given out before and after differ. Returns the new head of the log. */
  advanceLog(): number
}

interface InterestRow extends Record<string, SqlStorageValue> {
  type: string
  since_seq: number
  idle_since_ms: number | null
}

export class InterestRegistry {
  readonly #sql: SqlStorage
  readonly #deps: InterestRegistryDeps
  /** Type → the sequence number after which the log holds every event of it. Equals the table at every await. */
  readonly #since = new Map<string, number>()
  /** Changes reach the Directory one after the other: a withdrawal must not overtake a later registration. */
  readonly #queue = new SerialQueue()

  constructor(sql: SqlStorage, deps: InterestRegistryDeps) {
    this.#sql = sql
    this.#deps = deps
    sql.exec(
      'CREATE TABLE IF NOT EXISTS interests (type TEXT PRIMARY KEY, since_seq INTEGER NOT NULL, idle_since_ms INTEGER) WITHOUT ROWID',
    )
    for (const row of sql.exec<InterestRow>('SELECT * FROM interests').toArray())
      this.#since.set(row.type, row.since_seq)
  }

  /** True if the log holds every event of these types after `seq`. To be asked before `register`, which adds new ones. */
  coversSince(subscriptions: readonly Subscription[], seq: number): boolean {
    return subscriptions.every(({ eventType }) => (this.#since.get(eventType) ?? Infinity) <= seq)
  }

  /** Resolves when events of these types are sure to come. Rejects if the Directory is out of reach. */
  async register(subscriptions: readonly Subscription[]): Promise<void> {
    if (this.#missing(subscriptions).length === 0) return
    await this.#queue.run(async () => {
      const gained = this.#missing(subscriptions)
      if (gained.length === 0) return
      await this.#deps.change(gained, [])
      const since = this.#deps.advanceLog()
      for (const type of gained) {
        this.#sql.exec('INSERT OR REPLACE INTO interests (type, since_seq) VALUES (?, ?)', type, since)
        this.#since.set(type, since)
      }
    })
  }

  /**
   * Withdraws types that nobody has wanted for `lingerMs`: until then a subscriber that left may come back. Returns
   * whether types are left that nobody wants.
   */
  async withdrawUnused(wanted: (type: string) => boolean, nowMs: number, lingerMs: number): Promise<boolean> {
    const lost: string[] = []
    let idle = 0
    for (const row of this.#sql.exec<InterestRow>('SELECT * FROM interests').toArray()) {
      const idleSinceMs = wanted(row.type) ? null : (row.idle_since_ms ?? nowMs)
      if (idleSinceMs !== row.idle_since_ms) {
        this.#sql.exec('UPDATE interests SET idle_since_ms = ? WHERE type = ?', idleSinceMs, row.type)
      }
      if (idleSinceMs === null) continue
      if (nowMs - idleSinceMs >= lingerMs) lost.push(row.type)
      else idle += 1
    }
    if (lost.length > 0) await this.#queue.run(() => this.#withdraw(lost.filter((type) => !wanted(type))))
    return idle > 0
  }

  /** Deleted here first: a crash in between costs events that nobody wants, never events that somebody wants. */
  async #withdraw(types: readonly string[]): Promise<void> {
    for (const type of types) {
      this.#sql.exec('DELETE FROM interests WHERE type = ?', type)
      this.#since.delete(type)
    }
    await this.#deps.change([], types)
  }

  #missing(subscriptions: readonly Subscription[]): readonly string[] {
    return [...new Set(subscriptions.map(({ eventType }) => eventType))].filter((type) => !this.#since.has(type))
  }
}
