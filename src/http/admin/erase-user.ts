// DELETE /_rig/api/v1/users/{user}: closes the user's connections, erases the user's data in Rigel, and returns which
// data it could not erase. Called by admin-api.ts.
import type { Context } from 'hono'
import * as z from 'zod'
import { valuesOf } from '../../core/delivery/scatter-gather.ts'
import { broadcastCommand } from '../../rpc/shard.ts'
import { errorResponse } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'
import { remainingOf } from './erasure-report.ts'
import { allShards, listConnections, revokeSession, type AppContext } from './operations.ts'

/** Sessions of one user that are revoked in one request. */
const MAX_SESSIONS = 1_000
const MAX_REVOKE_SECONDS = 31_536_000

const query = z.object({ revoke_seconds: z.coerce.number().int().min(1).max(MAX_REVOKE_SECONDS).optional() })

export async function deleteUser(c: Context<HttpEnv>): Promise<Response> {
  const user = c.req.param('user') ?? ''
  const asked = query.safeParse(c.req.query())
  if (!asked.success) {
    const message = `revoke_seconds: must be a whole number from 1 to ${MAX_REVOKE_SECONDS}`
    return errorResponse({ kind: 'bad_request', message })
  }
  const context: AppContext = { env: c.env, config: c.var.config }
  const { closed: killed, sessions } = await revokeSessions(context, user, asked.data.revoke_seconds)
  // Events for a user may be in another shard than today's: the number of shards may have been changed.
  const answers = await broadcastCommand(c.env, await allShards(c.env), { kind: 'erase_user', user })
  const total = { closed: killed, erased: 0, shared: 0 }
  for (const { closed, erased, shared } of valuesOf(answers)) {
    total.closed += closed
    total.erased += erased
    total.shared += shared
  }
  const remaining = remainingOf(context.config, {
    shared: total.shared,
    isRevoked: asked.data.revoke_seconds !== undefined,
  })
  return c.json({
    user,
    closed: total.closed,
    revoked: sessions,
    erased: total.erased,
    shared: total.shared,
    remaining,
  })
}

/** Must run before connections are closed: otherwise clients could reconnect with these sessions' tokens. */
async function revokeSessions(context: AppContext, user: string, seconds: number | undefined) {
  if (seconds === undefined) return { closed: 0, sessions: 0 }
  const found = await sessionsOf(context, user)
  const sessions = [...found].slice(0, MAX_SESSIONS)
  const expiresMs = Date.now() + seconds * 1_000
  const closed = await Promise.all(sessions.map((session) => revokeSession(context, session, expiresMs)))
  return { closed: closed.reduce((sum, count) => sum + count, 0), sessions: sessions.length }
}

async function sessionsOf(context: AppContext, user: string): Promise<ReadonlySet<string>> {
  const sessions = new Set<string>()
  let after: string | null | undefined
  while (after !== null && sessions.size < MAX_SESSIONS) {
    const page = await listConnections(context, { user }, { after, limit: MAX_SESSIONS })
    for (const { item } of page.items) for (const session of item.sessions) sessions.add(session)
    after = page.next
  }
  return sessions
}
