// How a shard says no to a connection: by HTTP status, or, since browsers hide the status of a refused upgrade, by
// accepting the WebSocket and closing it with the reason's code.
import type { ConnectRequest } from '../../../core/identity/principal.ts'
import { toHttp, type RigelError } from '../../../core/errors.ts'
import { closeSocket } from './websocket.ts'

export function rejectedSocket(connect: ConnectRequest, reason: RigelError): Response {
  if (connect.transport === 'ws') return refuseWebSocket(connect.protocol, reason)
  const { status, message } = toHttp(reason)
  return new Response(message, { status, headers: { 'access-control-allow-origin': connect.allowOrigin } })
}

function refuseWebSocket(protocol: ConnectRequest['protocol'], reason: RigelError): Response {
  const { 0: client, 1: server } = new WebSocketPair()
  server.accept()
  closeSocket(server, reason)
  const headers = protocol === null ? undefined : { 'sec-websocket-protocol': protocol }
  return new Response(null, { status: 101, webSocket: client, headers })
}
