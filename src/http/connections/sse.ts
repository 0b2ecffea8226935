// GET /_rig/v1/connection/sse: checks the request and hands it to the shard, whose stream goes back unmodified. A client
// that asked for a stream gets a refusal that passes by itself as a stream too, because a native EventSource that gets
// another status than 200 never reconnects (HTML, 9.2.3).
import type { ConnectRequest } from '../../core/identity/principal.ts'
import { toClose, type RigelError } from '../../core/errors.ts'
import { connectionClosed } from '../../objects/shard/system-events.ts'
import { encodeRefusal, SSE_HEADERS } from '../../objects/shard/transports/sse.ts'
import { readError } from '../../rpc/shard.ts'
import { authorizeConnection } from './authorize-connection.ts'
import { openAtShard } from './open-at-shard.ts'
import { corsHeaders } from '../cors.ts'
import { errorResponse, isTemporary, shardFailure, methodNotAllowed } from '../error-response.ts'
import { findPosition } from '../request/position-source.ts'
import { queryParameter } from '../request/query.ts'
import type { HandlerContext } from '../worker-context.ts'

/** A refused client reconnects after 2 to 6 s: apart from others, so that a storm of them spreads. */
const REFUSED_RETRY_MS = 2_000
const REFUSED_JITTER_MS = 4_000

export async function openSse(c: HandlerContext): Promise<Response> {
  // HEAD too: Hono would run it as GET, and a stream that is never read would stay open.
  if (c.req.raw.method !== 'GET') return methodNotAllowed('GET, OPTIONS')
  const naming = queryParameter(c.req.url, 'name') ?? undefined
  if (naming !== undefined && naming !== 'type' && naming !== 'message')
    return refuse(c, { kind: 'bad_request', message: 'name must be "type" or "message"' })
  const granted = await authorizeConnection(c, { transport: 'sse', lastEventId: findPosition(c.req.raw) })
  if (!granted.ok) return refuse(c, granted.reason)
  try {
    const connect: ConnectRequest = { ...granted.value.connect, naming }
    const response = await openAtShard(c, connect)
    const error = readError(response)
    return error === undefined ? response : refuse(c, error)
  } catch (error) {
    return refuse(c, shardFailure(error))
  }
}

function refuse(c: HandlerContext, error: RigelError): Response {
  const headers = { ...corsHeaders(c.get('config'), c.req.raw), vary: 'Origin, Accept' }
  if (!isTemporary(error) || !acceptsStream(c.req.header('accept'))) return errorResponse(error, headers)
  const envelope = { id: crypto.randomUUID(), nowMs: Date.now(), specversion: c.get('config').ownEventsSpecversion }
  const retryMs =
    error.kind === 'busy' ? error.retryMs : REFUSED_RETRY_MS + Math.floor(Math.random() * REFUSED_JITTER_MS)
  const body = encodeRefusal(
    connectionClosed(envelope, toClose(error)),
    retryMs,
    queryParameter(c.req.url, 'name') !== 'message',
  )
  return new Response(body, {
    headers: { ...headers, ...SSE_HEADERS, 'retry-after': String(Math.ceil(retryMs / 1_000)) },
  })
}

/** Returns whether the client accepts event streams. A client without `Accept` reads the HTTP status instead. */
function acceptsStream(accept: string | undefined): boolean {
  const ranges = (accept ?? '').toLowerCase().split(',')
  return ranges.some((range) => /^\s*(text\/event-stream|text\/\*|\*\/\*)\s*(;(?!\s*q=0(\.0*)?\s*$)|$)/.test(range))
}
