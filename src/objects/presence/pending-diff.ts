// Changes of presence that have not been sent to the shards yet: one diff, however many they are, of limited size. Pure.
import { toPresences, type PresenceDiff, type PresenceEntry } from '../../rpc/presence.ts'

/** Characters of the JSON of a diff, and one more entry: a listener is sent it at once, whatever its limit of waiting bytes. */
const MAX_DIFF_CHARS = 65_536

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

  /** Returns the oldest changes, as many as a diff may have, and forgets them. */
  take(): PresenceDiff {
    const joins = takeFirst(this.#joins, MAX_DIFF_CHARS)
    const leaves = takeFirst(this.#leaves, MAX_DIFF_CHARS - joins.chars)
    return { joins: toPresences(joins.entries), leaves: toPresences(leaves.entries) }
  }
}

/** Takes entries until they have `maxChars`. */
function takeFirst(from: Map<string, PresenceEntry>, maxChars: number) {
  const entries: PresenceEntry[] = []
  let chars = 0
  for (const [ref, entry] of from) {
    if (chars >= maxChars) break
    from.delete(ref)
    entries.push(entry)
    chars += JSON.stringify(entry).length
  }
  return { entries, chars }
}
