// Which headers of a client never reach the service of a route. For headers.ts.
import { canonicalName, createMatcher, isRemoved } from '../../../api-definitions/caller-headers.ts'
import type { Route } from '../../../api-definitions/api-route.ts'

/** The parts of a route that decide about a client's headers. */
export type HeaderRoute = Pick<Route, 'authentication' | 'policy' | 'requestHeaders'>

/** Standard names. A second header whose name CGI, WSGI, Rack and PHP treat as the same is removed. */
const STANDARD = ['accept-*', 'access-control-*', 'cf-*', 'content-*', 'if-*', 'sec-*', 'transfer-*', 'user-agent']
const isStandard = createMatcher(STANDARD)

/** `compare`: kept unless the request or the route has the name in another spelling. */
type NameRule = 'remove' | 'keep' | 'compare'

/** So that the rule of a name is found once. Bounded, because clients make up names. */
const ruleByName = new Map<string, NameRule>()
const MAX_NAMES = 2_000
/** The rules of longer names are not kept: one may have as many kilobytes as the runtime takes headers. */
const MAX_NAME_CHARS = 100

/** `name` is in lower case. */
export function isDropped(name: string, incoming: ReadonlyMap<string, string>, route: HeaderRoute): boolean {
  const rule = ruleByName.get(name) ?? ruleOf(name)
  if (rule === 'keep') return false
  const { clientHeaders } = route.policy
  if (rule === 'remove') return !clientHeaders.includes(name)
  const canonical = canonicalName(name)
  const isSame = (other: string): boolean => canonicalName(other) === canonical
  const { remove, set } = route.requestHeaders
  const tokenHeader = route.authentication?.header ?? null
  return (
    incoming.has(canonical) ||
    (tokenHeader !== null && isSame(tokenHeader)) ||
    set.some(([other]) => isSame(other)) ||
    remove.some(isSame)
  )
}

function ruleOf(name: string): NameRule {
  const canonical = canonicalName(name)
  const isOwn = canonical === name
  const rule = isRemoved(canonical) || (!isOwn && isStandard(canonical)) ? 'remove' : isOwn ? 'keep' : 'compare'
  if (name.length > MAX_NAME_CHARS) return rule
  if (ruleByName.size >= MAX_NAMES) ruleByName.clear()
  ruleByName.set(name, rule)
  return rule
}
