// The rights of one connection, as a part of its filter, so that live delivery, replay, polls and pages agree. Pure.
import type { StoredEvent } from '../events/stored-event.ts'
import { fail, ok, type Result } from '../result.ts'
import type { RigelError } from '../errors.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { NO_GRANT, withoutNarrowing, type TypeAction, type TypeGrant } from './type-grant.ts'
import { describeRights, isAllowed, mayAllow, mayWithhold, type TypeRule, type TypeRules } from './type-rules.ts'

/** What rules let one connection get. */
export interface FilterRights {
  readonly rules: TypeRules | null
  /** The grants of the connection's token and of the token that came with its subscriptions. Either is enough. */
  readonly grants: readonly TypeGrant[]
  /** Events up to here were stored before the client came: they are history to it. 0: none; Infinity: all. */
  readonly historySeq: number
}

const NO_RULE: TypeRule = {}

/**
 * Returns what restricts a connection; undefined: nothing does. A connection that a version without rules has opened has no
 * grant.
 */
export function rightsOf(
  rules: TypeRules | null,
  given: readonly (TypeGrant | null | undefined)[],
  historySeq = 0,
): FilterRights | undefined {
  const grants = given.filter((grant) => grant !== null && grant !== undefined)
  const isNarrowed = grants.some(({ only }) => only !== undefined)
  if (rules === null && !isNarrowed) return undefined
  return { rules, grants: grants.length === 0 ? [NO_GRANT] : grants, historySeq }
}

/** Returns whether a connection may get the event. `rule` is that of the type of the event. */
export function mayReceive({ grants, historySeq }: FilterRights, rule: TypeRule, event: StoredEvent): boolean {
  return grants.some(
    (grant) =>
      isAllowed(grant, 'subscribe', rule.subscribe, event) &&
      (event.seq > historySeq || isAllowed(grant, 'history', rule.history, event)),
  )
}

/** Returns whether it matters to such a connection what is history to it. */
export function boundsHistory(rules: TypeRules | null, given: readonly (TypeGrant | null | undefined)[]): boolean {
  return rules?.hasHistory === true || given.some((grant) => grant?.only?.history !== undefined)
}

/** Returns whether events that a client asks for may be kept from it as history. `isAddressed`: it gets those to its user, too. */
export function mayWithholdHistory(
  rights: FilterRights | undefined,
  subscriptions: readonly Subscription[],
  isAddressed: boolean,
): boolean {
  if (rights === undefined || !boundsHistory(rights.rules, rights.grants)) return false
  const types = isAddressed ? ['*'] : subscriptions.map(({ eventType }) => eventType)
  return types.some((type) => rights.grants.every((grant) => mayWithhold(grant, rights.rules, type)))
}

/** Returns what `mayReceive` returns, and finds the rule of the event. Rigel's own events have no rules. */
export function passesRights(rights: FilterRights, event: StoredEvent): boolean {
  return event.connectionId !== null || mayReceive(rights, rights.rules?.ruleOf(event.type) ?? NO_RULE, event)
}

/** Returns whether a connection with these rights sees presence on channels of the type. Without a rule nobody does. */
export function hasPresence(rights: FilterRights | undefined, type: string): boolean {
  const allowed = rights?.rules?.ruleOf(type).presence
  const channel = { type, fields: {} }
  return (
    allowed !== undefined && rights?.grants.some((grant) => isAllowed(grant, 'presence', allowed, channel)) === true
  )
}

/** Fails for a subscription of which no event could ever be delivered. */
export function checkRights(
  rights: FilterRights | undefined,
  subscriptions: readonly Subscription[],
  action: TypeAction = 'subscribe',
): Result<null, RigelError> {
  if (rights === undefined) return ok(null)
  for (const { eventType } of subscriptions) {
    if (rights.grants.some((grant) => mayAllow(grant, action, rights.rules, eventType))) continue
    const isNarrowed = rights.grants.some((grant) => mayAllow(withoutNarrowing(grant), action, rights.rules, eventType))
    const who = describeRights(rights.rules?.ruleOf(eventType)[action], isNarrowed)
    return fail({ kind: 'type_forbidden', message: `${action} ${eventType.slice(0, 100)}: ${who}` })
  }
  return ok(null)
}
