// Rules per event type (variable TYPES): who may get its events, who may read those that were stored before, and how long
// they live. Compiled once; the rules that concern a type are merged once per type, not once per event. Pure.
import { covers, isPattern, patternsOf } from '../events/event-type-pattern.ts'
import type { Fields } from '../events/stored-event.ts'
import type { Scalar } from '../scalar.ts'
import { matchesCondition } from '../subscriptions/constraint.ts'
import type { TypeAction, TypeGrant } from './type-grant.ts'

/** A kind of client that may do something. */
export type Right =
  | { readonly kind: 'anybody' }
  | { readonly kind: 'token' }
  | { readonly kind: 'role'; readonly name: string }
  | { readonly kind: 'scope'; readonly name: string }
  /** A claim of the token, by its JSON pointer as text, equals a field that EXTRACTORS reads from the event. */
  | { readonly kind: 'claim'; readonly claim: string; readonly field: string }

/** Any of these; an empty list: nobody. */
export type Rights = readonly Right[]

/** The rule of one type or pattern. An absent member restricts nothing; without `presence` there is none. */
export interface TypeRule extends Readonly<Partial<Record<TypeAction, Rights>>> {
  /** How long after it was stored an event is delivered. */
  readonly lifetimeMs?: number
  /** Limit of the size of one published event. */
  readonly maxBytes?: number
  /** How many events one publisher may publish, of all types of this pattern together. */
  readonly rate?: { readonly perSecond: number; readonly pattern: string }
  /** URL of the service that may change or refuse a published event. */
  readonly hook?: string
}

/** An event, as far as rules look at it. */
export interface EventToCheck {
  readonly type: string
  readonly fields: Fields
}

/** The most types whose rules are remembered. Clients can make up types: if there are more, all are forgotten. */
const MAX_REMEMBERED = 10_000
/** Longer types are not remembered: together they would take 20 MiB of an isolate. */
const MAX_REMEMBERED_CHARS = 256

/** All rules, compiled. */
export class TypeRules {
  readonly #byPattern: ReadonlyMap<string, TypeRule>
  readonly #merged = new Map<string, TypeRule>()
  /** False: no event expires. */
  readonly hasLifetimes: boolean
  /** False: no rule is about publishing. */
  readonly hasPublishing: boolean
  /** False: no rule is about history. */
  readonly hasHistory: boolean
  /** The claims, by pointer, that rules compare. */
  readonly claims: readonly string[]

  /** Event type, or pattern → its rule. */
  constructor(byPattern: ReadonlyMap<string, TypeRule>) {
    this.#byPattern = byPattern
    const rules = [...byPattern.values()]
    this.hasLifetimes = rules.some(({ lifetimeMs }) => lifetimeMs !== undefined)
    this.hasPublishing = rules.some(({ hook, maxBytes, publish, rate }) => hook ?? maxBytes ?? publish ?? rate)
    this.hasHistory = rules.some(({ history }) => history !== undefined)
    // The configuration refuses claims in `presence`: there is no event whose field could equal them.
    const rights = rules.flatMap(({ history = [], publish = [], subscribe = [] }) => [
      ...subscribe,
      ...history,
      ...publish,
    ])
    this.claims = [...new Set(rights.flatMap((right) => (right.kind === 'claim' ? [right.claim] : [])))]
  }

  /** Returns what rules say about a type, or a pattern. Of several, each member is of the narrowest that has it. */
  ruleOf(type: string): TypeRule {
    const known = this.#merged.get(type)
    if (known !== undefined) return known
    const found = patternsOf(type).flatMap((pattern) => this.#byPattern.get(pattern) ?? [])
    const rule = Object.assign({}, ...found.toReversed()) as TypeRule
    if (type.length > MAX_REMEMBERED_CHARS) return rule
    if (this.#merged.size >= MAX_REMEMBERED) this.#merged.clear()
    this.#merged.set(type, rule)
    return rule
  }

  /** Returns the types and patterns within `pattern` that have a rule of their own. */
  within(pattern: string): readonly string[] {
    return isPattern(pattern) ? [...this.#byPattern.keys()].filter((type) => covers(pattern, type)) : []
  }

  isExpired(type: string, storedMs: number, nowMs: number): boolean {
    const { lifetimeMs } = this.ruleOf(type)
    return lifetimeMs !== undefined && nowMs - storedMs > lifetimeMs
  }
}

/** Returns whether a client with this grant may do it with the event. */
export function isAllowed(
  grant: TypeGrant,
  action: TypeAction,
  rights: Rights | undefined,
  { fields, type }: EventToCheck,
): boolean {
  const only = grant.only?.[action]
  if (only !== undefined && !patternsOf(type).some((pattern) => only.includes(pattern))) return false
  return rights === undefined || rights.some((right) => holds(grant, right, fields, action === 'publish'))
}

/**
 * Returns whether a client with this grant may do it with some events of the type, or pattern. Some types of a pattern may be
 * forbidden, and their events are left out; others may be allowed by a narrower rule, or only these by the token.
 */
export function mayAllow(grant: TypeGrant, action: TypeAction, rules: TypeRules | null, type: string): boolean {
  const only = grant.only?.[action]
  const narrower = isPattern(type) ? (only ?? []).filter((pattern) => covers(type, pattern)) : []
  return [type, ...(rules?.within(type) ?? []), ...narrower].some((one) => {
    if (only !== undefined && !only.some((pattern) => covers(pattern, one))) return false
    const rights = rules?.ruleOf(one)[action]
    return rights === undefined || rights.some((right) => holds(grant, right, undefined))
  })
}

/** Returns whether `mayReceive` may keep some events of the type, or pattern, from a client that may get them, as history. */
export function mayWithhold(grant: TypeGrant, rules: TypeRules | null, type: string): boolean {
  const only = grant.only?.history
  if (only !== undefined && !only.some((pattern) => covers(pattern, type))) return true
  return [type, ...(rules?.within(type) ?? [])].some((one) => {
    const { history, subscribe } = rules?.ruleOf(one) ?? {}
    if (history === undefined || JSON.stringify(history) === JSON.stringify(subscribe)) return false
    if (subscribe?.some((right) => holds(grant, right, undefined)) === false) return false
    return !history.some((right) => right.kind !== 'claim' && holds(grant, right, undefined))
  })
}

/**
 * `fields` undefined: the event is not known yet. `isEvery`: each value of a field with several values must equal the claim.
 * Otherwise a client could publish to other tenants by naming them beside its own.
 */
function holds(grant: TypeGrant, right: Right, fields: Fields | undefined, isEvery = false): boolean {
  if (right.kind === 'anybody') return true
  if (right.kind === 'token') return grant.hasToken
  if (right.kind === 'role') return grant.roles.includes(right.name)
  if (right.kind === 'scope') return grant.scopes.includes(right.name)
  const condition = grant.claims[right.claim]
  if (condition === undefined) return false
  const value = fields?.[right.field]
  if (fields === undefined || value === undefined) return fields === undefined
  return isEvery && Array.isArray(value)
    ? value.every((one: Scalar) => matchesCondition(condition, one))
    : matchesCondition(condition, value)
}

/** Says who may, for a refusal. `isNarrowed`: the client might, if its token did not narrow. */
export function describeRights(rights: Rights | undefined, isNarrowed: boolean): string {
  if (rights === undefined || isNarrowed) return 'the token narrows to other types'
  return `allowed: ${describeAny(rights)}`
}

function describeAny(rights: Rights): string {
  if (rights.length === 0) return 'nobody'
  const texts = rights.map((right) => {
    if (right.kind === 'anybody') return 'anybody'
    if (right.kind === 'token') return 'clients with a token'
    return right.kind === 'claim' ? `clients with a claim ${right.claim}` : `the ${right.kind} "${right.name}"`
  })
  return texts.join(' or ')
}
