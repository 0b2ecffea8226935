// GET /_rig/v1/connection/ndjson: checks the request and hands it to the shard, whose stream goes back unmodified. Clients
// of this transport read HTTP statuses, so a refusal is an ordinary error response.
import { readError } from '../../rpc/shard.ts'
import { corsHeaders } from '../cors.ts'
import { errorResponse, shardFailure, methodNotAllowed } from '../error-response.ts'
import { findPosition } from '../request/position-source.ts'
import type { HandlerContext } from '../worker-context.ts'
import { authorizeConnection } from './authorize-connection.ts'
import { openAtShard } from './open-at-shard.ts'

export async function openNdjson(c: HandlerContext): Promise<Response> {
  // HEAD too: Hono would run it as GET, and a stream that is never read would stay open.
  if (c.req.raw.method !== 'GET') return methodNotAllowed('GET, OPTIONS')
  const cors = corsHeaders(c.get('config'), c.req.raw)
  const granted = await authorizeConnection(c, { transport: 'ndjson', lastEventId: findPosition(c.req.raw) })
  if (!granted.ok) return errorResponse(granted.reason, cors)
  try {
    const response = await openAtShard(c, granted.value.connect)
    const error = readError(response)
    return error === undefined ? response : errorResponse(error, cors)
  } catch (error) {
    return errorResponse(shardFailure(error), cors)
  }
}
