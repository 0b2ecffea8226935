// The door to the shards: the one place that makes their stubs, and that stamps and reads what crosses from the Worker
// to a shard with a request. The stamped request is built from nothing, so no header of a client can reach a shard.
import type { ConnectRequest } from '../core/principal.ts'

const CONNECT_HEADER = 'rigel-connect'

export function shardStub(env: Env, shard: number) {
  return env.USER_SHARD.getByName(`shard-${shard}`)
}

/** The request that opens a connection at a shard. Passing it to `shardStub(...).fetch` hands the client's stream or socket over. */
export function stampConnect(connect: ConnectRequest): Request {
  const headers = new Headers({ [CONNECT_HEADER]: encodeURIComponent(JSON.stringify(connect)) })
  if (connect.transport === 'ws') headers.set('upgrade', 'websocket')
  return new Request(`https://shard/${connect.transport}`, { headers })
}

/** Undefined if the request was not stamped by the Worker: it is then refused. */
export function readConnect(request: Request): ConnectRequest | undefined {
  const header = request.headers.get(CONNECT_HEADER)
  if (header === null) return undefined
  return JSON.parse(decodeURIComponent(header)) as ConnectRequest
}
