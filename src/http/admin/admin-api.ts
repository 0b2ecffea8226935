// The internal API, under /_rig/api: RIG's paths (/v2, /v3), for services. Closed until INTERNAL_TOKEN is set, and then
// for whoever has it as a bearer token. Its verbs are operations.ts's, what crosses it internal-schema.ts's.
import { decodeUtf8 } from '../../core/text.ts'
import { parseJson } from '../../core/json.ts'
import { Hono, type Context } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { HTTPException } from 'hono/http-exception'
import { timingSafeEqual } from 'hono/utils/buffer'
import type { z } from 'zod'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { readRequestBody } from '../read-request-body.ts'
import { readEvents } from '../events/read-events.ts'
import { errorResponse } from '../error-response.ts'
import { getFollowers, internalHealth } from './follower-status.ts'
import { apiDefinitionRoutes } from './api-definitions.ts'
import { postResponse } from './responses.ts'
import { connectionsQuery, revocation } from './admin-schema.ts'
import type { HttpEnv } from '../worker-context.ts'
import { metrics } from './metrics.ts'
import { openApiDocument } from './openapi.ts'
import {
  closeConnections,
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

type Ctx = Context<HttpEnv>

/** Compares digests: neither the length nor the content of the token shows in the time that it takes. */
export const adminApi = new Hono<HttpEnv>()
  .get('/openapi.json', (c) => c.json(openApiDocument(INTERNAL_PREFIX)))
  .use(async (c, next) => {
    const expected = c.var.config.internalToken
    if (expected === null) return c.text('The internal API is closed: set INTERNAL_TOKEN to open it.', 403)
    return bearerAuth<HttpEnv>({ verifyToken: (token) => timingSafeEqual(token, expected) })(c, next)
  })
  .get('/health', internalHealth)
  .get('/metrics', metrics)
  .post('/:version{v2|v3}/messages', postMessages)
  .post('/:version{v2|v3}/session-blacklist', postRevocation)
  .get('/:version{v2|v3}/session-blacklist/:session', async (c) => {
    const isRevoked = await isSessionRevoked(gatewayOf(c), c.req.param('session'))
    return isRevoked ? c.json({}) : c.text('Not found.', 404)
  })
  .route('/:version{v2|v3}/apis', apiDefinitionRoutes)
  .post('/:version{v2|v3}/responses', postResponse)
  .get('/v3/followers', getFollowers)
  .get('/v3/users', async (c) => c.json({ users: await listUsers(gatewayOf(c)) }))
  .get('/v3/connections', async (c) => {
    const query = connectionsQuery.safeParse(c.req.query())
    if (!query.success) return badQuery(query.error.issues)
    const whose = toQuery(c, query.data)
    if (!whose.ok) return errorResponse(whose.reason)
    return c.json({ connections: await listConnections(gatewayOf(c), whose.value, query.data.limit) })
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
    return c.json({ closed: await closeConnections(gatewayOf(c), whose.value) })
  })
  .delete('/v3/connections/:token', async (c) => {
    const closed = await closeConnections(gatewayOf(c), { connectionToken: c.req.param('token') })
    return closed === 0 ? errorResponse({ kind: 'connection_gone' }) : c.json({ closed })
  })
  .all('*', (c) => c.json({ message: 'Not Found' }, 404))
  .onError((error, c) => {
    if (error instanceof HTTPException) return error.getResponse()
    console.error(`${c.req.method} ${c.req.path}`, error)
    return c.text('Internal Server Error', 500)
  })

/** A field that is not indexed finds nothing, which would look like nobody. */
function toQuery(c: Ctx, asked: z.infer<typeof connectionsQuery>): Result<ConnectionsQuery, RigelError> {
  const { field, session, user, value } = asked
  if (field === undefined || value === undefined) return ok({ user, session })
  const indexes = c.var.config.connections.metadataIndexes
  if (indexes.includes(field)) return ok({ user, session, metadata: { field, value } })
  const message = `"${field}" is not indexed: METADATA_INDEXES names ${indexes.join(', ') || 'none'}`
  return fail({ kind: 'bad_request', message })
}

async function postMessages(c: Ctx): Promise<Response> {
  const connector = connectorOf(c.req.raw)
  if (!connector.ok) return errorResponse(connector.reason)
  if (connector.value !== null) return answerPush(c, { publisher: 'internal API', ...connector.value })
  const posted = await readEvents(c.req.raw, c.var.config.maxEventBytes)
  if (!posted.ok) return errorResponse(posted.reason)
  const keys = await idempotencyKeysOf(c.req.raw, 'internal API', posted.value.events)
  if (!keys.ok) return errorResponse(keys.reason)
  const produced = await publish(gatewayOf(c), posted.value.events, keys.value)
  if (!produced.ok) return errorResponse(produced.reason)
  const places = produced.value.map(toPosition)
  return c.json(posted.value.mode === 'batched' ? places : places[0], 202)
}

async function postRevocation(c: Ctx): Promise<Response> {
  const body = await readRequestBody(c.req.raw, MAX_BODY_BYTES)
  if (!body.ok) return errorResponse(body.reason)
  const parsed = revocation.safeParse(parseJson(decodeUtf8(body.value) ?? ''))
  if (!parsed.success) return errorResponse({ kind: 'bad_request', message: messageOf(parsed.error.issues) })
  const { sessionId, validityInSeconds } = parsed.data
  await revokeSession(gatewayOf(c), sessionId, Math.round(Date.now() + validityInSeconds * 1_000))
  const location = `${INTERNAL_PREFIX}/${c.req.param('version')}/session-blacklist/${encodeURIComponent(sessionId)}`
  return c.json({}, 201, { location, 'access-control-allow-origin': '*' })
}

function gatewayOf(c: Ctx): AppContext {
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
