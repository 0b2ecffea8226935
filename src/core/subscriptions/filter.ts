// Which events one connection may see and has subscribed to. Built once per set of subscriptions; asked per event only
// while history is replayed. Live events find their connections through subscription-index.ts; both must agree.
import { matchesCondition } from './constraint.ts'
import type { Fields, StoredEvent } from '../events/stored-event.ts'
import { isWithheld, type CompiledJoin, type OffsetJoin } from '../as-of/joins.ts'
import { passesRights, type FilterRights } from '../rules/filter-rights.ts'
import type { Constraint, Subscription } from './subscription.ts'
import { replacedRow } from '../tables/row-change.ts'
import { patternsOf } from '../events/event-type-pattern.ts'

/** Which events one connection gets. */
export interface Filter {
  readonly connectionId: string
  readonly user: string | null
  /** Others whose events it may see as well. */
  readonly watched: readonly string[]
  /** Event type or pattern → any of these must be met; an empty list: every event of the type. */
  readonly byType: ReadonlyMap<string, readonly Constraint[]>
  /** What rules per event type let the client get. Absent: everything. */
  readonly rights?: FilterRights
  /** Newest first. Events that the client's state has do not pass. */
  readonly joins?: readonly CompiledJoin[]
  /** Event types whose tables the client gets → the sequence number up to which the tables that it was sent have the events. */
  readonly tables?: ReadonlyMap<string, number>
}

/**
 * Returns the filter of a connection. `user` is null for anonymous clients; `watched` lists other users whose events it
 * may see.
 */
export function createFilter(
  connectionId: string,
  user: string | null,
  subscriptions: readonly Subscription[],
  watched: readonly string[] = [],
): Filter {
  return { connectionId, user, watched, byType: typesOf(subscriptions) }
}

/** What was made of sets that are still held: connections share them, and a shard that wakes makes thousands of filters. */
const madeOf = new WeakMap<readonly Subscription[], Filter['byType']>()

function typesOf(subscriptions: readonly Subscription[]): Filter['byType'] {
  const made = madeOf.get(subscriptions)
  if (made !== undefined) return made
  const byType = new Map<string, readonly Constraint[]>()
  for (const { eventType, oneOf } of subscriptions) {
    const known = byType.get(eventType)
    const unconstrained = oneOf.length === 0 || known?.length === 0
    byType.set(eventType, unconstrained ? [] : [...(known ?? []), ...oneOf])
  }
  madeOf.set(subscriptions, byType)
  return byType
}

/** Returns the filter of a connection with these rights. */
export function withRights(filter: Filter, rights: FilterRights | undefined): Filter {
  return rights === undefined ? filter : { ...filter, rights }
}

/** Returns the filter of a connection that gets these tables. Undefined or none: no table. */
export function withTables(filter: Filter, tables: Filter['tables']): Filter {
  return tables === undefined || tables.size === 0 ? filter : { ...filter, tables }
}

/** Returns the filter of a connection that joined at offsets. `joins` are oldest first. */
export function withJoins(filter: Filter, joins: readonly OffsetJoin[]): Filter {
  if (joins.length === 0) return filter
  const { connectionId, user, watched } = filter
  const compiled = joins.map(({ before, offsets, untilSeq }): CompiledJoin => {
    const earlier = before === null ? null : createFilter(connectionId, user, before, watched)
    return { offsets, untilSeq, passedBefore: earlier && ((event) => matchesFilter(earlier, event)) }
  })
  return { ...filter, joins: compiled.toReversed() }
}

/**
 * Returns whether the connection gets the event. An event with recipients reaches them whatever they subscribe to, and
 * nobody else.
 */
export function matchesFilter(filter: Filter, event: StoredEvent): boolean {
  if (event.replacedBy !== undefined) return matchesRemoval(filter, event, event.replacedBy)
  if (!seesRow(filter, event) || event.seq <= (filter.tables?.get(event.type) ?? -1)) return false
  return !(filter.joins !== undefined && isWithheld(filter.joins, event))
}

/** Returns whether the filter passes an event, wherever it is in the log: whether a row with this event is in its client's table. */
export function seesRow(filter: Filter, event: StoredEvent): boolean {
  if (event.isExpired === true || !passesSubscriptions(filter, event)) return false
  return filter.rights === undefined || passesRights(filter.rights, event)
}

/** A client is told of a row that it saw and does not see any more. */
function matchesRemoval(filter: Filter, removal: StoredEvent, by: StoredEvent): boolean {
  const sinceSeq = filter.tables?.get(by.type)
  if (sinceSeq === undefined || removal.seq <= sinceSeq) return false
  return seesRow(filter, replacedRow(removal, by)) && !seesRow(filter, by)
}

function passesSubscriptions(filter: Filter, event: StoredEvent): boolean {
  if (event.connectionId !== null) return event.connectionId === filter.connectionId
  if (event.recipients !== null) return isAddressed(filter, event.recipients)
  if (filter.byType.size === 0) return false
  return patternsOf(event.type).some((pattern) => {
    const constraints = filter.byType.get(pattern)
    if (constraints === undefined) return false
    return constraints.length === 0 || constraints.some((constraint) => matchesConstraint(event.fields, constraint))
  })
}

function isAddressed({ user, watched }: Filter, recipients: readonly string[]): boolean {
  return (user !== null && recipients.includes(user)) || watched.some((other) => recipients.includes(other))
}

/** Returns whether the fields meet every member of the constraint; `null` matches anything. */
export function matchesConstraint(fields: Fields, constraint: Constraint): boolean {
  for (const name in constraint) {
    if (!matchesCondition(constraint[name] ?? null, fields[name])) return false
  }
  return true
}
