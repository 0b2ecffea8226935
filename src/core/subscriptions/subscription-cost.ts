// What a set of subscriptions takes of the heap: far more than its JSON, because each value of a constraint is looked up by maps. Measured in
// V8 with the real index by its test: 20 bytes of JSON can take 700 bytes. Used by the shard's SubscriptionPool. Pure.
import { isOperators, type Condition } from './constraint.ts'
import type { Subscription } from './subscription.ts'

/** Bytes, about. */
export interface SubscriptionCost {
  /** Of the set and of what is made of it once. */
  readonly shared: number
  /** Of the index, for each connection that has the set. */
  readonly each: number
}

const SUBSCRIPTION = { shared: 120, each: 32 }
const CONSTRAINT = { shared: 240, each: 440 }
/** Of a list (`in`), besides its constraint. */
const LISTED = { shared: 220, each: 180 }

/** `jsonBytes`: length of the set's JSON. */
export function costOf(subscriptions: readonly Subscription[], jsonBytes: number): SubscriptionCost {
  const constraints = subscriptions.flatMap(({ oneOf }) => oneOf)
  const listed = constraints.reduce((sum, constraint) => sum + extraValues(Object.values(constraint)), 0)
  const of = (part: 'shared' | 'each') =>
    subscriptions.length * SUBSCRIPTION[part] + constraints.length * CONSTRAINT[part] + listed * LISTED[part]
  return { shared: jsonBytes + of('shared'), each: of('each') }
}

/** A constraint has one value. Its further members, and values of lists, count besides. */
function extraValues(conditions: readonly Condition[]): number {
  const values = conditions.reduce((sum: number, condition) => sum + valuesOf(condition), 0)
  return Math.max(0, values - 1)
}

function valuesOf(condition: Condition): number {
  return isOperators(condition) ? (condition.in?.length ?? 1) : 1
}
