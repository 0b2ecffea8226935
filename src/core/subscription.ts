// Subscriptions, in RIG's shape: an event type and constraints (`oneOf`: any of these; members of one: all of them).
// Parsing with RIG's aliases and validation texts, and inferring subscriptions from a token's claims.
import { evaluatePointer } from './json-pointer.ts'
import { fail, ok, type Result } from './result.ts'
import type { Reason } from './reasons.ts'
import type { Scalar } from './event.ts'
import type { Extractors } from './extractors.ts'

/** Field name → the value it must have. `null` matches anything, as in RIG. */
export type Constraint = Readonly<Record<string, Scalar>>

export interface Subscription {
  readonly eventType: string
  /** An event passes if it meets any of these; none: every event of the type passes. */
  readonly oneOf: readonly Constraint[]
}

export interface SubscriptionRules {
  /** How many subscriptions one connection may have. */
  readonly limit: number
  readonly extractors: Extractors
}

/** An array of unknown things → subscriptions, duplicates removed. Errors carry RIG's texts. */
export function parseSubscriptions(input: unknown, rules: SubscriptionRules): Result<readonly Subscription[], Reason> {
  if (!Array.isArray(input)) {
    return invalid(
      `could not decode subscriptions: subscriptions is expected to be a JSON encoded list when parsing JSON: ${show(input)}`,
    )
  }
  if (input.length > rules.limit) return fail({ kind: 'too_many_subscriptions', limit: rules.limit, got: input.length })
  const unique = new Map<string, Subscription>()
  for (const item of input as readonly unknown[]) {
    const parsed = parseSubscription(item, rules.extractors)
    if (typeof parsed === 'string') {
      return invalid(
        `could not parse subscription from JSON: invalid subscription: ${parsed} when parsing ${show(item)}`,
      )
    }
    unique.set(JSON.stringify(parsed), parsed)
  }
  return ok([...unique.values()])
}

/** Both sets as one, duplicates removed. */
export function mergeSubscriptions(...sets: readonly (readonly Subscription[])[]): readonly Subscription[] {
  return [...new Map(sets.flat().map((subscription) => [JSON.stringify(subscription), subscription])).values()]
}

/** RIG's automatic subscriptions: for each event type, the fields whose claim the token has, as one conjunction. */
export function inferSubscriptions(
  extractors: Extractors,
  claims: Readonly<Record<string, unknown>>,
): readonly Subscription[] {
  const inferred: Subscription[] = []
  for (const [eventType, fields] of extractors) {
    const constraint: Record<string, Scalar> = {}
    for (const { name, claim } of fields) {
      const value = claim === undefined ? undefined : evaluatePointer(claim, claims)
      if (isScalar(value) && value !== null) constraint[name] = value
    }
    if (Object.keys(constraint).length > 0) inferred.push({ eventType, oneOf: [constraint] })
  }
  return inferred
}

function isScalar(value: unknown): value is Scalar {
  return value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

function parseSubscription(item: unknown, extractors: Extractors): Subscription | string {
  if (!isObject(item)) return 'not a map'
  const eventType = item['eventType'] ?? item['event_type']
  if (eventType === undefined || typeof eventType !== 'string') return 'event-type not found'
  if (eventType === '') return 'event-type empty'
  const oneOf = item['oneOf'] ?? item['one_of'] ?? item['constraints'] ?? []
  if (!Array.isArray(oneOf)) return 'constraints expected to be a list of disjunctive clauses'
  const fields = new Set(extractors.get(eventType)?.map(({ name }) => name))
  for (const constraint of oneOf as readonly unknown[]) {
    if (!isObject(constraint)) return 'a disjunctive clause expected to be a conjunction represented by a map'
    if (Object.keys(constraint).some((name) => name === ''))
      return 'conjunctive clauses expected to be a map with nonempty strings as keys'
    if (!Object.values(constraint).every(isScalar)) return 'constraint values expected to be JSON scalars'
    // RIG ignores a field it does not know, which silently makes the subscription wider. Rigel says so instead.
    const unknown = Object.keys(constraint).find((name) => !fields.has(name))
    if (unknown !== undefined)
      return `unknown field "${unknown}": EXTRACTORS names no such field for events of type ${eventType}`
  }
  return { eventType, oneOf: oneOf as readonly Constraint[] }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string): Result<never, Reason> {
  return fail({ kind: 'invalid_subscriptions', message: `could not parse subscriptions: ${message}` })
}

/** The offending value, short enough for an error text. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
