// Sets of subscriptions, each held once however many connections have it: clients of one page ask for the same. Counts what the
// sets and the index of them take, for the limit per shard. Used by the ConnectionRegistry.
import type { Filter } from '../../../core/subscriptions/filter.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import { costOf, type SubscriptionCost } from '../../../core/subscriptions/subscription-cost.ts'

interface PooledSet {
  readonly subscriptions: readonly Subscription[]
  /** The filter's part that depends on the set only, once a connection has one. */
  byType: Filter['byType'] | undefined
  readonly key: string
  readonly cost: SubscriptionCost
  connections: number
}

export class SubscriptionPool {
  readonly #byKey = new Map<string, PooledSet>()
  readonly #bySet = new Map<readonly Subscription[], PooledSet>()
  #bytes = 0

  /** What all sets take of the heap, about. */
  get bytes(): number {
    return this.#bytes
  }

  /** Returns by how much `bytes` grows if the set is acquired. */
  costOf(subscriptions: readonly Subscription[]): number {
    const key = JSON.stringify(subscriptions)
    const known = this.#byKey.get(key)
    if (known !== undefined) return known.cost.each
    const { each, shared } = costOf(subscriptions, key)
    return each + shared
  }

  /** Returns the pooled set that equals `subscriptions`. The caller releases it once for each call. */
  acquire(subscriptions: readonly Subscription[]): readonly Subscription[] {
    const set = this.#bySet.get(subscriptions) ?? this.#find(subscriptions)
    set.connections += 1
    this.#bytes += set.cost.each
    return set.subscriptions
  }

  #find(subscriptions: readonly Subscription[]): PooledSet {
    const key = JSON.stringify(subscriptions)
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    return this.#add({ subscriptions, byType: undefined, key, cost: costOf(subscriptions, key), connections: 0 })
  }

  /** Returns the filter with the part that connections of the same set share. `subscriptions`: of `acquire`. */
  share(subscriptions: readonly Subscription[], filter: Filter): Filter {
    const set = this.#bySet.get(subscriptions)
    if (set === undefined) return filter
    set.byType ??= filter.byType
    return set.byType === filter.byType ? filter : { ...filter, byType: set.byType }
  }

  release(subscriptions: readonly Subscription[]): void {
    const set = this.#bySet.get(subscriptions)
    if (set === undefined) return
    set.connections -= 1
    this.#bytes -= set.cost.each
    if (set.connections > 0) return
    this.#byKey.delete(set.key)
    this.#bySet.delete(subscriptions)
    this.#bytes -= set.cost.shared
  }

  #add(set: PooledSet): PooledSet {
    this.#byKey.set(set.key, set)
    this.#bySet.set(set.subscriptions, set)
    this.#bytes += set.cost.shared
    return set
  }
}

/** Length of the JSON of a set. */
export function bytesOf(subscriptions: readonly Subscription[]): number {
  return JSON.stringify(subscriptions).length
}
