// An operation of an OpenAPI document that cannot be a route, such as `GET /books/{id}.json`, leaves its requests to another route,
// here `/books/{id}`: that route needs the operation's security, too. Pure. Used by import-openapi.ts.
import type { JsonObject } from '../../core/json.ts'
import { toLiteral } from '../path-pattern.ts'

/** A segment of a template that is a parameter. */
export const PARAMETER = /^\{([^{}]+)\}$/

export interface ImportedOperation {
  /** Method and path as the document has them. */
  readonly where: string
  /** `*` where the document does not say which. */
  readonly method: string
  readonly template: string
  readonly options: JsonObject
  /** False if no route can have its path, or if the document does not have the operation itself. */
  readonly isRoute: boolean
}

/**
 * Returns the routes, each with the security of the operations in `others` whose requests it may get, and lists them in `unmapped`. A
 * route that comes after one that gets all of these requests, such as `/{kind}/{id}` after `/books/{id}`, gets none.
 */
export function securedFor(
  others: readonly ImportedOperation[],
  routes: readonly ImportedOperation[],
  unmapped: string[],
): readonly ImportedOperation[] {
  const needs = others.map((other) => ({ ...other, shareOf: matcherOf(other.template), taken: new Set<string>() }))
  return routes.map((route) => {
    let { options } = route
    for (const { method, options: needed, shareOf, taken, where } of needs) {
      const isMethod = method === '*' || method === route.method || (method === 'GET' && route.method === 'HEAD')
      const share = isMethod && !taken.has(route.method) ? shareOf(route.template) : 'none'
      if (share === 'all') taken.add(route.method)
      const scopes = [...new Set([...scopesOf(options), ...scopesOf(needed)])]
      const isEnough = options['secured'] === true && scopes.length === scopesOf(options).length
      if (share === 'none' || isEnough) continue
      unmapped.push(`${route.where}: may get requests for ${where}, so it needs the security of both`)
      options = { ...options, secured: true, ...(scopes.length === 0 ? {} : { scopes }) }
    }
    return { ...route, options }
  })
}

function scopesOf({ scopes }: JsonObject): readonly unknown[] {
  return Array.isArray(scopes) ? scopes : []
}

/**
 * Returns a function that says how many of the requests for `path`, a path of the document, a route's template matches. Requests that
 * fit a more concrete template of the document as well, here the route's, are not counted: they are not for `path`.
 */
function matcherOf(path: string): (template: string) => 'all' | 'some' | 'none' {
  const segments = segmentsOf(path.replace(/[?#].*/, '')).map((segment) => {
    const [first = '', ...others] = segment.split(/\{[^}]*\}|[*{}]/)
    const [start, end] = [toLiteral(first), toLiteral(others.at(-1) ?? '')]
    return { text: others.length === 0 ? start : null, start: start.folded, end: end.folded }
  })
  const hasRest = /\*[^/]*$/.test(path)
  return (template) => {
    const given = segmentsOf(template)
    if (hasRest ? given.length < segments.length : given.length !== segments.length) return 'none'
    let isAll = !hasRest
    let [isWider, isNarrower] = [false, false]
    for (const [index, { end, start, text }] of segments.entries()) {
      const written = given[index] ?? ''
      if (PARAMETER.test(written)) {
        isWider ||= text !== null || start !== '' || end !== ''
        continue
      }
      const { folded, literal } = toLiteral(written)
      if (text === null ? !folded.startsWith(start) || !folded.endsWith(end) : folded !== start) return 'none'
      isAll &&= literal === text?.literal
      isNarrower ||= text === null
    }
    if (isNarrower && !isWider) return 'none'
    return isAll ? 'all' : 'some'
  }
}

function segmentsOf(path: string): readonly string[] {
  return path.replace(/^\//, '').split('/')
}
