// What a connection asks for, once parsed: subscription.ts makes them, filter.ts and matcher.ts go by them.
import type { Condition } from './constraint.ts'

/** Field name → what it must be: a value, or operators. `null` matches anything, as in RIG. */
export type Constraint = Readonly<Record<string, Condition>>

export interface Subscription {
  readonly eventType: string
  /** An event passes if it meets any of these; none: every event of the type passes. */
  readonly oneOf: readonly Constraint[]
}
