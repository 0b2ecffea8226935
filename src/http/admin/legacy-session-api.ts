// RIG 1.x's session API, /rg/sessions and /rg/connections, if PHOENIX_LEGACY_PATHS is set: lists and ends connections, with a
// token whose claim `scopes.rg.actions` names the action. RIG checked the token after the action; here it is checked first.
import { stringifyScalars } from '../../core/scalar.ts'
import type { Context } from 'hono'
import * as z from 'zod'
import { corsHeaders } from '../cors.ts'
import type { HttpEnv } from '../worker-context.ts'
import { listConnections, listUsers, revokeSession, type AppContext, type PageQuery } from './operations.ts'

type Action = 'getSessions' | 'getSessionConnections' | 'deleteConnection'

const MAX_LISTED = 10_000
/** RIG's default for a caller's token without expiry. Verified tokens always have one. */
const HOUR_MS = 3_600_000

const claimsSchema = z.object({ scopes: z.object({ rg: z.object({ actions: z.array(z.string()) }) }) })

/** The names of the users that are connected. RIG's answer has no place for a cursor: it is in the header `link`. */
export async function getSessions(c: Context<HttpEnv>): Promise<Response> {
  const allowed = await allows(c, 'getSessions')
  if (allowed === undefined) return unauthorized(c)
  const { items, next } = await listUsers(contextOf(c), pageOf(c))
  return answer(c, [...new Set(items.map(({ key }) => key))], next)
}

/** The connections of one user, one object each. */
export async function getSessionConnections(c: Context<HttpEnv>): Promise<Response> {
  const allowed = await allows(c, 'getSessionConnections')
  if (allowed === undefined) return unauthorized(c)
  const { items, next } = await listConnections(contextOf(c), { user: c.req.param('user') ?? '' }, pageOf(c))
  const connections = items.map(({ item: { metadata, openedAtMs, sessions, transport, user } }) => {
    return { ...metadata, username: user, jti: sessions[0] ?? null, time: openedAtMs, transport }
  })
  return answer(c, connections, next)
}

/** Revokes the session until the caller's own token expires. */
export async function deleteConnection(c: Context<HttpEnv>): Promise<Response> {
  const allowed = await allows(c, 'deleteConnection')
  if (allowed === undefined) return unauthorized(c)
  const expiresMs = allowed.expSeconds === null ? Date.now() + HOUR_MS : allowed.expSeconds * 1_000
  await revokeSession(contextOf(c), c.req.param('jti') ?? '', expiresMs)
  return new Response(null, { status: 204, headers: corsHeaders(c.var.config, c.req.raw) })
}

function pageOf(c: Context<HttpEnv>): PageQuery {
  return { after: c.req.query('after'), limit: MAX_LISTED }
}

/** Returns undefined if there is no token that allows the action. RIG 1.x also accepted a token without `Bearer`. */
async function allows(
  c: Context<HttpEnv>,
  action: Action,
): Promise<{ readonly expSeconds: number | null } | undefined> {
  const token = c.req.header('authorization')?.replace(/^bearer\s+/i, '')
  if (token === undefined) return undefined
  const verified = await c.var.verifyToken(token)
  if (!verified.ok) return undefined
  const claims = claimsSchema.safeParse(verified.value.claims)
  return claims.success && claims.data.scopes.rg.actions.includes(action) ? verified.value.principal : undefined
}

function unauthorized(c: Context<HttpEnv>): Response {
  return c.json({ msg: 'Unauthorized' }, 403, corsHeaders(c.var.config, c.req.raw))
}

function answer(c: Context<HttpEnv>, body: readonly unknown[], next: string | null): Response {
  const headers = {
    'content-type': 'application/json',
    ...(next === null ? {} : { link: `<?after=${encodeURIComponent(next)}>; rel="next"` }),
    ...corsHeaders(c.var.config, c.req.raw),
  }
  return c.body(stringifyScalars(body), 200, headers)
}

function contextOf(c: Context<HttpEnv>): AppContext {
  return { env: c.env, config: c.var.config }
}
