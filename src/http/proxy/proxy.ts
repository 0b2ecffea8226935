// The API gateway's pipeline: find the route, check the rate limit and the token, call the service or publish to
// Kafka, and return the response. Each step has its own file. Called for every request that is not for Rigel itself.
import { logBug } from '../../telemetry/incident-log.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { RESERVED_SEGMENT, toRequestPath, type RequestPath } from '../../api-definitions/request-path.ts'
import type { Router } from '../../api-definitions/router.ts'
import type { Route, Target } from '../../api-definitions/api-route.ts'
import { errorResponse, jsonErrorResponse } from '../error-response.ts'
import type { VerifiedToken } from '../../auth/verify-token.ts'
import { registerIfAsync } from './async-response.ts'
import { authorizeRoute } from './authorize-route.ts'
import { throughCache } from './response-cache.ts'
import type { RequestUrl } from '../request/request-url.ts'
import { addClaims } from './headers/claim-headers.ts'
import { forward } from './forward.ts'
import { clientOf, isLoop, readHeaders, toUpstreamHeaders } from './headers/headers.ts'
import { isOverLimit } from './rate-limit.ts'
import { corsHeaders } from '../cors.ts'
import { answerPreflight, withCors } from './preflight.ts'
import type { ProxyContext, ProxyDeps } from './proxy-context.ts'
import { publishRequest } from './publish/publish-request.ts'
import { logRequest } from './request-log.ts'
import { proxyTrace, recordProxied } from '../request-trace.ts'

/** The platform's `fetch` cannot make such requests. */
const IMPOSSIBLE = new Set(['CONNECT', 'TRACE', 'TRACK'])
const AMBIGUOUS = 'The path must be written plainly: a service may take it for another one.'

export async function proxyRequest(request: Request, url: RequestUrl, deps: ProxyDeps): Promise<Response> {
  const startedMs = Date.now()
  try {
    const router = deps.routes.known(startedMs, deps.waitUntil) ?? (await deps.routes.refreshed(startedMs))
    const context = findRoute(request, url, router, deps)
    if (context instanceof Response) return context
    const { response, result, user } = await handleRoute(context)
    const { method, route } = context
    const endedMs = Date.now()
    deps.metrics.proxied({ method, route, result, status: response.status, ms: endedMs - startedMs })
    if (deps.tracer !== null)
      recordProxied(deps.tracer, context, { result, status: response.status, startedMs, endedMs })
    if (deps.config.proxy.requestLog.length > 0) {
      deps.waitUntil(logRequest(context, { user, status: response.status, startedMs, endedMs }))
    }
    return response
  } catch (error) {
    logBug('a proxied request failed', { method: request.method }, error)
    deps.metrics.failed('worker', String(error))
    return new Response('Internal Server Error', { status: 500 })
  }
}

/** Returns the request on its route, or the response if no route handles it. */
function findRoute(request: Request, url: RequestUrl, router: Router, deps: ProxyDeps): ProxyContext | Response {
  const { method } = request
  const incoming = readHeaders(request.headers)
  const { search } = url
  const path = toRequestPath(url.path)
  const refuse = (reason: RigelError) => jsonErrorResponse(reason, corsHeaders(deps.config, request))
  if (path.segments[0] === RESERVED_SEGMENT) return refuse({ kind: 'no_route' })
  if (isLoop(incoming)) return refuse({ kind: 'loop' })
  if (IMPOSSIBLE.has(method)) {
    return errorResponse({ kind: 'method_not_allowed' }, corsHeaders(deps.config, request))
  }
  const query = { method, path, version: incoming.get('accept-version') ?? null }
  const found = router.find(query)
  if (method === 'OPTIONS' && !isDeclaredOptions(found?.route)) {
    const preflight = preflightOf(request, deps, router, query.path)
    if (preflight !== undefined) return preflight
  }
  if (found === undefined) {
    deps.metrics.noRoute(method)
    return refuse({ kind: 'no_route' })
  }
  if (router.isAmbiguous(query, found)) return refuse({ kind: 'bad_request', message: AMBIGUOUS })
  return {
    deps,
    request,
    incoming,
    method,
    route: found.route,
    path: found.path,
    canonicalPath: query.path.canonical,
    search,
    client: clientOf(incoming, url),
    trace: proxyTrace(deps.tracer, incoming),
  }
}

/** If there is an endpoint for OPTIONS, the service answers preflights, as in RIG. */
function isDeclaredOptions(route: Route | undefined): boolean {
  return route?.method === 'OPTIONS' && route.target.kind === 'http'
}

function preflightOf(request: Request, { config }: ProxyDeps, router: Router, path: RequestPath): Response | undefined {
  return answerPreflight(config, request, router.routesAt(path))
}

interface Handled {
  readonly response: Response
  /** The result of the request, before an error is converted to a response. */
  readonly result: Result<unknown, RigelError>
  readonly user: string | null
}

async function handleRoute(context: ProxyContext): Promise<Handled> {
  const { client, deps, incoming, request, route, trace } = context
  const admitted = route.policy.rateLimit === null && route.authentication === null ? ok(null) : await admit(context)
  if (!admitted.ok) return { response: toErrorResponse(context, admitted.reason), result: admitted, user: null }
  const token = admitted.value
  const headers = toUpstreamHeaders(request.headers, incoming, client, trace, route)
  if (token !== null) await addClaims(headers, token, route.policy.forwardClaims, deps.config.proxy.claimsSecret)
  const { target } = route
  const answered =
    target.kind === 'publish'
      ? await publishRequest(context, target, headers, token)
      : await callService(context, target, headers)
  const response = answered.ok ? answered.value : toErrorResponse(context, answered.reason)
  const user = token?.principal.user ?? null
  // The response to an upgrade belongs to its socket.
  const hasOwnCors = answered.ok && (route.policy.cors || isAnsweredByRigel(route)) && response.status !== 101
  return { response: hasOwnCors ? withCors(response, deps.config, request) : response, result: answered, user }
}

/** Rigel adds CORS headers where the response is not a service's own, like RIG. */
function isAnsweredByRigel({ responseFrom, target }: Route): boolean {
  return target.kind === 'publish' || responseFrom !== 'http'
}

/** Returns null if the route requires no token. Addresses are limited before the token is verified, users after it. */
async function admit({
  client,
  deps,
  request,
  route,
  search,
}: ProxyContext): Promise<Result<VerifiedToken | null, RigelError>> {
  const { address } = client
  if (await isOverLimit(deps.env, route, { address, user: null }, 'before_token')) return fail({ kind: 'rate_limited' })
  const authorized = await authorizeRoute(deps, request, search, route.authentication)
  if (!authorized.ok) return authorized
  const user = authorized.value?.principal.user ?? null
  if (await isOverLimit(deps.env, route, { address, user }, 'after_token')) return fail({ kind: 'rate_limited' })
  return authorized
}

function callService(
  context: ProxyContext,
  { upstreams }: Extract<Target, { kind: 'http' }>,
  headers: Headers,
): Promise<Result<Response, RigelError>> {
  const { client, deps, incoming, method, path, request, route, search } = context
  const { config, env, waitUntil } = deps
  const send = (pathAndQuery: string) =>
    forward(
      upstreams,
      route,
      { request, method, incoming, headers, pathAndQuery, client },
      {
        env,
        health: deps.upstreamHealth,
        timeoutMs: config.proxy.timeoutMs,
        waitUntil,
      },
    )
  if (route.responseFrom !== 'http') return callAsyncService(context, send)
  if (!route.policy.cache) return send(`${path}${search}`)
  return throughCache(request, cacheKey(context), { copies: deps.responseCopies, waitUntil }, () =>
    send(`${path}${search}`),
  )
}

/** If the service answers 202, the response comes later through `response_from`; any other status is the response. */
async function callAsyncService(
  context: ProxyContext,
  send: (pathAndQuery: string) => Promise<Result<Response, RigelError>>,
): Promise<Result<Response, RigelError>> {
  const pending = await registerIfAsync(context.deps, context.route)
  if (!pending.ok || pending.value === null) return pending.ok ? send(`${context.path}${context.search}`) : pending
  const { correlation, forget, response } = pending.value
  const answered = await send(`${context.path}${withCorrelation(context.search, correlation)}`)
  if (!answered.ok || answered.value.status !== 202) {
    context.deps.waitUntil(forget())
    return answered
  }
  await answered.value.body?.cancel()
  return response()
}

/** The client's own `correlation` would be read first. */
function withCorrelation(search: string, correlation: string): string {
  const kept = search
    .slice(1)
    .split('&')
    .filter((part) => part !== '' && !new URLSearchParams(part).has('correlation'))
  return `?${[...kept, `correlation=${correlation}`].join('&')}`
}

/**
 * Includes the origin, because the cache is the zone's; the route, because a later one may have the same path; and its version,
 * because endpoints of several versions may have one id.
 */
function cacheKey({ canonicalPath, request, route, search }: ProxyContext): string {
  const names = [route.api, route.id, route.version ?? ''].map(encodeURIComponent).join('/')
  return `${new URL(request.url).origin}/_rig/cache/${names}${canonicalPath}${search}`
}

function toErrorResponse({ deps, request }: ProxyContext, reason: RigelError): Response {
  const cors = corsHeaders(deps.config, request)
  switch (reason.kind) {
    // RIG's text and headers.
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
