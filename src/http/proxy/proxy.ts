// Everything that is not Rigel's own: the way of a request to a service, or into Kafka, and of the answer back. What each
// step does is its file's: route-table.ts, authorize.ts, limit.ts, forward.ts, request-event.ts, answers.ts.
import type { Context } from 'hono'
import type { NewRecord } from '../../core/events/kafka-record.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { toRequestPath } from '../../api-definitions/request-path.ts'
import type { RouteMatch } from '../../api-definitions/router.ts'
import type { Route, Target } from '../../api-definitions/api-route.ts'
import { createKafkaLog } from '../../kafka/create-kafka-log.ts'
import { readBody } from '../../core/http-body.ts'
import { errorResponse, jsonErrorResponse } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'
import type { VerifiedToken } from '../../auth/verify-token.ts'
import { registerPending, type PendingReply } from './async-response.ts'
import { authorizeRoute } from './authorize-route.ts'
import { throughCache } from './response-cache.ts'
import { claimHeaders } from './claim-headers.ts'
import { findSubject, toAvroRecord, toJsonRecord, type KeyedEvent } from './event-record.ts'
import { forward } from './forward.ts'
import { clientOf, isLoop, toUpstreamHeaders, traceOf, type Client, type Trace } from './headers.ts'
import { isOverLimit } from './rate-limit.ts'
import { answerPreflight, proxyCorsHeaders, setCors } from './preflight.ts'
import { toRequestEvent } from './request-event.ts'
import { logCall } from './request-log.ts'

type Ctx = Context<HttpEnv>

/** One request on a route. */
interface Passage {
  readonly c: Ctx
  readonly url: URL
  readonly route: Route
  /** As the service is asked. */
  readonly path: string
  readonly client: Client
  readonly trace: Trace
}

/** The platform's `fetch` cannot make such requests. */
const IMPOSSIBLE = new Set(['CONNECT', 'TRACE', 'TRACK'])
const AMBIGUOUS = 'The path must be written plainly: a service may take it for another one.'

export async function proxyRequest(c: Ctx): Promise<Response> {
  const request = c.req.raw
  const url = new URL(request.url)
  const found = await findRoute(c, url)
  if (found instanceof Response) return found
  const startedMs = Date.now()
  const passage = { c, url, ...found, client: clientOf(request), trace: traceOf(request.headers) }
  const { response, user } = await pass(passage)
  if (c.var.config.proxy.requestLog.length > 0) {
    const { client, route, trace } = passage
    const logged = logCall(
      { env: c.env, config: c.var.config, subjects: c.var.subjects },
      {
        route,
        user,
        method: request.method,
        path: url.pathname,
        address: client.address,
        status: response.status,
        atMs: startedMs,
        durationMs: Date.now() - startedMs,
        traceparent: trace.traceparent,
      },
    )
    c.executionCtx.waitUntil(logged)
  }
  return response
}

async function findRoute(c: Ctx, url: URL): Promise<RouteMatch | Response> {
  const { config, routes } = c.var
  const request = c.req.raw
  const cors = proxyCorsHeaders(config, request)
  const { method } = request
  const path = url.pathname
  if (path === '/_rig' || path.startsWith('/_rig/')) return jsonErrorResponse({ kind: 'no_route' }, cors)
  if (isLoop(request.headers)) return jsonErrorResponse({ kind: 'loop' }, cors)
  if (IMPOSSIBLE.has(method)) return errorResponse({ kind: 'method_not_allowed' }, cors)
  const router = await routes.current(Date.now(), (work) => c.executionCtx.waitUntil(work))
  const query = { method, path: toRequestPath(path), version: request.headers.get('accept-version') }
  if (method === 'OPTIONS') {
    const preflight = answerPreflight(config, request, router.routesAt(query.path))
    if (preflight !== undefined) return preflight
  }
  const found = router.find(query)
  if (found === undefined) return jsonErrorResponse({ kind: 'no_route' }, cors)
  return router.isAmbiguous(query, found) ? jsonErrorResponse({ kind: 'bad_request', message: AMBIGUOUS }, cors) : found
}

async function pass(passage: Passage): Promise<{ readonly response: Response; readonly user: string | null }> {
  const { c, route } = passage
  const admitted = await admit(passage)
  if (!admitted.ok) return { response: toRefusal(passage, admitted.reason), user: null }
  const token = admitted.value
  const { target } = route
  const answered =
    target.kind === 'kafka' ? await publishRequest(passage, target, token) : await callServices(passage, target, token)
  const response = answered.ok ? answered.value : toRefusal(passage, answered.reason)
  // The answer to an upgrade is the socket's, and stays as it is.
  if (answered.ok && response.status !== 101 && (route.policy.cors || isAnsweredHere(route))) {
    setCors(response, c.var.config, c.req.raw)
  }
  return { response, user: token?.principal.user ?? null }
}

/** Where no service's own answer comes back, as RIG. */
function isAnsweredHere({ responseFrom, target }: Route): boolean {
  return target.kind === 'kafka' || responseFrom !== 'http'
}

/** Null: the route asks for no token. */
async function admit({ c, client, route }: Passage): Promise<Result<VerifiedToken | null, RigelError>> {
  const { address } = client
  if (await isOverLimit(c.env, route, { address, user: null }, 'before_token')) return fail({ kind: 'rate_limited' })
  const authorized = await authorizeRoute(c, route.authentication)
  if (!authorized.ok) return authorized
  const user = authorized.value?.principal.user ?? null
  if (await isOverLimit(c.env, route, { address, user }, 'after_token')) return fail({ kind: 'rate_limited' })
  return authorized
}

async function callServices(
  passage: Passage,
  { upstreams }: Extract<Target, { kind: 'http' }>,
  token: VerifiedToken | null,
): Promise<Result<Response, RigelError>> {
  const { c, client, path, route, url } = passage
  const waiting = await expectIfAsked(passage)
  if (!waiting.ok) return waiting
  const headers = await headersOf(passage, token)
  const query = waiting.value === null ? url.search : withCorrelation(url.search, waiting.value.correlation)
  const outgoing = { request: c.req.raw, headers, pathAndQuery: `${path}${query}`, clientHost: client.host }
  const deps = { env: c.env, health: c.var.upstreamHealth, timeoutMs: c.var.config.proxy.timeoutMs }
  const ask = () => forward(upstreams, route, outgoing, deps)
  const answered = route.policy.cache
    ? await throughCache(c.req.raw, cacheKey(passage), toBackground(c), ask)
    : await ask()
  if (waiting.value === null) return answered
  if (!answered.ok || answered.value.status !== 202) {
    c.executionCtx.waitUntil(waiting.value.forget())
    return answered
  }
  await answered.value.body?.cancel()
  return waiting.value.answer()
}

async function publishRequest(
  passage: Passage,
  target: Extract<Target, { kind: 'kafka' }>,
  token: VerifiedToken | null,
): Promise<Result<Response, RigelError>> {
  const { c, client, path, route, trace, url } = passage
  const { config } = c.var
  const limitBytes = Math.min(config.maxEventBytes, route.policy.maxBodyBytes ?? Infinity)
  const body = await readBody(c.req.raw, limitBytes)
  if (!body.ok) return fail({ kind: 'body_too_large', limitBytes })
  const waiting = await expectIfAsked(passage)
  if (!waiting.ok) return waiting
  const headers = await headersOf(passage, token)
  const correlation = waiting.value?.correlation ?? null
  const facts = { method: c.req.method, path, query: url.search.slice(1), headers, client, trace, correlation }
  const made = { id: crypto.randomUUID(), time: new Date().toISOString() }
  const event = toRequestEvent(body.bytes, facts, route, target, made)
  if (!event.ok) return giveUp(c, waiting.value, { kind: 'not_a_cloud_event', message: event.reason })
  const record = await toRecord(c, target, event.value)
  if (!record.ok) return giveUp(c, waiting.value, record.reason)
  try {
    await createKafkaLog(c.env, config).produce([record.value])
  } catch (error) {
    console.error('a request could not be published', error)
    const message = 'The log does not take events at the moment: nothing is known to be stored.'
    return giveUp(c, waiting.value, { kind: 'unavailable', message })
  }
  return waiting.value === null ? ok(new Response('Accepted.', { status: 202 })) : waiting.value.answer()
}

async function toRecord(
  c: Ctx,
  { schema, topic }: Extract<Target, { kind: 'kafka' }>,
  event: KeyedEvent,
): Promise<Result<NewRecord, RigelError>> {
  if (schema === null || c.var.config.schemas.serializer !== 'avro') return ok(toJsonRecord(topic, event))
  const subject = await findSubject(c.var.subjects, schema)
  if (!subject.ok) return subject
  const record = toAvroRecord(topic, event, subject.value)
  if (record.ok) return record
  const message = `Bad request: the data does not fit the schema "${schema}": ${record.reason}.`
  return fail({ kind: 'bad_request', message })
}

/** Null: the answer is the service's own. */
async function expectIfAsked({
  c,
  route: { responseFrom },
}: Passage): Promise<Result<PendingReply | null, RigelError>> {
  if (responseFrom === 'http') return ok(null)
  return registerPending(c.env, c.var.config.proxy.answerTimeoutMs[responseFrom])
}

function giveUp(c: Ctx, waiting: PendingReply | null, reason: RigelError): Result<never, RigelError> {
  if (waiting !== null) c.executionCtx.waitUntil(waiting.forget())
  return fail(reason)
}

async function headersOf({ c, client, route, trace }: Passage, token: VerifiedToken | null): Promise<Headers> {
  const headers = toUpstreamHeaders(c.req.raw.headers, client, trace, route.requestHeaders)
  const { forwardClaims } = route.policy
  if (token === null || forwardClaims === 'none') return headers
  const claims = await claimHeaders(token, forwardClaims, c.var.config.proxy.claimsSecret)
  for (const [name, value] of Object.entries(claims)) headers.set(name, value)
  return headers
}

/** One of the client's own would be read first. */
function withCorrelation(search: string, correlation: string): string {
  const kept = search
    .slice(1)
    .split('&')
    .filter((part) => part !== '' && !new URLSearchParams(part).has('correlation'))
  return `?${[...kept, `correlation=${correlation}`].join('&')}`
}

/** Of the address that was asked, for the cache is the zone's; of the route, for another may be deployed at the address. */
function cacheKey({ path, route, url }: Passage): string {
  return `${url.origin}/_rig/cache/${encodeURIComponent(route.api)}/${encodeURIComponent(route.id)}${path}${url.search}`
}

function toRefusal({ c }: Passage, reason: RigelError): Response {
  const cors = proxyCorsHeaders(c.var.config, c.req.raw)
  switch (reason.kind) {
    // RIG's answer, text and headers.
    case 'authentication_failed':
      return errorResponse(reason, {
        ...cors,
        'access-control-allow-methods': '*',
        'access-control-allow-headers': 'content-type',
      })
    case 'not_a_cloud_event':
      return errorResponse(reason, cors)
    default:
      return jsonErrorResponse(reason, cors)
  }
}

function toBackground(c: Ctx): (work: Promise<unknown>) => void {
  return (work) => c.executionCtx.waitUntil(work)
}
