// The route table of the Worker, matched from top to bottom; one handler a file. index.ts calls `handle`. No middleware
// writes headers: the responses of sse and ws come from a shard and are immutable.
import { routePath } from 'hono/route'
import { Hono } from 'hono'
import { logBug, logIncident } from '../telemetry/incident-log.ts'
import { TRANSPORTS } from '../core/identity/principal.ts'
import { wakeFollowers } from './wake-followers.ts'
import { credentialedCorsHeaders, preflight, type Preflight } from './cors.ts'
import { giveConsoleToken } from './dev/console-token.ts'
import { produceSampleEvents } from './dev/dev-feed.ts'
import { makeDevToken } from './dev/dev-token.ts'
import { serveConsole, servePage } from './dev/page.ts'
import { postEvents } from './events/post-events.ts'
import { answerHandshake, isHandshake } from './events/webhook-handshake.ts'
import { jsonErrorResponse } from './error-response.ts'
import { health, misconfigured, requireConfig } from './require-config.ts'
import {
  createRequestContext,
  workerContext,
  type HandlerContext,
  type HttpEnv,
  type WorkerContext,
} from './worker-context.ts'
import type { WorkerMetrics } from './worker-metrics.ts'
import { kafkaRest } from './kafka-rest/kafka-rest.ts'
import { INTERNAL_PREFIX, adminApi } from './admin/admin-api.ts'
import { getHistory } from './connections/get-history.ts'
import { inTurn } from './connections/authorize-connection.ts'
import { longpoll } from './connections/longpoll.ts'
import { putPassed } from './connections/put-passed.ts'
import { putMetadata } from './connections/put-metadata.ts'
import { ifLegacy, openPhoenixSocket, phoenixLongpoll, phoenixPreflight } from './connections/phoenix.ts'
import { proxyRequest } from './proxy/proxy.ts'
import { RememberingRouter } from './remembering-router.ts'
import { parseRequestUrl, type RequestUrl } from './request/request-url.ts'
import { putToken } from './connections/put-token.ts'
import { deleteConnection, getSessionConnections, getSessions } from './admin/legacy-session-api.ts'
import { openNdjson } from './connections/ndjson.ts'
import { openSse } from './connections/sse.ts'
import { putSubscriptions } from './connections/put-subscriptions.ts'
import { openWebSocket } from './connections/websocket.ts'

const EVENTS = '/_rig/v1/events'
const CONNECTION = '/_rig/v1/connection'
/** An open connection. The token says which, so any transport is accepted in the path. */
const OPENED = `${CONNECTION}/:transport{${TRANSPORTS.join('|')}}/:token`
const SUBSCRIPTIONS = `${OPENED}/subscriptions`
const METADATA = `${OPENED}/metadata`
const PASSED = `${OPENED}/passed`
const TOKEN = `${OPENED}/token`

// `*` covers neither `authorization` nor requests with credentials, so headers are named beside it.
const LONGPOLLING_HEADERS = '*,authorization,last-event-id,cache-control'
const STREAM_PREFLIGHT: Preflight = {
  methods: 'GET',
  headers: '*,authorization,last-event-id,cache-control,content-type,x-requested-with',
}
/** The attributes of CloudEvents and of their common extensions, for browsers that remember a preflight. */
const ATTRIBUTE_HEADERS =
  'ce-specversion,ce-type,ce-id,ce-source,ce-time,ce-subject,ce-dataschema,ce-partitionkey,ce-traceparent,ce-tracestate'
/** Besides every `ce-` header that the page asks for: a CloudEvent may have extensions of any name. */
const eventsPreflight = preflight({
  methods: 'POST',
  headers: `content-type,authorization,content-encoding,idempotency-key,${ATTRIBUTE_HEADERS}`,
  headerPrefix: 'ce-',
})

const [sse, ndjson, ws, longpolling] = [inTurn(openSse), inTurn(openNdjson), inTurn(openWebSocket), inTurn(longpoll)]

type DirectHandler = (c: HandlerContext) => Promise<Response>

/** What clients and services ask for most, by method and path. The router has these routes too, for paths with escapes. */
const DIRECT: ReadonlyMap<string, DirectHandler> = new Map([
  [`POST ${EVENTS}`, postEvents],
  [`GET ${CONNECTION}/sse`, sse],
  [`GET ${CONNECTION}/ndjson`, ndjson],
  [`GET ${CONNECTION}/ws`, ws],
  [`GET ${CONNECTION}/longpolling`, longpolling],
])

const app = new Hono<HttpEnv>({ router: new RememberingRouter() })
  .get('/_rig/health', health)
  .use(requireConfig)
  .options(`${CONNECTION}/sse`, preflight(STREAM_PREFLIGHT))
  .all(`${CONNECTION}/sse`, sse)
  .options(`${CONNECTION}/ndjson`, preflight(STREAM_PREFLIGHT))
  .all(`${CONNECTION}/ndjson`, ndjson)
  .all(`${CONNECTION}/ws`, ws)
  .get(`${CONNECTION}/longpolling`, longpolling)
  .options(
    `${CONNECTION}/longpolling`,
    preflight({ methods: 'GET', headers: LONGPOLLING_HEADERS, corsOf: credentialedCorsHeaders }),
  )
  .all(`${CONNECTION}/phoenix/websocket`, inTurn(openPhoenixSocket))
  .on(['GET', 'POST'], `${CONNECTION}/phoenix/longpoll`, inTurn(phoenixLongpoll))
  .options(`${CONNECTION}/phoenix/longpoll`, phoenixPreflight)
  .all('/socket/websocket', ifLegacy(inTurn(openPhoenixSocket)))
  .on(['GET', 'POST'], '/socket/longpoll', ifLegacy(inTurn(phoenixLongpoll)))
  .options('/socket/longpoll', ifLegacy(phoenixPreflight))
  .get('/rg/sessions', ifLegacy(getSessions))
  .get('/rg/sessions/:user', ifLegacy(getSessionConnections))
  .delete('/rg/connections/:jti', ifLegacy(deleteConnection))
  .put(SUBSCRIPTIONS, putSubscriptions)
  .put(METADATA, putMetadata)
  .options(METADATA, preflight({ methods: 'PUT', headers: 'content-type,authorization' }))
  .put(PASSED, putPassed)
  .options(PASSED, preflight({ methods: 'PUT', headers: 'content-type,authorization' }))
  .put(TOKEN, putToken)
  .options(TOKEN, preflight({ methods: 'PUT', headers: 'content-type,authorization' }))
  .options(SUBSCRIPTIONS, preflight({ methods: 'PUT', headers: 'content-type,authorization' }))
  .get('/_rig/v1/history', inTurn(getHistory))
  .options('/_rig/v1/history', preflight({ methods: 'GET', headers: LONGPOLLING_HEADERS }))
  .route('/_rig/kafka', kafkaRest)
  .post(EVENTS, postEvents)
  .options(EVENTS, (c, next) =>
    isHandshake(c.req.raw) ? Promise.resolve(answerHandshake(c)) : eventsPreflight(c, next),
  )
  .route(INTERNAL_PREFIX, adminApi)
  .post('/_rig/dev/token', makeDevToken)
  .post('/_rig/dev/feed', produceSampleEvents)
  .post('/_rig/dev/console-token', giveConsoleToken)
  .options('/_rig/dev/token', preflight({ methods: 'POST', headers: 'content-type' }))
  .get('/_rig', servePage)
  .get('/_rig/', servePage)
  .get('/_rig/console', serveConsole)
  .get('/_rig/console/:file{.*}', serveConsole)
  .get('/_rig/:file', servePage)
  .all('*', (c) => handleProxied(c.req.raw, parseRequestUrl(c.req.url), workerContext(c.env), c.env, c.executionCtx))
  .notFound(() => jsonErrorResponse({ kind: 'no_route' }))
  .onError((error, c) => {
    return internalError(c.req.method, routePath(c), error, c.var.metrics)
  })

export function handle(request: Request, env: Env, context: ExecutionContext): Response | Promise<Response> {
  const url = parseRequestUrl(request.url)
  const isolate = workerContext(env)
  wakeFollowersOnce(isolate, env, context)
  if (url === undefined || !mayBeOwn(url.path)) return handleProxied(request, url, isolate, env, context)
  const direct = DIRECT.get(`${request.method} ${url.path}`)
  return direct === undefined
    ? app.fetch(request, env, context)
    : answerDirectly(direct, url.path, request, env, isolate)
}

/** Past the router, as `handleProxied`: its context and matching are a tenth of what an event by itself costs. */
async function answerDirectly(
  handler: DirectHandler,
  route: string,
  request: Request,
  env: Env,
  { variables }: WorkerContext,
): Promise<Response> {
  if (variables === undefined) return misconfigured()
  try {
    return await handler(createRequestContext(request, env, variables))
  } catch (error) {
    return internalError(request.method, route, error, variables.metrics)
  }
}

function internalError(method: string, route: string, error: unknown, metrics: WorkerMetrics): Response {
  logBug('a request failed', { method, route }, error)
  metrics.failed('worker', String(error))
  return new Response('Internal Server Error', { status: 500 })
}

/** Where Rigel may have a route of its own; of these, what it does not have is proxied too. */
function mayBeOwn(path: string): boolean {
  return path.startsWith('/_rig') || path.startsWith('/socket/') || path.startsWith('/rg/')
}

/** Past the router of Rigel's own routes, which costs a proxied request more than the proxy's own router. */
function handleProxied(
  request: Request,
  url: RequestUrl | undefined,
  { variables }: WorkerContext,
  env: Env,
  context: Pick<ExecutionContext, 'waitUntil'>,
): Response | Promise<Response> {
  if (url === undefined) return new Response('Bad Request', { status: 400 })
  if (variables === undefined) return misconfigured()
  return proxyRequest(request, url, { ...variables, env, waitUntil: (work) => context.waitUntil(work) })
}

/** How soon a missing topic is looked for again: the first event that is published may create it. */
const LOOK_AGAIN_MS = 2_000

/** After a deploy no follower may run until the next cron: an isolate's first request wakes them, and does not wait. */
function wakeFollowersOnce(isolate: WorkerContext, env: Env, context: ExecutionContext): void {
  if (Date.now() < isolate.wakeFollowersAtMs || !isolate.config.ok) return
  isolate.wakeFollowersAtMs = Infinity
  context.waitUntil(wakeUntilTopicsExist(env))
}

async function wakeUntilTopicsExist(env: Env): Promise<void> {
  const allExist = await wakeFollowers(env).catch((error: unknown) => {
    logIncident('could not wake the followers', {}, { error: String(error) })
    return false
  })
  if (!allExist) workerContext(env).wakeFollowersAtMs = Date.now() + LOOK_AGAIN_MS
}
