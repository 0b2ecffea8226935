// GET /_rig/v1/connection/sse: checks the request and hands it to the shard, whose answer goes back unmodified.
import type { Context } from 'hono'
import { shardStub, stampConnect } from '../../rpc/shard.ts'
import { authorizeConnection } from './authorize-connection.ts'
import { corsHeaders } from '../cors.ts'
import { errorResponse, shardFailure } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'

export async function openSse(c: Context<HttpEnv>): Promise<Response> {
  // HEAD too: Hono would run it as GET, and a stream nobody reads would stay open.
  if (c.req.raw.method !== 'GET') return c.text('Method Not Allowed', 405, { allow: 'GET' })
  const cors = corsHeaders(c.var.config, c.req.raw)
  // The header first: an EventSource that comes back sends it, beside the query of its first request.
  const lastEventId = c.req.header('last-event-id') ?? c.req.query('last_event_id') ?? null
  const admitted = await authorizeConnection(c, { transport: 'sse', lastEventId })
  if (!admitted.ok) return errorResponse(admitted.reason, cors)
  try {
    return await shardStub(c.env, admitted.value.shard).fetch(stampConnect(admitted.value.connect))
  } catch (error) {
    return errorResponse(shardFailure(error), cors)
  }
}
