// Subscriptions, in RIG's shape: an event type and constraints (`oneOf`: any of these; members of one: all of them).
// Parsing with RIG's aliases and validation texts, and inferring subscriptions from a token's claims.
import { evaluatePointer } from '../json-pointer.ts'
import { isObject, showJson } from '../json.ts'
import { fail, ok, type Result } from '../result.ts'
import type { RigelError } from '../errors.ts'
import { parseCondition, type Condition } from './constraint.ts'
import { claimCondition, restrictToClaims } from './claim-restrictions.ts'
import { fieldsOf, type Extractors } from '../events/extractors.ts'
import { patternProblem } from '../events/event-type-pattern.ts'
import type { Constraint, Subscription } from './subscription.ts'

/** How much of a wrong value an error text quotes. */
const MAX_SHOWN_CHARS = 200

/**
 * The most characters of all conditions of a list, as JSON: no connection may have more. `1e999` is 200 times as long once it is written
 * out, and a shard counts only what has been written out.
 */
const MAX_CONDITION_CHARS = 2_097_152
const TOO_LONG = `constraints expected to be no longer than ${MAX_CONDITION_CHARS} characters, with all digits of numbers and the token's claims`

/** The limits and rules that subscriptions are parsed by. */
export interface SubscriptionRules {
  /** How many subscriptions one connection may have. */
  readonly limit: number
  readonly extractors: Extractors
  /** RIG's: a constraint on an unknown field is dropped, which makes the subscription wider, instead of refused. */
  readonly widenUnknown?: boolean
  /** Claims of the client's tokens. Enforced fields must match them. Undefined if the caller does not know them. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
}

/** Parses an array of subscriptions and removes duplicates. Errors have RIG's texts. */
export function parseSubscriptions(
  input: unknown,
  rules: SubscriptionRules,
): Result<readonly Subscription[], RigelError> {
  if (!Array.isArray(input)) {
    return invalidSubscriptions(
      `could not decode subscriptions: subscriptions is expected to be a JSON encoded list when parsing JSON: ${showJson(input, MAX_SHOWN_CHARS)}`,
    )
  }
  if (input.length > rules.limit) return fail({ kind: 'too_many_subscriptions', limit: rules.limit, got: input.length })
  const unique = new Map<string, Subscription>()
  const room = { chars: MAX_CONDITION_CHARS }
  for (const item of input as readonly unknown[]) {
    const parsed = parseSubscription(item, rules, room)
    if (typeof parsed === 'string') {
      return invalidSubscriptions(
        `could not parse subscription from JSON: invalid subscription: ${parsed} when parsing ${showJson(item, MAX_SHOWN_CHARS)}`,
      )
    }
    unique.set(JSON.stringify(parsed), parsed)
  }
  return ok([...unique.values()])
}

/** Returns the sets as one, without duplicates. */
export function mergeSubscriptions(...sets: readonly (readonly Subscription[])[]): readonly Subscription[] {
  return [...new Map(sets.flat().map((subscription) => [JSON.stringify(subscription), subscription])).values()]
}

/**
 * Returns RIG's automatic subscriptions: for each event type, the fields whose claim the token has, as one
 * conjunction.
 */
export function inferSubscriptions(
  extractors: Extractors,
  claims: Readonly<Record<string, unknown>>,
): readonly Subscription[] {
  const inferred: Subscription[] = []
  for (const [eventType, fields] of extractors) {
    const constraint: Record<string, Condition> = {}
    for (const { name, claim } of fields) {
      const condition = claim === undefined ? undefined : claimCondition(evaluatePointer(claim, claims))
      if (condition !== undefined) constraint[name] = condition
    }
    if (Object.keys(constraint).length > 0) inferred.push({ eventType, oneOf: [constraint] })
  }
  return inferred
}

/** How many characters of conditions may follow. */
interface Room {
  chars: number
}

function parseSubscription(item: unknown, rules: SubscriptionRules, room: Room): Subscription | string {
  if (!isObject(item)) return 'not a map'
  const eventType = item['eventType'] ?? item['event_type']
  if (eventType === undefined || typeof eventType !== 'string') return 'event-type not found'
  if (eventType === '') return 'event-type empty'
  const problem = patternProblem(eventType)
  if (problem !== undefined) return problem
  const oneOf = item['oneOf'] ?? item['one_of'] ?? item['constraints'] ?? []
  if (!Array.isArray(oneOf)) return 'constraints expected to be a list of disjunctive clauses'
  const constraints: Constraint[] = []
  for (const clause of oneOf as readonly unknown[]) {
    const constraint = parseConstraint(clause, eventType, rules, room)
    if (typeof constraint === 'string') return constraint
    constraints.push(constraint)
  }
  const state = item['state'] ?? false
  if (typeof state !== 'boolean') return 'state expected to be true or false'
  const wanted = { eventType, oneOf: constraints, ...(state ? { state } : {}) }
  const restricted = restrictToClaims(wanted, rules.extractors, rules.claims)
  if (typeof restricted === 'string') return restricted
  // A long claim is added to each clause, of which a body may have hundreds of thousands.
  for (const [n, constraint] of restricted.oneOf.entries()) {
    const asked = constraints[n] ?? {}
    if (constraint !== asked) room.chars -= JSON.stringify(constraint).length - JSON.stringify(asked).length
    if (room.chars < 0) return TOO_LONG
  }
  return restricted
}

function parseConstraint(
  clause: unknown,
  eventType: string,
  rules: SubscriptionRules,
  room: Room,
): Constraint | string {
  if (!isObject(clause)) return 'a disjunctive clause expected to be a conjunction represented by a map'
  if (Object.keys(clause).some((name) => name === ''))
    return 'conjunctive clauses expected to be a map with nonempty strings as keys'
  const fields = new Set(fieldsOf(rules.extractors, eventType).map(({ name }) => name))
  const constraint: Record<string, Condition> = {}
  for (const [name, condition] of Object.entries(clause)) {
    const parsed = parseCondition(condition)
    if (!parsed.ok) return parsed.reason
    room.chars -= JSON.stringify(parsed.value).length
    if (room.chars < 0) return TOO_LONG
    if (fields.has(name)) constraint[name] = parsed.value
    // RIG drops it, which silently makes the subscription wider. Rigel says so instead.
    else if (rules.widenUnknown !== true)
      return `unknown field "${name}": EXTRACTORS names no such field for events of type ${eventType}`
  }
  return constraint
}

/** Fails with RIG's text for subscriptions that cannot be. */
export function invalidSubscriptions(message: string): Result<never, RigelError> {
  return fail({ kind: 'invalid_subscriptions', message: `could not parse subscriptions: ${message}` })
}
