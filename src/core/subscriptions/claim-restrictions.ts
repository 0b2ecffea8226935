// Enforced fields: a client may subscribe only within the claims of its tokens. A field that it leaves open gets the claim's
// value, which `rig.subscriptions_set` shows; a subscription beyond the claims is refused.
import { matchesCondition, isOperators, type Condition } from './constraint.ts'
import { toScalar } from '../scalar.ts'
import { fieldsOf, type Extractors, type FieldExtractor } from '../events/extractors.ts'
import { evaluatePointer } from '../json-pointer.ts'
import { covers, isPattern } from '../events/event-type-pattern.ts'
import type { Constraint, Subscription } from './subscription.ts'

type Claims = Readonly<Record<string, unknown>>

/**
 * Returns the condition on a field for a client with this claim: one of a list's items matches. Undefined without the
 * claim.
 */
export function claimCondition(claim: unknown): Condition | undefined {
  if (!Array.isArray(claim)) return toScalar(claim) ?? undefined
  const values = (claim as readonly unknown[]).map(toScalar).filter((value) => value !== undefined && value !== null)
  return values.length === 0 ? undefined : { in: values }
}

/** Returns the subscription, restricted to what the claims permit, or why they permit none of it. */
export function restrictToClaims(
  wanted: Subscription,
  extractors: Extractors,
  claims: Claims | undefined,
): Subscription | string {
  const hidden = hiddenType(wanted.eventType, extractors)
  if (hidden !== undefined)
    return `"${wanted.eventType}" covers ${hidden}, which has enforced fields: subscribe to it by name`
  const enforced = fieldsOf(extractors, wanted.eventType).filter((field) => field.enforced)
  if (enforced.length === 0) return wanted
  if (claims === undefined)
    return `${wanted.eventType} has enforced fields: give its subscriptions when connecting, or by PUT, with a token`
  let constraints: readonly Constraint[] = wanted.oneOf.length === 0 ? [{}] : wanted.oneOf
  for (const field of enforced) {
    const own = claimCondition(field.claim === undefined ? undefined : evaluatePointer(field.claim, claims))
    if (own === undefined) return `the token has no claim for the enforced field "${field.name}"`
    const within = constraints.map((constraint) => hold(constraint, field, own))
    const refused = within.find((result) => typeof result === 'string')
    if (refused !== undefined) return refused
    constraints = within as readonly Constraint[]
  }
  return { ...wanted, oneOf: constraints }
}

/** A pattern sees types whose fields it does not know. */
function hiddenType(eventType: string, extractors: Extractors): string | undefined {
  if (!isPattern(eventType)) return undefined
  return [...extractors].find(
    ([type, fields]) => type !== eventType && covers(eventType, type) && fields.some(({ enforced }) => enforced),
  )?.[0]
}

function hold(constraint: Constraint, { name }: FieldExtractor, own: Condition): Constraint | string {
  const wanted = constraint[name] ?? null
  if (wanted === null) return { ...constraint, [name]: own }
  const values = isOperators(wanted) ? wanted.in : [wanted]
  const isWithin = values?.every((value) => matchesCondition(own, value)) === true
  return isWithin ? constraint : `the field "${name}" is enforced: it must be within the token's claim`
}
