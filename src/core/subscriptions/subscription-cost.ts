// What a set of subscriptions takes of the heap: far more than its JSON, because each value of a constraint is looked up by maps. Measured in
// V8 with the real index by its test: 20 bytes of JSON can take 700 bytes. Used by the shard's SubscriptionPool. Pure.
import { heapBytesOf } from '../text.ts'
import { isOperators, type Condition } from './constraint.ts'
import type { Subscription } from './subscription.ts'

/** Bytes, about. */
export interface SubscriptionCost {
  /** The set, and what is derived from it once. */
  readonly shared: number
  /** The entries of the index that each connection with the set adds. */
  readonly each: number
}

const SUBSCRIPTION = { shared: 120, each: 32 }
const CONSTRAINT = { shared: 240, each: 440 }
/** A list (`in`) takes this in addition to its constraint. */
const LISTED = { shared: 220, each: 180 }

/**
 * Returns what the set takes. `json`: the set as JSON, whose texts are held twice: in it, and by themselves. A constraint counts with one
 * value. Its other members, and the values of lists, are added.
 */
export function costOf(subscriptions: readonly Subscription[], json: string): SubscriptionCost {
  const cost = { shared: 2 * heapBytesOf(json), each: 0 }
  const add = (count: number, { each, shared }: SubscriptionCost) => {
    cost.shared += count * shared
    cost.each += count * each
  }
  for (const { oneOf } of subscriptions) {
    add(1, SUBSCRIPTION)
    add(oneOf.length, CONSTRAINT)
    for (const constraint of oneOf) {
      const values = Object.values(constraint).reduce((sum: number, condition) => sum + valuesOf(condition), 0)
      add(Math.max(0, values - 1), LISTED)
    }
  }
  return cost
}

function valuesOf(condition: Condition): number {
  return isOperators(condition) ? (condition.in?.length ?? 1) : 1
}
