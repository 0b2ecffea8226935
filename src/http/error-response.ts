// Reason → HTTP answer: status and text from core/reasons, and the headers that belong to a status. The only place in
// edge that answers a failure, but for WebSockets (websocket.ts).
import { toHttp, type RigelError } from '../core/errors.ts'

/** For what passes by itself: a shard that is overloaded or just restarts. Clients should add jitter. */
const RETRY_AFTER_SECONDS = 2

export function errorResponse(reason: RigelError, headers: Readonly<Record<string, string>> = {}): Response {
  const { status, message } = toHttp(reason)
  return new Response(message, {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', ...headers, ...headersOf(status) },
  })
}

/** For requests on their way to a service, whose frontends expect JSON. */
export function jsonErrorResponse(reason: RigelError, headers: Readonly<Record<string, string>> = {}): Response {
  const { status, message } = toHttp(reason)
  return Response.json({ message }, { status, headers: { ...headers, ...headersOf(status) } })
}

function headersOf(status: number): Record<string, string> {
  // RFC 6750, section 3: no error code where no token came with the request.
  if (status === 401) return { 'www-authenticate': 'Bearer realm="rigel"' }
  if (status === 429 || status === 503) return { 'retry-after': String(RETRY_AFTER_SECONDS) }
  return {}
}

/** A Durable Object was overloaded, reset by a deploy, or is out of reach: the next request may succeed. */
export function shardFailure(error: unknown): RigelError {
  console.warn('a shard did not answer', error)
  return { kind: 'unavailable', message: 'Temporarily unavailable, come back.' }
}
