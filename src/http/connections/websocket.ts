// GET /_rig/v1/connection/ws: checks the request and hands it to the shard, whose 101 goes back unmodified: its headers
// are immutable, and a socket made anew here would not hibernate. A refusal is an accepted socket that is closed at once
// with a code of the public table, because a browser shows nothing of an HTTP answer to its page.
import type { Context } from 'hono'
import type { ConnectRequest } from '../../core/identity/principal.ts'
import { toClose, type RigelError } from '../../core/errors.ts'
import { shardStub, stampConnect } from '../../rpc/shard.ts'
import { offeredProtocols } from '../token-source.ts'
import { authorizeConnection } from './authorize-connection.ts'
import { errorResponse, shardFailure } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'

type Protocol = ConnectRequest['protocol']

export async function openWebSocket(c: Context<HttpEnv>): Promise<Response> {
  if (c.req.raw.method !== 'GET') return c.text('Method Not Allowed', 405, { allow: 'GET' })
  if (c.req.header('upgrade')?.toLowerCase() !== 'websocket') {
    return c.text('Expected a WebSocket upgrade.', 426, { upgrade: 'websocket', connection: 'Upgrade' })
  }
  const offered = offeredProtocols(c.req.raw)
  const protocol = offered.includes('rigel.v1') ? 'rigel.v1' : null
  if (protocol === null && offered.some((name) => name.startsWith('bearer.'))) return errorResponse(onlyBearer)
  const admitted = await authorizeConnection(c, {
    transport: 'ws',
    lastEventId: c.req.query('last_event_id') ?? null,
    protocol,
  })
  if (!admitted.ok) return acceptAndClose(admitted.reason, protocol)
  try {
    return await shardStub(c.env, admitted.value.shard).fetch(stampConnect(admitted.value.connect))
  } catch (error) {
    return acceptAndClose(shardFailure(error), protocol)
  }
}

/**
 * A browser fails a connection whose answer names none of the protocols it offered. Naming `bearer.<token>` would put
 * the token into a response header, and so into logs: who sends a token that way offers `rigel.v1` beside it.
 */
const onlyBearer: RigelError = {
  kind: 'bad_request',
  message: 'Offer the subprotocol "rigel.v1" beside "bearer.<token>".',
}

function acceptAndClose(reason: RigelError, protocol: Protocol): Response {
  const [client, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket]
  const close = toClose(reason)
  server.accept()
  server.close(close.code, close.reason)
  const headers = protocol === null ? undefined : { 'sec-websocket-protocol': protocol }
  return new Response(null, { status: 101, webSocket: client, headers })
}
