// What a follower knows of the shards' interest: SQL for `interests`, and the index that routing asks. Changes come
// from the Directory, numbered; a missed number means that the whole has to be asked for again.
import { patternsOf } from '../core/events/event-type-pattern.ts'
import { userOfWatchTopic } from '../core/subscriptions/watch-topic.ts'
import type { InterestChange, InterestSnapshot } from '../rpc/interest.ts'

const NOBODY: ReadonlySet<number> = new Set()

/** Types whose shards are remembered. Producers that make up types must not fill the memory. */
const MAX_FOUND = 10_000

export class InterestIndex {
  readonly #storage: DurableObjectStorage
  readonly #sql: SqlStorage
  /** Type → shards. Equals the table at every await. */
  readonly #byType = new Map<string, Set<number>>()
  /** What `shardsOf` found for types of events since the last change. */
  readonly #found = new Map<string, ReadonlySet<number>>()
  /** The last change applied; null: no snapshot yet. */
  #version: number | null

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage
    this.#sql = storage.sql
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS interests (type TEXT NOT NULL, shard INTEGER NOT NULL, PRIMARY KEY (type, shard)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS interest_version (id INTEGER PRIMARY KEY, version INTEGER NOT NULL);
    `)
    this.#version =
      this.#sql.exec<{ version: number }>('SELECT version FROM interest_version').toArray()[0]?.version ?? null
    for (const { type, shard } of this.#sql.exec<{ type: string; shard: number }>(
      'SELECT type, shard FROM interests',
    )) {
      this.#gain(type, shard)
    }
  }

  get version(): number | null {
    return this.#version
  }

  /**
   * Those interested in the type, or in a pattern that covers it; no pattern covers the pseudo-type of a user. For a type it
   * is the same set until interests change, and that set never changes: what is routed by it may be sent later.
   */
  shardsOf(type: string): ReadonlySet<number> {
    if (userOfWatchTopic(type) !== undefined) return this.#byType.get(type) ?? NOBODY
    const known = this.#found.get(type)
    if (known !== undefined) return known
    const found = new Set(patternsOf(type).flatMap((key) => [...(this.#byType.get(key) ?? NOBODY)]))
    if (this.#found.size < MAX_FOUND) this.#found.set(type, found)
    return found
  }

  /** False: a change before this one was missed, or there is no snapshot yet. Then nothing is applied. */
  apply(change: InterestChange): boolean {
    if (this.#version === null || change.version > this.#version + 1) return false
    if (change.version <= this.#version) return true
    this.#storage.transactionSync(() => {
      for (const type of change.gained)
        this.#sql.exec('INSERT OR IGNORE INTO interests VALUES (?, ?)', type, change.shard)
      for (const type of change.lost)
        this.#sql.exec('DELETE FROM interests WHERE type = ? AND shard = ?', type, change.shard)
      this.#setVersion(change.version)
    })
    this.#found.clear()
    for (const type of change.gained) this.#gain(type, change.shard)
    for (const type of change.lost) this.#byType.get(type)?.delete(change.shard)
    return true
  }

  /** Older than what is known already: nothing changes, for answers may overtake each other. */
  replace(snapshot: InterestSnapshot): void {
    if (this.#version !== null && snapshot.version < this.#version) return
    this.#storage.transactionSync(() => {
      this.#sql.exec('DELETE FROM interests')
      for (const { shard, types } of snapshot.interests) {
        for (const type of types) this.#sql.exec('INSERT OR IGNORE INTO interests VALUES (?, ?)', type, shard)
      }
      this.#setVersion(snapshot.version)
    })
    this.#byType.clear()
    this.#found.clear()
    for (const { shard, types } of snapshot.interests) for (const type of types) this.#gain(type, shard)
  }

  #gain(type: string, shard: number): void {
    const shards = this.#byType.get(type) ?? new Set()
    this.#byType.set(type, shards.add(shard))
  }

  #setVersion(version: number): void {
    this.#sql.exec('INSERT OR REPLACE INTO interest_version (id, version) VALUES (0, ?)', version)
    this.#version = version
  }
}
