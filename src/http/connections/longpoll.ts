// GET /_rig/v1/connection/longpolling: opens a session, or polls one. RIG's dialect keeps the session in two cookies.
// Clients that cannot use cookies send the parameter `connection_token` instead, empty at first; they then find token
// and position in every answer, and get no cookie. The cursor is the client's: nothing is kept per poll.
import type { Context } from 'hono'
import { getCookie } from 'hono/cookie'
import { parseConnectionToken } from '../../core/identity/connection-token.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { RigelError } from '../../core/errors.ts'
import { shardStub } from '../../rpc/shard.ts'
import { authorizeConnection } from './authorize-connection.ts'
import { credentialedCorsHeaders, namesOrigins } from '../cors.ts'
import { errorResponse, shardFailure } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'

/** RIG's word for: from the session's start. */
const FIRST_EVENT = 'first_event'

/** As the shard answers it. */
interface Polled {
  readonly lastEventId: string
  readonly events: readonly string[]
  /** False: there is a gap before these events. */
  readonly recovered: boolean
}

/** What the client holds of a session: by cookie or, without cookies, by query. */
interface Cursor {
  readonly connectionToken: string
  readonly lastEventId: string | null
  readonly withCookies: boolean
}

export async function longpoll(c: Context<HttpEnv>): Promise<Response> {
  // HEAD too: it would take a poll's answer and throw it away.
  if (c.req.raw.method !== 'GET') return c.text('Method Not Allowed', 405, { allow: 'GET, OPTIONS' })
  const cursor = readCursor(c)
  const polled = await poll(c, cursor)
  if (polled.ok) return answerPoll(c, cursor, polled.value)
  if (polled.reason.kind !== 'connection_gone') return errorResponse(polled.reason, headersOf(c))
  const opened = await open(c, cursor)
  return opened.ok ? answerOpened(c, cursor, opened.value) : errorResponse(opened.reason, headersOf(c))
}

function readCursor(c: Context<HttpEnv>): Cursor {
  const asked = c.req.query('connection_token')
  const withCookies = asked === undefined
  const id = (withCookies ? getCookie(c, 'last_event_id') : undefined) ?? c.req.query('last_event_id')
  const lastEventId = id?.replaceAll('"', '') ?? ''
  return {
    connectionToken: asked ?? getCookie(c, 'connection_token') ?? '',
    lastEventId: lastEventId === '' || lastEventId === FIRST_EVENT ? null : lastEventId,
    withCookies,
  }
}

/** A token that is none, or of a shard that is no more, is a connection that is gone: the client gets a new session. */
async function poll(c: Context<HttpEnv>, cursor: Cursor): Promise<Result<Polled, RigelError>> {
  const address = parseConnectionToken(cursor.connectionToken)
  if (address === undefined || address.shard >= c.var.config.shards) return fail({ kind: 'connection_gone' })
  try {
    return await shardStub(c.env, address.shard).poll(address.connectionId, cursor.lastEventId)
  } catch (error) {
    return fail(shardFailure(error))
  }
}

/** Goes on from where the client was, if it was anywhere: that its session is gone must not cost it events. */
async function open(c: Context<HttpEnv>, cursor: Cursor): Promise<Result<string, RigelError>> {
  const { lastEventId } = cursor
  const admitted = await authorizeConnection(c, { transport: 'longpolling', lastEventId })
  if (!admitted.ok) return admitted
  const { inferred, principal, subscriptions } = admitted.value.connect
  try {
    const shard = shardStub(c.env, admitted.value.shard)
    const opened = await shard.openLongpolling(principal, subscriptions, lastEventId, inferred)
    return opened.ok ? ok(opened.value.connectionToken) : fail(opened.reason)
  } catch (error) {
    return fail(shardFailure(error))
  }
}

function answerOpened(c: Context<HttpEnv>, cursor: Cursor, connectionToken: string): Response {
  const started = { connection_token: connectionToken, last_event_id: FIRST_EVENT, events: [] }
  const json = JSON.stringify(cursor.withCookies ? 'ok' : started)
  return answer(c, json, { ...cursor, connectionToken, lastEventId: FIRST_EVENT })
}

function answerPoll(c: Context<HttpEnv>, cursor: Cursor, polled: Polled): Response {
  const gap = polled.recovered ? {} : { recovered: false }
  const token = cursor.withCookies ? {} : { connection_token: cursor.connectionToken }
  // Events are JSON texts already, and stay as they came.
  const head = JSON.stringify({ ...token, ...gap, last_event_id: polled.lastEventId })
  const json = `${head.slice(0, -1)},"events":[${polled.events.join(',')}]}`
  return answer(c, json, { ...cursor, lastEventId: polled.lastEventId })
}

function answer(c: Context<HttpEnv>, json: string, next: Cursor): Response {
  const headers = new Headers({ ...headersOf(c), 'content-type': 'application/json; charset=utf-8' })
  if (next.withCookies) {
    headers.append('set-cookie', cookie(c, 'connection_token', next.connectionToken))
    headers.append('set-cookie', cookie(c, 'last_event_id', JSON.stringify(next.lastEventId)))
  }
  return new Response(json, { headers })
}

/** Both values are of our own making and need no escaping; RIG writes the quotes of `last_event_id` as they are. */
function cookie(c: Context<HttpEnv>, name: string, value: string): string {
  const isHttps = new URL(c.req.url).protocol === 'https:'
  // Without named origins nobody else's page can read an answer, so nobody else's page need send the cookies either.
  const sameSite = isHttps && namesOrigins(c.var.config) ? 'None' : 'Lax'
  return `${name}=${value}; path=/; HttpOnly; SameSite=${sameSite}${isHttps ? '; Secure' : ''}`
}

function headersOf(c: Context<HttpEnv>): Record<string, string> {
  return { ...credentialedCorsHeaders(c.var.config, c.req.raw), 'cache-control': 'no-cache' }
}
