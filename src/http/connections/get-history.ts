// GET /_rig/v1/history: pages of events that are stored already, under the rights and filters of a connection. The last
// position of a page is where the next page begins, and where a connection would go on.
import type { Context } from 'hono'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { shardStub, type HistoryPage } from '../../rpc/shard.ts'
import { corsHeaders } from '../cors.ts'
import { errorResponse, methodNotAllowed, shardFailure } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'
import { authorizeConnection } from './authorize-connection.ts'
import { callShard } from './call-shard.ts'

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000

export async function getHistory(c: Context<HttpEnv>): Promise<Response> {
  if (c.req.raw.method !== 'GET') return methodNotAllowed('GET, OPTIONS')
  const headers = { ...corsHeaders(c.var.config, c.req.raw), 'cache-control': 'no-store' }
  const page = await readPage(c)
  if (!page.ok) return errorResponse(page.reason, headers)
  const { completeSinceMs, events, hasMore, lastEventId } = page.value
  const complete = completeSinceMs === null ? null : new Date(completeSinceMs).toISOString()
  const head = JSON.stringify({ last_event_id: lastEventId, complete_since: complete, has_more: hasMore })
  // Events are JSON texts already, and stay as they came.
  const items = events.map(({ id, json }) => `{"id":"${id}","event":${json}}`)
  const body = `${head.slice(0, -1)},"events":[${items.join(',')}]}`
  return new Response(body, { headers: { ...headers, 'content-type': 'application/json; charset=utf-8' } })
}

async function readPage(c: Context<HttpEnv>): Promise<Result<HistoryPage, RigelError>> {
  const limit = readLimit(c.req.query('limit'))
  if (!limit.ok) return limit
  const wanted = readTypes(c.req.query('types'), c.req.query('subscriptions'))
  if (!wanted.ok) return wanted
  const other = ['as_of', 'last_event_id'].find((name) => c.req.query(name))
  if (other !== undefined) return badRequest(`${other} is for connections: give after, or since`)
  const lastEventId = c.req.query('after') || null
  const granted = await authorizeConnection(c, { transport: 'longpolling', lastEventId, subscriptions: wanted.value })
  if (!granted.ok) return granted
  const { connect } = granted.value
  try {
    return await callShard<Result<HistoryPage, RigelError>>(
      c.var.shardMap,
      connect,
      async (
        shard,
        { atPosition, grant, inferred, lastEventId: after, principal, shardMap, sinceMs, subscriptions },
      ) => {
        const wants = { principal, subscriptions, inferred, grant }
        const query = { ...wants, lastEventId: after, sinceMs, atPosition, shardMap }
        return shardStub(c.env, shard).readHistory(query, limit.value)
      },
      (answer) => (answer.ok ? undefined : answer.reason),
    )
  } catch (error) {
    return fail(shardFailure(error))
  }
}

function readLimit(text: string | undefined): Result<number, RigelError> {
  if (text === undefined || text === '') return ok(DEFAULT_LIMIT)
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (limit >= 1 && limit <= MAX_LIMIT) return ok(limit)
  return badRequest(`limit must be a number from 1 to ${MAX_LIMIT}`)
}

/** Returns the list of subscriptions as JSON: `types` is a short form of those without constraints. */
function readTypes(types: string | undefined, given: string | undefined): Result<string | undefined, RigelError> {
  if (types === undefined || types === '') return ok(given || undefined)
  if (given) return badRequest('types and subscriptions exclude each other: types has no constraints')
  return ok(JSON.stringify(types.split(',').map((eventType) => ({ eventType: eventType.trim() }))))
}

function badRequest(message: string): Result<never, RigelError> {
  return fail({ kind: 'bad_request', message })
}
