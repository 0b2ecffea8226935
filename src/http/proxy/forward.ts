// A request to a service and its answer back, both streaming. Which upstream, how often and for how long is the route's
// policy; what is known of upstreams upstream-health.ts's.
import { backoffMs, type BackoffLimits } from '../../core/retry.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { Policy, Route, Upstream } from '../../api-definitions/api-route.ts'
import { proxyCoded } from './content-coding.ts'
import { ResponseTimeout } from './response-timeout.ts'
import { changeHeaders } from './headers.ts'
import { isTooLarge, RequestBody } from './request-body.ts'
import type { UpstreamHealth } from './upstream-health.ts'

export interface Outgoing {
  /** As it came: method and body are taken from it. */
  readonly request: Request
  readonly headers: Headers
  /** Path and query, as the service is asked. */
  readonly pathAndQuery: string
  /** The `Host` that the client asked for. */
  readonly clientHost: string
}

export interface ForwardDeps {
  readonly env: object
  readonly health: UpstreamHealth
  /** PROXY_RECV_TIMEOUT. */
  readonly timeoutMs: number
}

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])
/** What a service, or what stands before it, says when the next try may be better. */
const WORTH_RETRYING = new Set([502, 503, 504])
const BACKOFF: BackoffLimits = { baseMs: 50, capMs: 2_000 }
/** The platform's `fetch` sends no body with these. */
const BODILESS = new Set(['GET', 'HEAD'])
const NO_BODY = 'A body of GET or HEAD cannot be passed on: use another method.'
/** The runtime makes its own handshake. */
const HANDSHAKE = ['sec-websocket-accept', 'sec-websocket-extensions', 'sec-websocket-key', 'sec-websocket-version']

export async function forward(
  upstreams: readonly Upstream[],
  { policy, responseHeaders }: Pick<Route, 'policy' | 'responseHeaders'>,
  outgoing: Outgoing,
  deps: ForwardDeps,
): Promise<Result<Response, RigelError>> {
  const { request } = outgoing
  if (isTooLarge(request, policy.maxBodyBytes)) return tooLarge(policy)
  const body = new RequestBody(request, policy.maxBodyBytes)
  if (body.stream !== null && BODILESS.has(request.method)) return fail({ kind: 'bad_request', message: NO_BODY })
  const isRepeatable = body.stream === null && IDEMPOTENT.has(request.method)
  const tried = new Set<Upstream>()
  for (let attempt = 0; ; attempt += 1) {
    const upstream = deps.health.choose(upstreams, policy.breaker, Date.now(), Math.random(), tried)
    if (upstream === undefined) return fail({ kind: 'upstream_unavailable' })
    tried.add(upstream)
    const answered = await ask(upstream, policy, outgoing, body, deps)
    if (body.isExceeded) return tooLarge(policy)
    // With a body it may have been the client that failed: that must not take a service out for others.
    if (answered.ok) deps.health.succeeded(upstream)
    else if (body.stream === null) deps.health.failed(upstream, policy.breaker, Date.now())
    const isFailure = !answered.ok || WORTH_RETRYING.has(answered.value.status)
    if (!isFailure || !isRepeatable || attempt >= policy.retries || !deps.health.mayRetry(upstream)) {
      if (answered.ok && answered.value.status !== 101) changeHeaders(answered.value.headers, responseHeaders)
      return answered
    }
    if (answered.ok) await answered.value.body?.cancel()
    await scheduler.wait(backoffMs(attempt + 1, Math.random(), BACKOFF))
  }
}

async function ask(
  upstream: Upstream,
  policy: Policy,
  outgoing: Outgoing,
  body: RequestBody,
  deps: ForwardDeps,
): Promise<Result<Response, RigelError>> {
  const { pathAndQuery, request } = outgoing
  const { url, cf } = addressOf(upstream, policy.host, outgoing.clientHost, pathAndQuery)
  const timeoutMs = policy.timeoutMs ?? deps.timeoutMs
  const deadline = new ResponseTimeout(timeoutMs)
  body.timedBy(deadline)
  const send = sender(upstream, deps.env)
  const { method } = request
  const headers = new Headers(outgoing.headers)
  const init = { method, headers, body: body.stream, cf, redirect: 'manual', signal: deadline.signal } as const
  try {
    if (isUpgrade(request)) return ok(await upgrade(url, init, request, send))
    return ok(await proxyCoded(url, init, request, send))
  } catch (error) {
    if (deadline.isOver) return fail({ kind: 'upstream_timeout', timeoutMs })
    console.warn({ message: 'a service could not be reached', upstream: upstream.base, error: String(error) })
    return fail({ kind: 'upstream_unreachable' })
  } finally {
    deadline.met()
  }
}

/**
 * A Worker's fetch names as `Host` what its URL does: another name stands there, and where to connect is said beside it,
 * which Cloudflare heeds if both are of the Worker's zone. A service binding is connected already.
 */
function addressOf(
  { base, service }: Upstream,
  host: Policy['host'],
  clientHost: string,
  pathAndQuery: string,
): { readonly url: string; readonly cf: RequestInitCfProperties } {
  if (host === 'target') return { url: `${base}${pathAndQuery}`, cf: {} }
  const url = new URL(`${base}${pathAndQuery}`)
  const resolveOverride = url.hostname
  url.host = host === 'client' ? clientHost : host.name
  return { url: url.href, cf: service === null ? { resolveOverride } : {} }
}

/** Returned as it is: the socket belongs to the response. */
async function upgrade(
  url: string,
  init: RequestInit & { headers: Headers },
  request: Request,
  send: (request: Request) => Promise<Response>,
): Promise<Response> {
  for (const name of HANDSHAKE) init.headers.delete(name)
  const protocols = request.headers.get('sec-websocket-protocol')
  if (protocols !== null) init.headers.set('sec-websocket-protocol', protocols)
  init.headers.set('upgrade', 'websocket')
  const response = await send(new Request(url, { ...init, body: null }))
  return response.webSocket ? response : new Response(response.body, response)
}

function isUpgrade(request: Request): boolean {
  return request.method === 'GET' && request.headers.get('upgrade')?.toLowerCase() === 'websocket'
}

/** A definition that names a binding which is not there was refused. */
function sender({ service }: Upstream, env: object): (request: Request) => Promise<Response> {
  if (service === null) return (request) => fetch(request)
  const binding = (env as Readonly<Record<string, Fetcher | undefined>>)[service]
  return async (request) => {
    if (binding === undefined) throw new TypeError(`there is no service binding ${service}`)
    return binding.fetch(request)
  }
}

function tooLarge({ maxBodyBytes }: Policy): Result<never, RigelError> {
  return fail({ kind: 'body_too_large', limitBytes: maxBodyBytes ?? 0 })
}
