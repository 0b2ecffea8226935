// GET /_rig/v1/connection/ws: checks the request and hands it to the shard, whose 101 goes back unmodified: its headers
// are immutable, and a socket made anew here would not hibernate. A refusal is a socket that is accepted and closed at
// once with a code of the public table, because a browser shows nothing of a refused upgrade to its page.
import type { ConnectRequest } from '../../core/identity/principal.ts'
import { toClose, type RigelError } from '../../core/errors.ts'
import { offeredProtocols } from '../request/token-source.ts'
import { authorizeConnection } from './authorize-connection.ts'
import { openAtShard } from './open-at-shard.ts'
import { corsHeaders } from '../cors.ts'
import { errorResponse, shardFailure, methodNotAllowed } from '../error-response.ts'
import { findPosition } from '../request/position-source.ts'
import type { HandlerContext } from '../worker-context.ts'

type Protocol = ConnectRequest['protocol']

/**
 * A browser fails a connection whose response names none of the protocols it offered. Naming `bearer.<token>` would put
 * the token into a response header, and so into logs: a client that sends a token that way also offers `rigel.v1`.
 */
const BEARER_ALONE: RigelError = {
  kind: 'bad_request',
  message: 'Offer the subprotocol "rigel.v1" beside "bearer.<token>".',
}

export async function openWebSocket(c: HandlerContext): Promise<Response> {
  const refused = refuseNoUpgrade(c)
  if (refused !== undefined) return refused
  const offered = offeredProtocols(c.req.raw)
  const protocol = offered.includes('rigel.v1') ? 'rigel.v1' : null
  if (protocol === null && offered.some((name) => name.startsWith('bearer.'))) {
    return errorResponse(BEARER_ALONE, corsHeaders(c.get('config'), c.req.raw))
  }
  const lastEventId = findPosition(c.req.raw)
  const granted = await authorizeConnection(c, { transport: 'ws', lastEventId, protocol })
  if (!granted.ok) return acceptAndClose(granted.reason, protocol)
  try {
    return await openAtShard(c, granted.value.connect)
  } catch (error) {
    return acceptAndClose(shardFailure(error), protocol)
  }
}

/** Returns the response to a request that is no WebSocket upgrade. Used for Phoenix too. */
export function refuseNoUpgrade(c: HandlerContext): Response | undefined {
  if (c.req.raw.method !== 'GET') return methodNotAllowed('GET')
  if (c.req.header('upgrade')?.toLowerCase() === 'websocket') return undefined
  const headers = { upgrade: 'websocket', connection: 'Upgrade' }
  return new Response('Expected a WebSocket upgrade.', { status: 426, headers })
}

function acceptAndClose(error: RigelError, protocol: Protocol): Response {
  const [client, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket]
  const close = toClose(error)
  server.accept()
  server.close(close.code, close.reason)
  const headers = protocol === null ? undefined : { 'sec-websocket-protocol': protocol }
  return new Response(null, { status: 101, webSocket: client, headers })
}
