// The subscriptions of a connection, parsed. parse-subscriptions.ts makes them; filter.ts and subscription-index.ts read them.
import type { Condition } from './constraint.ts'

/** Field name → what it must be: a value, or operators. `null` matches anything, as in RIG. */
export type Constraint = Readonly<Record<string, Condition>>

/** Interest in the events of one type or pattern. */
export interface Subscription {
  readonly eventType: string
  /** An event passes if it meets any of these. Every event of the type passes if the list is empty. */
  readonly oneOf: readonly Constraint[]
  /** The current value of each key of the type comes first, and then changes. Absent: events only. */
  readonly state?: true
}
