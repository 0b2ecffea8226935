// Makes the same decision as matchesFilter, and returns its reason. Pure.
import { patternsOf } from '../events/event-type-pattern.ts'
import type { FieldValue, Fields, StoredEvent } from '../events/stored-event.ts'
import { matchesCondition, type Condition } from '../subscriptions/constraint.ts'
import type { Filter } from '../subscriptions/filter.ts'
import type { Constraint } from '../subscriptions/subscription.ts'

/** The part of an event that filters read. */
export type MatchedEvent = Pick<StoredEvent, 'type' | 'fields' | 'recipients' | 'connectionId'>

/** One clause (`oneOf`) that does not match an event, and the first of its conditions that fails. */
export interface RefusedClause {
  /** The event type or pattern that was subscribed to. */
  readonly pattern: string
  readonly clause: Constraint
  readonly field: string
  readonly expected: Condition
  /** Null: the event has no such field. */
  readonly got: FieldValue | null
}

/** The reason why an event passes a filter, or does not. */
export type MatchExplanation =
  | { readonly passes: true; readonly by: 'recipient' | 'watch' | 'connection' }
  /** `clause` is null if every event of the type passes. */
  | { readonly passes: true; readonly by: 'subscription'; readonly pattern: string; readonly clause: Constraint | null }
  | { readonly passes: false; readonly because: 'not_addressed'; readonly recipients: readonly string[] }
  | { readonly passes: false; readonly because: 'another_connection' }
  | { readonly passes: false; readonly because: 'type_not_subscribed'; readonly subscribed: readonly string[] }
  | { readonly passes: false; readonly because: 'clause'; readonly refused: readonly RefusedClause[] }

/** Returns whether the event passes the filter, and why. */
export function explainMatch(filter: Filter, event: MatchedEvent): MatchExplanation {
  const { connectionId, recipients } = event
  if (connectionId !== null) {
    return connectionId === filter.connectionId
      ? { passes: true, by: 'connection' }
      : { passes: false, because: 'another_connection' }
  }
  return recipients === null ? explainSubscription(filter, event) : explainRecipients(filter, recipients)
}

function explainRecipients({ user, watched }: Filter, recipients: readonly string[]): MatchExplanation {
  if (user !== null && recipients.includes(user)) return { passes: true, by: 'recipient' }
  if (watched.some((other) => recipients.includes(other))) return { passes: true, by: 'watch' }
  return { passes: false, because: 'not_addressed', recipients }
}

function explainSubscription({ byType }: Filter, { fields, type }: MatchedEvent): MatchExplanation {
  const refused: RefusedClause[] = []
  for (const pattern of patternsOf(type)) {
    const clauses = byType.get(pattern)
    if (clauses === undefined) continue
    if (clauses.length === 0) return { passes: true, by: 'subscription', pattern, clause: null }
    for (const clause of clauses) {
      const reason = refusalOf(clause, fields)
      if (reason === undefined) return { passes: true, by: 'subscription', pattern, clause }
      refused.push({ pattern, clause, ...reason })
    }
  }
  return refused.length === 0
    ? { passes: false, because: 'type_not_subscribed', subscribed: [...byType.keys()] }
    : { passes: false, because: 'clause', refused }
}

function refusalOf(clause: Constraint, fields: Fields): Omit<RefusedClause, 'pattern' | 'clause'> | undefined {
  for (const [field, expected] of Object.entries(clause)) {
    const got = fields[field]
    if (!matchesCondition(expected, got)) return { field, expected, got: got ?? null }
  }
  return undefined
}
