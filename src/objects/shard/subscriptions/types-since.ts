// From where on this shard's log has every event of a type, by partition: learnt from followers when a client joins, and valid
// while the shard's interest in the type lasts. Pure. Used by as-of-joins.ts.
import type { JoinFacts, Since } from '../../../core/as-of/resolve-as-of.ts'

/** Types of which is remembered from where on the log has them. A type that is forgotten is asked about again. */
const MAX_TYPES = 5_000
/** The key of events that are addressed to users. No event type is empty. */
const USERS = ''

export interface TypesSinceDeps {
  /** Returns the position from which the log has a type's events: another one means that it was withdrawn meanwhile. */
  interestSince(eventType: string): number | undefined
  /** Returns the version of the shard map: with another one, other users are at this shard. */
  usersSince(): number
}

interface KnownType {
  readonly interestSince: number | undefined
  /** By partition. */
  readonly since: Map<string, Since>
}

export class TypesSince {
  readonly #deps: TypesSinceDeps
  /** By event type or pattern. Lost with the object's memory: then followers are asked anew. */
  readonly #types = new Map<string, KnownType>()

  constructor(deps: TypesSinceDeps) {
    this.#deps = deps
  }

  /** `hasUser`: events that are addressed to users count as another type. To be called before followers are asked. */
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

  /** What a follower had not routed when it was asked is routed by this interest, unless a batch of before has gone further. */
  learn({ followed, stored }: JoinFacts): void {
    for (const since of this.#types)
      for (const [partition, { generation, planned }] of followed) {
        if (since.get(partition)?.generation === generation) continue
        const [storedGeneration, nextOffset] = stored[partition] ?? [generation, 0]
        const offset = storedGeneration === generation ? Math.max(planned, nextOffset) : planned
        since.set(partition, { generation, offset })
      }
  }

  /** Returns the offset from which on the log has all of them; undefined: not known. */
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
