// Sends a request to a service and returns its response, both streaming. Upstream, retries and timeout are the route's
// policy; upstream-health.ts knows which upstreams fail. Called by proxy.ts.
import { logIncident } from '../../telemetry/incident-log.ts'
import { backoffMs, type BackoffLimits } from '../../core/retry.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { Policy, Route, Upstream } from '../../api-definitions/api-route.ts'
import { ResponseTimeout } from './response-timeout.ts'
import { isTooLarge, RequestBody } from './request-body.ts'
import { siteKey } from '../request/client-key.ts'
import type { UpstreamHealth } from './upstream-health.ts'
import { toClientResponse } from './upstream-response.ts'
import type { OutgoingRequest } from './proxy-context.ts'

export interface ForwardDeps {
  readonly env: object
  readonly health: UpstreamHealth
  /** PROXY_RECV_TIMEOUT. */
  readonly timeoutMs: number
  readonly waitUntil: (work: Promise<unknown>) => void
}

type ForwardedRoute = Pick<Route, 'policy' | 'responseHeaders'>

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])
/** A service, or a proxy before it, sends these when the next try may succeed. */
const WORTH_RETRYING = new Set([502, 503, 504])
/** Between two tries. */
export const MAX_BACKOFF_MS = 2_000
const BACKOFF: BackoffLimits = { baseMs: 50, capMs: MAX_BACKOFF_MS }
/** The platform's `fetch` sends no body with these. */
const BODILESS = new Set(['GET', 'HEAD'])
const NO_BODY = 'A body of GET or HEAD cannot be passed on: use another method.'
/** The runtime sends its own handshake headers. */
const HANDSHAKE = new Set([
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-version',
])
const NONE: ReadonlySet<Upstream> = new Set()
/** Read once: the runtime creates the global again at each access, which costs a tenth of a bare fetch. */
const clock = scheduler

export async function forward(
  upstreams: readonly Upstream[],
  route: ForwardedRoute,
  outgoing: OutgoingRequest,
  deps: ForwardDeps,
): Promise<Result<Response, RigelError>> {
  const { incoming, method, request } = outgoing
  const { policy } = route
  const declaredBytes = incoming.get('content-length')
  if (isTooLarge(declaredBytes, policy.maxBodyBytes)) return tooLarge(policy)
  const body = new RequestBody(request.body, declaredBytes, policy.maxBodyBytes)
  if (body.stream !== null && BODILESS.has(method)) return fail({ kind: 'bad_request', message: NO_BODY })
  if (policy.breaker !== null && policy.breaker.healthCheck !== null) startHealthChecks(upstreams, route, deps)
  const isRepeatable = body.stream === null && IDEMPOTENT.has(method)
  let failed: Set<Upstream> | undefined
  for (let attempt = 0; ; attempt += 1) {
    const upstream = deps.health.choose(route, upstreams, Date.now(), Math.random(), failed ?? NONE)
    if (upstream === undefined) return fail({ kind: 'upstream_unavailable' })
    const answered = await send(upstream, policy, outgoing, body, deps)
    if (body.isExceeded) return tooLarge(policy)
    note(answered, upstream, route, outgoing, body, deps, failed?.has(upstream) === true)
    const isFailure = !answered.ok || WORTH_RETRYING.has(answered.value.status)
    if (!isFailure || !isRepeatable || attempt >= policy.retries || !deps.health.mayRetry(route, upstream)) {
      return answered.ok ? ok(toClientResponse(answered.value, upstream, route, outgoing)) : answered
    }
    ;(failed ??= new Set()).add(upstream)
    if (answered.ok) await answered.value.body?.cancel()
    await clock.wait(backoffMs(attempt + 1, Math.random(), BACKOFF))
  }
}

/**
 * Counts a request against its upstream, once, if the upstream could not be reached. A timeout may be the fault of one
 * path. With a body, the client may have failed: the runtime reports that like a failure of the service.
 */
function note(
  answered: Result<Response, RigelError>,
  upstream: Upstream,
  route: ForwardedRoute,
  { client }: OutgoingRequest,
  body: RequestBody,
  { health }: ForwardDeps,
  isCounted: boolean,
): void {
  if (answered.ok) health.succeeded(route, upstream)
  else if (body.stream === null && !isCounted && answered.reason.kind === 'upstream_unreachable')
    health.failed(route, upstream, siteKey(client.address), Date.now())
}

/** Runs in the background, so that no client's request has to find out whether a service is back. */
function startHealthChecks(upstreams: readonly Upstream[], route: ForwardedRoute, deps: ForwardDeps): void {
  const { breaker } = route.policy
  for (const upstream of deps.health.dueForCheck(route, upstreams, Date.now())) {
    deps.waitUntil(checkHealth(upstream, route, breaker?.healthCheck ?? '/', deps))
  }
}

async function checkHealth(upstream: Upstream, route: ForwardedRoute, path: string, deps: ForwardDeps): Promise<void> {
  const signal = AbortSignal.timeout(route.policy.timeoutMs ?? deps.timeoutMs)
  try {
    const init = { redirect: 'manual', signal } as const
    const response = await fetcherOf(upstream, deps.env)(`${upstream.base}${path}`, init)
    await response.body?.cancel()
    if (response.ok) deps.health.succeeded(route, upstream)
  } catch (error) {
    logIncident('a health check failed', { upstream: upstream.base, path }, { error: String(error) })
  }
}

async function send(
  upstream: Upstream,
  policy: Policy,
  outgoing: OutgoingRequest,
  body: RequestBody,
  deps: ForwardDeps,
): Promise<Result<Response, RigelError>> {
  const { client, headers, method, pathAndQuery } = outgoing
  const { url, cf } = addressOf(upstream, policy.host, client.host, pathAndQuery)
  const timeoutMs = policy.timeoutMs ?? deps.timeoutMs
  const timeout = body.stream === null ? null : new ResponseTimeout(timeoutMs)
  if (timeout !== null) body.timedBy(timeout)
  const fetchFrom = fetcherOf(upstream, deps.env)
  const signal = timeout === null ? null : timeout.signal
  const init = { method, headers, body: body.stream, redirect: 'manual', signal, ...cf } as const
  try {
    const sent = isUpgrade(outgoing) ? upgrade(url, init, fetchFrom) : fetchFrom(url, init)
    // Only an upload has to be aborted, and a signal costs 5 % of a request. The runtime ends an unanswered request
    // with its client's.
    const response = timeout === null ? await Promise.race([sent, clock.wait(timeoutMs)]) : await sent
    if (response === undefined) return fail({ kind: 'upstream_timeout', timeoutMs })
    // A service may switch to a protocol that the client did not request.
    return response.status === 101 && !response.webSocket ? fail({ kind: 'upstream_unreachable' }) : ok(response)
  } catch (error) {
    if (timeout?.isOver === true) return fail({ kind: 'upstream_timeout', timeoutMs })
    logIncident('a service could not be reached', { upstream: upstream.base }, { error: String(error) })
    return fail({ kind: 'upstream_unreachable' })
  } finally {
    timeout?.clear()
  }
}

/**
 * A Worker's fetch sends the URL's host as `Host`. To send another one, that one is in the URL, and `resolveOverride`
 * says where to connect; Cloudflare follows it if both are of the Worker's zone. A service binding is connected
 * already.
 */
function addressOf(
  { base, service }: Upstream,
  host: Policy['host'],
  clientHost: string,
  pathAndQuery: string,
): { readonly url: string; readonly cf: { readonly cf?: RequestInitCfProperties } } {
  if (host === 'target') return { url: `${base}${pathAndQuery}`, cf: {} }
  const url = new URL(`${base}${pathAndQuery}`)
  const resolveOverride = url.hostname
  url.host = host === 'client' ? clientHost : host.name
  return { url: url.href, cf: service === null ? { cf: { resolveOverride } } : {} }
}

/** Returned unchanged, because the socket belongs to this response object. */
async function upgrade(
  url: string,
  init: RequestInit & { readonly headers: Headers },
  fetchFrom: Fetch,
): Promise<Response> {
  const headers = new Headers(init.headers)
  for (const name of HANDSHAKE) headers.delete(name)
  headers.set('upgrade', 'websocket')
  return fetchFrom(url, { ...init, headers, body: null })
}

function isUpgrade({ incoming, method }: OutgoingRequest): boolean {
  return method === 'GET' && incoming.get('upgrade')?.toLowerCase() === 'websocket'
}

type Fetch = (url: string, init: RequestInit) => Promise<Response>

const fetchByNetwork: Fetch = (url, init) => fetch(url, init)

/** A definition that names a missing binding was refused. */
function fetcherOf({ service }: Upstream, env: object): Fetch {
  if (service === null) return fetchByNetwork
  const binding = (env as Readonly<Record<string, Fetcher | undefined>>)[service]
  return async (url, init) => {
    if (binding === undefined) throw new TypeError(`there is no service binding ${service}`)
    return binding.fetch(new Request(url, init))
  }
}

function tooLarge({ maxBodyBytes }: Policy): Result<never, RigelError> {
  return fail({ kind: 'body_too_large', limitBytes: maxBodyBytes ?? 0 })
}
