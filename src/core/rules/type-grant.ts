// What a token permits by rules per event type: of its claims only what rules can ask for, so that a connection keeps little
// and no token. Pure. Made by the Worker, and by a shard for a token that comes in-band.
import { evaluatePointer, parsePointer, type JsonPointer } from '../json-pointer.ts'
import { isObject } from '../json.ts'
import { fail, ok, type Result } from '../result.ts'
import { claimCondition } from '../subscriptions/claim-restrictions.ts'
import type { Constraint } from '../subscriptions/subscription.ts'

/** What may be restricted. */
export type TypeAction = 'subscribe' | 'history' | 'publish' | 'presence'

const ACTIONS: readonly string[] = ['subscribe', 'history', 'publish', 'presence'] satisfies TypeAction[]

/** What a token permits. Stored with a connection. */
export interface TypeGrant {
  readonly hasToken: boolean
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
  /** JSON pointer of a claim that rules compare → what a field must be. */
  readonly claims: Constraint
  /** Types, or patterns, that the token narrows to, by its claim `rig`; absent: to none. */
  readonly only?: { readonly [Name in TypeAction]?: readonly string[] | undefined }
}

/** What is permitted without a token. */
export const NO_GRANT: TypeGrant = { hasToken: false, roles: [], scopes: [], claims: {} }

/** Returns what the token would permit without its claim `rig`. */
export function withoutNarrowing({ only: _only, ...grant }: TypeGrant): TypeGrant {
  return grant
}

const MAX_PATTERNS = 100
const CLAIM_FORM =
  'the claim rig must be {"subscribe": ["order.*"], "history": [], "publish": []}: lists of types or patterns, all optional'

/** Returns what the claims permit; undefined: there are no rules (`rules` is null), and the token has no claim `rig`. */
export function grantOf(
  rules: { readonly claims: readonly string[] } | null,
  rolesField: JsonPointer,
  claims: Readonly<Record<string, unknown>>,
  hasToken: boolean,
): Result<TypeGrant | undefined, string> {
  const own = claims['rig']
  if (rules === null && own === undefined) return ok(undefined)
  const only = own === undefined ? undefined : parseOnly(own)
  if (own !== undefined && only === undefined) return fail(CLAIM_FORM)
  const conditions: Record<string, Constraint[string]> = {}
  for (const claim of rules?.claims ?? []) {
    const condition = claimCondition(evaluatePointer(parsePointer(claim) ?? [], claims))
    if (condition !== undefined) conditions[claim] = condition
  }
  const roles = textsOf(evaluatePointer(rolesField, claims))
  const grant = { hasToken, roles, scopes: scopesOf(claims), claims: conditions }
  return ok(only === undefined ? grant : { ...grant, only })
}

/** Undefined: it has another shape. A member that is not known would narrow nothing, against what its issuer means. */
function parseOnly(claim: unknown): TypeGrant['only'] {
  if (!isObject(claim)) return undefined
  const isRight = ([name, value]: readonly [string, unknown]) => ACTIONS.includes(name) && isPatternList(value)
  return Object.entries(claim).every(isRight) ? claim : undefined
}

function isPatternList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= MAX_PATTERNS && value.every((one) => typeof one === 'string')
}

/**
 * Returns the scopes of a token. OAuth's `scope` is a text with spaces (RFC 8693, 4.2); issuers also use `scp`, `scopes` and
 * `permissions`, commas and lists.
 */
export function scopesOf(claims: Readonly<Record<string, unknown>>): readonly string[] {
  return ['scope', 'scp', 'scopes', 'permissions'].flatMap((name) => textsOf(claims[name]))
}

function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return value.split(/[\s,]+/).filter((text) => text !== '')
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}
