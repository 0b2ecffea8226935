// RigelError → HTTP response: status and text from the table in core/errors.ts, and the headers that belong to them.
// The only place of http that writes a failure, except for WebSockets (connections/websocket.ts).
import { logIncident } from '../telemetry/incident-log.ts'
import { toHttp, type HttpFailure, type RigelError } from '../core/errors.ts'

/** Clients should add jitter to it. */
export const RETRY_AFTER_SECONDS = 2

/** A refusal as text. `headers`: those of CORS, usually. */
export function errorResponse(error: RigelError, headers: Readonly<Record<string, string>> = {}): Response {
  const failure = toHttp(error)
  return new Response(failure.message, {
    status: failure.status,
    headers: { vary: 'Origin', ...headers, 'content-type': 'text/plain; charset=utf-8', ...headersOf(failure) },
  })
}

/** A refusal as JSON, for requests to proxied services, whose frontends expect JSON. */
export function jsonErrorResponse(error: RigelError, headers: Readonly<Record<string, string>> = {}): Response {
  const failure = toHttp(error)
  return Response.json(
    { message: failure.message },
    { status: failure.status, headers: { vary: 'Origin', ...headers, ...headersOf(failure) } },
  )
}

/** For an endpoint that takes other methods; `allow` names them. */
export function methodNotAllowed(allow: string): Response {
  return new Response('Method Not Allowed', { status: 405, headers: { allow, vary: 'Origin' } })
}

/** Whether the same request may succeed a moment later, although nothing about it changes. */
export function isTemporary(error: RigelError): boolean {
  const { status } = toHttp(error)
  return status === 429 || status === 503
}

function headersOf({ challenge, retrySeconds = RETRY_AFTER_SECONDS, status }: HttpFailure): Record<string, string> {
  // RFC 6750, section 3: no error code where no token came with the request.
  if (status === 401 || challenge !== undefined) {
    return { 'www-authenticate': `Bearer realm="rigel"${challenge === undefined ? '' : `, error="${challenge}"`}` }
  }
  // RFC 9110, 15.5.16: what would have been accepted.
  if (status === 415) return { 'accept-encoding': 'gzip, deflate' }
  if (status === 429 || status === 503) return { 'retry-after': String(retrySeconds) }
  return {}
}

/** A Durable Object was overloaded, reset by a deploy, or is out of reach: the next request may succeed. */
export function shardFailure(error: unknown): RigelError {
  logIncident('a shard did not answer', {}, { error: String(error) })
  return { kind: 'unavailable', message: 'Temporarily unavailable, come back.' }
}
