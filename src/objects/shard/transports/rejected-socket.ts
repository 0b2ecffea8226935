// A connection that a shard refuses: an error for the Worker to write, or, since browsers hide the status of a refused
// upgrade, a WebSocket that is accepted and closed with the code of the error.
import type { ConnectRequest } from '../../../core/identity/principal.ts'
import type { RigelError } from '../../../core/errors.ts'
import { stampError } from '../../../rpc/shard.ts'
import { closeSocket } from './websocket.ts'

export function rejectedSocket(connect: ConnectRequest, reason: RigelError): Response {
  if (connect.transport === 'ws') return refuseWebSocket(connect.protocol, reason)
  return stampError(reason)
}

function refuseWebSocket(protocol: ConnectRequest['protocol'], reason: RigelError): Response {
  const { 0: client, 1: server } = new WebSocketPair()
  server.accept()
  closeSocket(server, reason)
  const headers = protocol === null ? undefined : { 'sec-websocket-protocol': protocol }
  return new Response(null, { status: 101, webSocket: client, headers })
}
