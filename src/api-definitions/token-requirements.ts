// Scopes and claims that a route requires of a token. The same in both formats of definitions, whose parsers call this.
import { MAX_DECIMAL_CHARS } from '../core/exact-number.ts'
import { toScalar } from '../core/scalar.ts'
import { parsePointer } from '../core/json-pointer.ts'
import type { Authentication, Problem } from './api-route.ts'
import type { RouteOptions } from './route-options.ts'

type RequirementOptions = { readonly [Name in 'claims' | 'scopes']?: RouteOptions[Name] | undefined }

export function toRequirements(
  { claims = {}, scopes = [] }: RequirementOptions,
  where: string,
  problems: Problem[],
): Pick<Authentication, 'scopes' | 'claims'> {
  const rules = Object.entries(claims).flatMap(([text, allowed]) => {
    const pointer = parsePointer(text)
    if (pointer === undefined) {
      problems.push({ where, field: 'claims', message: `"${text}" must be a JSON pointer such as "/role"` })
      return []
    }
    const oneOf = (Array.isArray(allowed) ? allowed : [allowed]).map(toScalar)
    if (oneOf.every((value) => value !== undefined)) return [{ pointer, oneOf }]
    problems.push({
      where,
      field: 'claims',
      message: `"${text}" has a number of more than ${MAX_DECIMAL_CHARS} digits`,
    })
    return []
  })
  return { scopes, claims: rules }
}

/** Scopes or claims on a route without `secured` are a mistake: nothing would check them. */
export function openProblems(
  where: string,
  secured: boolean | object,
  { claims, scopes }: RequirementOptions,
): readonly Problem[] {
  if (secured !== false) return []
  const asked = Object.entries({ scopes, claims }).filter(([, value]) => value !== undefined)
  return asked.map(([field]) => ({ where, field, message: 'needs secured: true' }))
}
