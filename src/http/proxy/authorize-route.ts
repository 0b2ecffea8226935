// Whether a request may take a route: its token, the scopes and claims that the route asks for, and whether its session
// is revoked (`verifyToken` knows). Running requests are not ended when a session is.
import type { Context } from 'hono'
import { parse as parseCookies } from 'hono/utils/cookie'
import { evaluateAll } from '../../core/json-pointer.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { Authentication } from '../../api-definitions/api-route.ts'
import { bearerTokens } from '../token-source.ts'
import { isTrustedOrigin } from '../cors.ts'
import type { HttpEnv } from '../worker-context.ts'
import type { VerifiedToken } from '../../auth/verify-token.ts'

/** As RIG, several tokens may be given, and one that is valid is enough. */
const MAX_TOKENS = 10

/** Null: the route asks for none. */
export async function authorizeRoute(
  c: Context<HttpEnv>,
  asked: Authentication | null,
): Promise<Result<VerifiedToken | null, RigelError>> {
  if (asked === null) return ok(null)
  let refused: RigelError = { kind: 'authentication_failed' }
  for (const token of tokensOf(c, asked).slice(0, MAX_TOKENS)) {
    const verified = await c.var.verifyToken(token)
    if (!verified.ok) {
      // That the keys, or a registry, cannot be had just now says nothing about the token.
      if (verified.reason.kind === 'unavailable') return verified
      continue
    }
    const missing = missingOf(verified.value.claims, asked)
    if (missing === undefined) return verified
    refused = { kind: 'insufficient_scope', missing }
  }
  return fail(refused)
}

function tokensOf(c: Context<HttpEnv>, { cookie, header, query }: Authentication): readonly string[] {
  const request = c.req.raw
  const inHeader = header === 'authorization' ? bearerTokens(request) : split(header && request.headers.get(header))
  const inQuery = query === null ? [] : new URL(request.url).searchParams.getAll(query).flatMap(split)
  return [...inHeader, ...inQuery, ...cookieTokens(c, cookie)]
}

/** A browser sends cookies by itself: they count only where no other site can have made it. */
function cookieTokens(c: Context<HttpEnv>, name: string | null): readonly string[] {
  if (name === null || !isTrustedOrigin(c.var.config, c.req.raw)) return []
  if (c.req.header('sec-fetch-site') === 'cross-site') return []
  return split(parseCookies(c.req.header('cookie') ?? '', name)[name] ?? null)
}

function split(text: string | null): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((token) => token.trim().replace(/^bearer\s+/i, ''))
    .filter((token) => token !== '')
}

function missingOf(claims: VerifiedToken['claims'], asked: Authentication): string | undefined {
  const has = scopesOf(claims)
  const scope = asked.scopes.find((wanted) => !has.has(wanted))
  if (scope !== undefined) return `scope ${scope}`
  const rule = asked.claims.find(({ oneOf, pointer }) => {
    const values = evaluateAll(pointer, claims)
    return !oneOf.some((allowed) => values.includes(allowed))
  })
  return rule === undefined ? undefined : `claim /${rule.pointer.join('/')}`
}

/** `scope` is OAuth's text of words, `scp` and `scopes` are what others make of it. */
function scopesOf(claims: VerifiedToken['claims']): ReadonlySet<unknown> {
  const values = [claims['scope'], claims['scp'], claims['scopes']]
  return new Set(
    values.flatMap((value) => (typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [])),
  )
}
