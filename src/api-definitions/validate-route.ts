// What a route may not be although its fields are well-formed: it refers to what is not there, or asks for what cannot be.
import type { Problem, Route, DefinitionEnv } from './api-route.ts'

export function checkRoute(route: Route, surroundings: DefinitionEnv): readonly Problem[] {
  const where = `${route.api}/${route.id}`
  const problems: Problem[] = []
  const add = (field: string, message: string): void => void problems.push({ where, field, message })
  const { authentication, policy } = route
  const { rateLimit } = policy
  if (rateLimit !== null && !surroundings.hasRateLimit(rateLimit.binding)) {
    add('rate_limit', `names the ratelimits binding ${rateLimit.binding}, which wrangler.toml has not`)
  }
  if (rateLimit?.by.includes('user') && authentication === null) add('rate_limit', 'by user needs secured: true')
  if (policy.forwardClaims !== 'none' && authentication === null) add('forward_claims', 'needs secured: true')
  if (policy.forwardClaims === 'signed' && !surroundings.canSignClaims) {
    add('forward_claims', 'signed needs the variable PROXY_CLAIMS_SECRET')
  }
  // What a Worker sends as Host is where it connects to: by a client's wish it must not.
  const { target } = route
  if (policy.host === 'client' && target.kind === 'http' && target.upstreams.some(({ service }) => service === null)) {
    add('host', 'client is for service bindings; other services find it in x-forwarded-host')
  }
  if (policy.cache && authentication !== null)
    add('cache', 'must be false where secured is true: answers would be shared')
  if (policy.cache && route.method !== 'GET') add('cache', 'is for the method GET only')
  return problems
}
