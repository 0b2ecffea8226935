// Remembers, by type and partition, the offset from which on this shard's log has every event. Followers report it
// when a client joins, and it is valid while the shard is interested in the type. Pure. Used by as-of-joins.ts.
import type { JoinFacts, Since } from '../../../core/as-of/resolve-as-of.ts'

/** Limit of types that are remembered. Followers are asked again about a type that was dropped. */
const MAX_TYPES = 5_000
/** The key of events that are addressed to users. No event type is empty. */
const USERS = ''

export interface TypesSinceDeps {
  /**
   * Returns the position from which the log has a type's events. If it changes, the interest was withdrawn in between.
   */
  interestSince(eventType: string): number | undefined
  /** Returns the version of the shard map. Another version means that this shard has other users. */
  usersSince(): number
}

interface KnownType {
  readonly interestSince: number | undefined
  /** By partition. */
  readonly since: Map<string, Since>
}

export class TypesSince {
  readonly #deps: TypesSinceDeps
  /** By event type or pattern. In memory only: after a restart followers are asked again. */
  readonly #types = new Map<string, KnownType>()

  constructor(deps: TypesSinceDeps) {
    this.#deps = deps
  }

  /** `hasUser`: events that are addressed to users count as another type. Call before asking followers. */
  of(eventTypes: readonly string[], hasUser: boolean): SinceOfTypes {
    const keys = hasUser ? [...eventTypes, USERS] : eventTypes
    return new SinceOfTypes([...new Set(keys)].map((key) => this.#typeOf(key).since))
  }

  #typeOf(key: string): KnownType {
    const interestSince = key === USERS ? this.#deps.usersSince() : this.#deps.interestSince(key)
    const known = this.#types.get(key)
    if (known !== undefined && known.interestSince === interestSince) return known
    const [oldest] = this.#types.keys()
    if (this.#types.size >= MAX_TYPES && oldest !== undefined) this.#types.delete(oldest)
    const fresh = { interestSince, since: new Map<string, Since>() }
    this.#types.set(key, fresh)
    return fresh
  }
}

/** The types of one join. */
class SinceOfTypes {
  readonly #types: readonly Map<string, Since>[]

  constructor(types: readonly Map<string, Since>[]) {
    this.#types = types
  }

  /** A follower routes by this interest all records that it had not routed when it was asked. */
  learn({ followed, stored }: JoinFacts): void {
    for (const since of this.#types)
      for (const [partition, { generation, planned }] of followed) {
        if (since.get(partition)?.generation === generation) continue
        const [storedGeneration, nextOffset] = stored[partition] ?? [generation, 0]
        const offset = storedGeneration === generation ? Math.max(planned, nextOffset) : planned
        since.set(partition, { generation, offset })
      }
  }

  /** Returns the offset from which on the log has all types of the join; undefined: not known. */
  offsetOf(partition: string, generation: number): number | undefined {
    let offset = 0
    for (const since of this.#types) {
      const own = since.get(partition)
      if (own?.generation !== generation) return undefined
      offset = Math.max(offset, own.offset)
    }
    return offset
  }
}
