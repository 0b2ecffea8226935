// Routes that no request can reach, and options without an effect. A new definition with them is refused. One that was stored before
// there was a rule is served: without it, its API would be missing after an upgrade. Called by parse-definitions.ts.
import type { Problem, Route } from './api-route.ts'
import { hasHiddenDotSegments, readingsOf, toRequestPath } from './request-path.ts'

/** The methods that workerd knows: it answers others with 501 before Rigel sees them. It cannot send CONNECT and TRACE. */
const METHODS = new Set(
  (
    '* ACL BAN CHECKOUT COPY DELETE GET HEAD LOCK MERGE MKACTIVITY MKCOL MOVE MSEARCH NOTIFY OPTIONS PATCH POST ' +
    'PROPFIND PROPPATCH PURGE PUT QUERY REPORT SEARCH SUBSCRIBE UNLOCK UNSUBSCRIBE'
  ).split(' '),
)

/** `upgrade` would make each request one for a WebSocket; the runtime ignores the others. */
const OF_A_CONNECTION = new Set('connection content-length keep-alive te trailer transfer-encoding upgrade'.split(' '))

export function findUseless(route: Route): readonly Problem[] {
  const where = `${route.api}/${route.id}`
  const problems: Problem[] = []
  const add = (field: string, message: string): void => void problems.push({ where, field, message })
  const { authentication, pattern, policy, requestHeaders } = route
  if (!METHODS.has(route.method)) add('method', 'must be a method that a Worker can send, such as GET, or *')
  const literals = pattern.shape.map((segment) => (typeof segment === 'object' ? segment.literal : 'x'))
  if (literals.some((literal) => literal.includes('\\'))) add('path', 'must have no "\\": in a URL it is "/"')
  else if (hasDotSegments(literals)) add('path', 'must have no segment "." or "..", escaped or not: they are resolved')
  const places = authentication && (authentication.header ?? authentication.query ?? authentication.cookie)
  if (authentication !== null && places === null) add('secured', 'must name a header, a query parameter or a cookie')
  if (typeof policy.host === 'object' && !URL.canParse(`http://${policy.host.name}`))
    add('host', 'must be the name of a host, and a port up to 65535')
  for (const [name] of requestHeaders.set) {
    if (OF_A_CONNECTION.has(name)) add(`request_headers.${name}`, 'is set by the runtime for each connection')
  }
  return problems
}

/** Clients resolve such segments, and Rigel refuses paths in which a service could resolve them. */
function hasDotSegments(segments: readonly string[]): boolean {
  const readings = readingsOf(toRequestPath(`/${segments.join('/')}`))
  return readings === undefined || hasHiddenDotSegments(readings)
}
