// The rate limit of a route, by the platform's binding, which counts per Cloudflare location and only approximately: enough
// against floods of requests. wrangler.toml has limit and period. Called by proxy.ts.
import { clientKey } from '../request/client-key.ts'
import type { RateLimit as Limit, Route } from '../../api-definitions/api-route.ts'

export interface RateLimitClient {
  readonly address: string | null
  readonly user: string | null
}

/**
 * Limits by address and route apply before the token is verified; limits by user after it. Endpoints of several versions may
 * have one id: each version has a count of its own, the same by `/v2/…` and by `accept-version`.
 */
export async function isOverLimit(
  env: object,
  { api, definedIn, id, policy: { rateLimit } }: Route,
  client: RateLimitClient,
  phase: 'before_token' | 'after_token',
): Promise<boolean> {
  if (rateLimit === null) return false
  // A definition that names a missing binding was refused.
  const binding = (env as Readonly<Record<string, RateLimit | undefined>>)[rateLimit.binding]
  const endpoint = definedIn === null ? id : `${id}@${definedIn}`
  for (const by of rateLimit.by.filter((of) => (of === 'user') === (phase === 'after_token'))) {
    const key = rateLimitKey(by, client)
    if (key === null || binding === undefined) continue
    if (!(await binding.limit({ key: `${api}/${endpoint}:${by}:${key}` })).success) return true
  }
  return false
}

function rateLimitKey(by: Limit['by'][number], { address, user }: RateLimitClient): string | null {
  if (by === 'route') return ''
  return by === 'address' ? address && clientKey(address) : user
}
