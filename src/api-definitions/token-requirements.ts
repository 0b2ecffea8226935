// What a route asks of a token besides that it is one: scopes and claims, the same in both forms of definitions.
import { parsePointer } from '../core/json-pointer.ts'
import type { Authentication, Problem } from './api-route.ts'
import type { RouteOptions } from './route-options.ts'

type Asked = { readonly [Name in 'claims' | 'scopes']?: RouteOptions[Name] | undefined }

export function toRequirements(
  { claims = {}, scopes = [] }: Asked,
  where: string,
  problems: Problem[],
): Pick<Authentication, 'scopes' | 'claims'> {
  const rules = Object.entries(claims).flatMap(([text, allowed]) => {
    const pointer = parsePointer(text)
    if (pointer === undefined) {
      problems.push({ where, field: 'claims', message: `"${text}" must be a JSON pointer such as "/role"` })
      return []
    }
    return [{ pointer, oneOf: Array.isArray(allowed) ? allowed : [allowed] }]
  })
  return { scopes, claims: rules }
}

/** Whoever asks for scopes or claims does not mean a route that is open to all. */
export function openProblems(where: string, secured: boolean | object, { claims, scopes }: Asked): readonly Problem[] {
  if (secured !== false) return []
  const asked = Object.entries({ scopes, claims }).filter(([, value]) => value !== undefined)
  return asked.map(([field]) => ({ where, field, message: 'needs secured: true' }))
}
