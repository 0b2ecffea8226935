// Checks whether a request may use a route: its token, and the scopes and claims that the route requires. verifyToken also
// refuses tokens of revoked sessions. A revocation does not end requests under way. Called by proxy.ts.
import { scopesOf } from '../../core/rules/type-grant.ts'
import { isSameScalar, toScalar } from '../../core/scalar.ts'
import { parse as parseCookies } from 'hono/utils/cookie'
import { evaluateAll } from '../../core/json-pointer.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { Authentication } from '../../api-definitions/api-route.ts'
import { bearerTokens } from '../request/token-source.ts'
import { isTrustedOrigin } from '../cors.ts'
import type { VerifiedToken } from '../../auth/verify-token.ts'
import type { ProxyDeps } from './proxy-context.ts'

/** A request may have several tokens, and one valid token is enough, like in RIG. */
const MAX_TOKENS = 10

/** Returns null if the route asks for no token. */
export async function authorizeRoute(
  deps: Pick<ProxyDeps, 'config' | 'verifyToken'>,
  request: Request,
  search: string,
  asked: Authentication | null,
): Promise<Result<VerifiedToken | null, RigelError>> {
  if (asked === null) return ok(null)
  let refused: RigelError = { kind: 'authentication_failed' }
  for (const token of tokensOf(deps, request, search, asked).slice(0, MAX_TOKENS)) {
    const verified = await deps.verifyToken(token)
    if (!verified.ok) {
      // If the keys cannot be fetched at the moment, the token may be valid.
      if (verified.reason.kind === 'unavailable') return verified
      continue
    }
    const missing = missingOf(verified.value.claims, asked)
    if (missing === undefined) return verified
    refused = { kind: 'insufficient_scope', missing }
  }
  return fail(refused)
}

function tokensOf(
  { config }: Pick<ProxyDeps, 'config'>,
  request: Request,
  search: string,
  { cookie, header, query }: Authentication,
): readonly string[] {
  const inHeader = header === 'authorization' ? bearerTokens(request) : split(header && request.headers.get(header))
  const inQuery = query === null ? [] : new URLSearchParams(search).getAll(query).flatMap(split)
  const inCookie = cookie === null ? [] : cookieTokens(config, request, cookie)
  return [...inHeader, ...inQuery, ...inCookie]
}

/** A browser sends cookies by itself: they are accepted only on requests that no other site can have caused. */
function cookieTokens(config: ProxyDeps['config'], request: Request, name: string): readonly string[] {
  if (!isTrustedOrigin(config, request) || request.headers.get('sec-fetch-site') === 'cross-site') return []
  return split(parseCookies(request.headers.get('cookie') ?? '', name)[name] ?? null)
}

function split(text: string | null): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((token) => token.trim().replace(/^bearer\s+/i, ''))
    .filter((token) => token !== '')
}

function missingOf(claims: VerifiedToken['claims'], asked: Authentication): string | undefined {
  const has = scopesOf(claims)
  const scope = asked.scopes.find((wanted) => !has.includes(wanted))
  if (scope !== undefined) return `scope ${scope}`
  const rule = asked.claims.find(({ oneOf, pointer }) => {
    const values = evaluateAll(pointer, claims)
      .map(toScalar)
      .filter((value) => value !== undefined)
    return !oneOf.some((allowed) => values.some((value) => isSameScalar(value, allowed)))
  })
  return rule === undefined ? undefined : `claim /${rule.pointer.join('/')}`
}
