// The internal API, under /_rig/api, for services: RIG's paths (/v2, /v3). Closed until INTERNAL_TOKEN is set; then
// requests need it as their bearer token. operations.ts does the work, admin-schema.ts validates.
import { logBug } from '../../telemetry/incident-log.ts'
import { decodeUtf8 } from '../../core/text.ts'
import { parseJson } from '../../core/json.ts'
import { routePath } from 'hono/route'
import { Hono, type Context, type Next } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { z } from 'zod'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { readEvents } from '../events/read-events.ts'
import { errorResponse } from '../error-response.ts'
import { fingerprintOf, toAuditEntry } from './audit-entry.ts'
import { writeAudit } from './audit-log.ts'
import { consoleApi } from './console/console-api.ts'
import { discardDeadLetters, listDeadLetters, replayDeadLetters } from './dead-letters/dead-letters.ts'
import { deleteUser } from './erase-user.ts'
import { exactJson } from '../exact-json.ts'
import { getExplanation } from './explain/explain.ts'
import { getFollowers, internalHealth } from './follower-status.ts'
import { apiDefinitionRoutes, getProxiedOpenApi } from './api-definitions.ts'
import { postResponse } from './responses.ts'
import { connectionsQuery, revocation, usersQuery } from './admin-schema.ts'
import { authenticate, shownToken } from './roles.ts'
import { getShards, putShards } from './shards/shards.ts'
import { tryTopic } from './try-topic.ts'
import { publishTrace } from '../request-trace.ts'
import type { HttpEnv } from '../worker-context.ts'
import { sumByUser } from './shard-pages.ts'
import { metrics } from './metrics.ts'
import { openApiDocument } from './openapi/openapi.ts'
import {
  closeConnections,
  countConnections,
  indexProblem,
  isSessionRevoked,
  listConnections,
  listUsers,
  publish,
  revokeSession,
  type ConnectionsQuery,
  type AppContext,
} from './operations.ts'
import { idempotencyKeysOf } from '../events/idempotency.ts'
import { answerPush, toPosition } from '../events/post-push.ts'
import { connectorOf } from '../events/read-push.ts'

export const INTERNAL_PREFIX = '/_rig/api'
const MAX_BODY_BYTES = 65_536

type AdminApiContext = Context<HttpEnv>

export const adminApi = new Hono<HttpEnv>()
  .get('/openapi.json', (c) => c.json(openApiDocument(INTERNAL_PREFIX)))
  .use(authenticate)
  .use(auditRequests)
  .get('/health', internalHealth)
  .get('/metrics', metrics)
  .post('/:version{v2|v3}/messages', postMessages)
  .post('/:version{v2|v3}/session-blacklist', postRevocation)
  .get('/:version{v2|v3}/session-blacklist/:session', async (c) => {
    const isRevoked = await isSessionRevoked(contextOf(c), c.req.param('session'))
    return isRevoked ? c.json({}) : c.text('Not found.', 404)
  })
  .route('/:version{v2|v3}/apis', apiDefinitionRoutes)
  .get('/proxied-openapi.json', getProxiedOpenApi)
  .post('/:version{v2|v3}/responses', postResponse)
  .get('/v3/followers', getFollowers)
  .post('/v1/topics/:topic/try', tryTopic)
  .get('/v1/explain', getExplanation)
  .get('/v1/shards', getShards)
  .put('/v1/shards', putShards)
  .get('/v3/dead-letters', listDeadLetters)
  .post('/v3/dead-letters/replay', replayDeadLetters)
  .post('/v3/dead-letters/discard', discardDeadLetters)
  .delete('/v1/users/:user', deleteUser)
  .route('/v1', consoleApi)
  .get('/v3/users', async (c) => {
    const query = usersQuery.safeParse(c.req.query())
    if (!query.success) return badQuery(query.error.issues)
    const { items, next } = await listUsers(contextOf(c), query.data)
    return c.json({ users: sumByUser(items), next })
  })
  .get('/v3/connections', async (c) => {
    const query = connectionsQuery.safeParse(c.req.query())
    if (!query.success) return badQuery(query.error.issues)
    const whose = toQuery(c, query.data)
    if (!whose.ok) return errorResponse(whose.reason)
    const { items, next } = await listConnections(contextOf(c), whose.value, query.data)
    const shown = items.map(({ item }) => ({ ...item, connectionToken: shownToken(c.var.role, item.connectionToken) }))
    return exactJson(c, { connections: shown, next })
  })
  .get('/v3/connections/count', async (c) => {
    const query = connectionsQuery.safeParse(c.req.query())
    if (!query.success) return badQuery(query.error.issues)
    const whose = toQuery(c, query.data)
    return whose.ok ? c.json(await countConnections(contextOf(c), whose.value)) : errorResponse(whose.reason)
  })
  .delete('/v3/connections', async (c) => {
    const query = connectionsQuery.safeParse(c.req.query())
    if (!query.success) return badQuery(query.error.issues)
    const whose = toQuery(c, query.data)
    if (!whose.ok) return errorResponse(whose.reason)
    const { user, session, metadata } = whose.value
    if (user === undefined && session === undefined && metadata === undefined)
      return errorResponse({
        kind: 'bad_request',
        message: 'Name whose connections to close: ?user=, ?session=, or ?field= and ?value=',
      })
    return c.json({ closed: await closeConnections(contextOf(c), whose.value) })
  })
  .delete('/v3/connections/:token', async (c) => {
    const closed = await closeConnections(contextOf(c), { connectionToken: c.req.param('token') })
    return closed === 0 ? errorResponse({ kind: 'connection_gone' }) : c.json({ closed })
  })
  .all('*', (c) => c.json({ message: 'Not Found' }, 404))
  .onError((error, c) => {
    if (error instanceof HTTPException) return error.getResponse()
    logBug('a request failed', { method: c.req.method, route: routePath(c) }, error)
    c.var.metrics.failed('worker', String(error))
    return c.text('Internal Server Error', 500)
  })

/** After the request: its answer is a part of the entry. */
async function auditRequests(c: AdminApiContext, next: Next): Promise<void> {
  await next()
  const path = c.req.path.slice(INTERNAL_PREFIX.length)
  const answer = { status: c.res.status, location: c.res.headers.get('location'), changed: c.get('changed') }
  const token = (c.req.header('authorization') ?? '').replace(/^bearer +/i, '')
  const entry = toAuditEntry(c.req.raw, path, answer, await fingerprintOf(token))
  if (entry !== undefined) c.executionCtx.waitUntil(writeAudit(c.env, c.var.config, entry))
}

/** A field without an index finds nothing, which would look like no connections. */
function toQuery(c: AdminApiContext, asked: z.infer<typeof connectionsQuery>): Result<ConnectionsQuery, RigelError> {
  const { field, session, user, value } = asked
  if (field === undefined || value === undefined) return ok({ user, session })
  const query = { user, session, metadata: { field, value } }
  const message = indexProblem(c.var.config, query)
  return message === undefined ? ok(query) : fail({ kind: 'bad_request', message })
}

async function postMessages(c: AdminApiContext): Promise<Response> {
  const connector = connectorOf(c.req.raw)
  if (!connector.ok) return errorResponse(connector.reason)
  if (connector.value !== null) return answerPush(c, { publisher: 'internal API', ...connector.value })
  const posted = await readEvents(c.var.bodies, c.req.raw, c.var.config.maxEventBytes)
  if (!posted.ok) return errorResponse(posted.reason)
  const keys = await idempotencyKeysOf(c.req.raw, 'internal API', posted.value.events)
  if (!keys.ok) return errorResponse(keys.reason)
  const produced = await publish({ ...contextOf(c), trace: publishTrace(c) }, posted.value.events, keys.value)
  if (!produced.ok) return errorResponse(produced.reason)
  const places = produced.value.map(toPosition)
  return c.json(posted.value.mode === 'batched' ? places : places[0], 202)
}

async function postRevocation(c: AdminApiContext): Promise<Response> {
  const body = await c.var.bodies.read(c.req.raw, MAX_BODY_BYTES)
  if (!body.ok) return errorResponse(body.reason)
  const parsed = revocation.safeParse(parseJson(decodeUtf8(body.value) ?? ''))
  if (!parsed.success) return errorResponse({ kind: 'bad_request', message: messageOf(parsed.error.issues) })
  const { sessionId, validityInSeconds } = parsed.data
  await revokeSession(contextOf(c), sessionId, Math.round(Date.now() + validityInSeconds * 1_000))
  const location = `${INTERNAL_PREFIX}/${c.req.param('version')}/session-blacklist/${encodeURIComponent(sessionId)}`
  return c.json({}, 201, { location, 'access-control-allow-origin': '*' })
}

function contextOf(c: AdminApiContext): AppContext {
  return { env: c.env, config: c.var.config }
}

function badQuery(issues: Parameters<typeof messageOf>[0]): Response {
  return errorResponse({ kind: 'bad_request', message: messageOf(issues) })
}

function messageOf(issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[]): string {
  const [first] = issues
  if (first === undefined) return 'Bad request.'
  if (first.path.length === 0) return 'Expected a JSON object.'
  return first.message.startsWith('Missing') || first.message.startsWith('Expected')
    ? first.message
    : `${first.path.map(String).join('.')}: ${first.message}`
}
