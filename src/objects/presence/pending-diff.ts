// Changes of presence that have not been sent to the shards yet: one diff, however many they are. Pure.
import { toPresences, type PresenceDiff, type PresenceEntry } from '../../rpc/presence.ts'

export class PendingDiff {
  readonly #joins = new Map<string, PresenceEntry>()
  readonly #leaves = new Map<string, PresenceEntry>()

  get isEmpty(): boolean {
    return this.#joins.size === 0 && this.#leaves.size === 0
  }

  join(entry: PresenceEntry): void {
    this.#joins.set(entry.meta.phx_ref, entry)
  }

  /** A connection that has joined and left since the last diff is in no diff. */
  leave(entry: PresenceEntry): void {
    if (!this.#joins.delete(entry.meta.phx_ref)) this.#leaves.set(entry.meta.phx_ref, entry)
  }

  /** Returns the diff and begins a new one. */
  take(): PresenceDiff {
    const diff = { joins: toPresences([...this.#joins.values()]), leaves: toPresences([...this.#leaves.values()]) }
    this.#joins.clear()
    this.#leaves.clear()
    return diff
  }
}
