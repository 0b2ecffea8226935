// GET /_rig/v1/connection/longpolling: opens a session, or polls one. RIG's dialect keeps the session in two cookies.
// Clients that cannot use cookies send the parameter `connection_token` instead, empty at first; they then find token
// and position in every answer, and get no cookie. The client has the cursor: nothing is kept per poll.
import { parse as parseCookies } from 'hono/utils/cookie'
import { parseConnectionToken } from '../../core/identity/connection-token.ts'
import { fail, type Result } from '../../core/result.ts'
import type { RigelError } from '../../core/errors.ts'
import { shardStub, type PollAnswer } from '../../rpc/shard.ts'
import { authorizeConnection } from './authorize-connection.ts'
import { openSessionAtShard } from './open-at-shard.ts'
import { credentialedCorsHeaders, isTrustedOrigin, namesOrigins } from '../cors.ts'
import { errorResponse, shardFailure, methodNotAllowed } from '../error-response.ts'
import { EARLIEST } from '../../core/identity/since.ts'
import { findPosition } from '../request/position-source.ts'
import { queryParameter } from '../request/query.ts'
import type { HandlerContext } from '../worker-context.ts'

/** RIG's value for the start of the session. */
const FIRST_EVENT = 'first_event'

/**
 * Refusal of cookies on a request that another site caused: the site cannot read the response, but would move the
 * cursor.
 */
const FOREIGN_COOKIES: RigelError = {
  kind: 'bad_request',
  message:
    'Cookies of another site do not count here: list its origin in CORS, or poll with the parameter connection_token, empty at first.',
}

/** The client's part of a session: in cookies or, without cookies, in the query. */
interface PollCursor {
  readonly connectionToken: string
  readonly lastEventId: string | null
  readonly withCookies: boolean
}

export async function longpoll(c: HandlerContext): Promise<Response> {
  // HEAD is refused too: it would poll, and discard the events of the response.
  if (c.req.raw.method !== 'GET') return methodNotAllowed('GET, OPTIONS')
  const cursor = readCursor(c)
  if (cursor.withCookies && hasForeignCookies(c)) return errorResponse(FOREIGN_COOKIES, headersOf(c))
  const polled = await poll(c, cursor)
  if (polled.ok) return answerPoll(c, cursor, polled.value)
  const isOver = polled.reason.kind === 'connection_gone' || polled.reason.kind === 'moved'
  if (!isOver) return errorResponse(polled.reason, headersOf(c))
  const opened = await open(c, cursor)
  return opened.ok ? answerOpened(c, cursor, opened.value) : errorResponse(opened.reason, headersOf(c))
}

function getCookie(c: HandlerContext, name: string): string | undefined {
  return parseCookies(c.req.header('cookie') ?? '', name)[name]
}

function hasForeignCookies(c: HandlerContext): boolean {
  return getCookie(c, 'connection_token') !== undefined && !isTrustedOrigin(c.get('config'), c.req.raw)
}

function readCursor(c: HandlerContext): PollCursor {
  const inQuery = queryParameter(c.req.url, 'connection_token')
  const withCookies = inQuery === null
  const id = (withCookies ? getCookie(c, 'last_event_id') : undefined) || findPosition(c.req.raw)
  const lastEventId = id?.replaceAll('"', '') ?? ''
  return {
    connectionToken: inQuery ?? getCookie(c, 'connection_token') ?? '',
    lastEventId: lastEventId === '' || lastEventId === FIRST_EVENT ? null : lastEventId,
    withCookies,
  }
}

/** A client with an invalid token, or with a token of a shard that no longer exists, gets a new session. */
async function poll(c: HandlerContext, cursor: PollCursor): Promise<Result<PollAnswer, RigelError>> {
  const address = parseConnectionToken(cursor.connectionToken)
  if (address === undefined || !(await c.get('shardMap').has(address.shard))) return fail({ kind: 'connection_gone' })
  try {
    const lastEventId = cursor.lastEventId === EARLIEST ? null : cursor.lastEventId
    return await shardStub(c.env, address.shard).poll(address.connectionId, lastEventId)
  } catch (error) {
    return fail(shardFailure(error))
  }
}

/**
 * Opens a session at the client's position, if it has one, so that it loses no events when its old session has ended.
 */
async function open(c: HandlerContext, cursor: PollCursor): Promise<Result<string, RigelError>> {
  const { lastEventId } = cursor
  const granted = await authorizeConnection(c, { transport: 'longpolling', lastEventId })
  return granted.ok ? openSessionAtShard(c, granted.value.connect) : granted
}

/** A client keeps its position until its first poll has been answered: the session may be lost before that, too. */
function answerOpened(c: HandlerContext, cursor: PollCursor, connectionToken: string): Response {
  const lastEventId = cursor.lastEventId ?? FIRST_EVENT
  const started = { connection_token: connectionToken, last_event_id: lastEventId, events: [] }
  const json = JSON.stringify(cursor.withCookies ? 'ok' : started)
  return answer(c, json, { ...cursor, connectionToken, lastEventId })
}

function answerPoll(c: HandlerContext, cursor: PollCursor, polled: PollAnswer): Response {
  const gap = polled.recovered ? {} : { recovered: false }
  const token = cursor.withCookies ? {} : { connection_token: cursor.connectionToken }
  // Events are JSON texts already, and stay as they came.
  const head = JSON.stringify({ ...token, ...gap, last_event_id: polled.lastEventId })
  const json = `${head.slice(0, -1)},"events":[${polled.events.join(',')}]}`
  return answer(c, json, { ...cursor, lastEventId: polled.lastEventId })
}

function answer(c: HandlerContext, json: string, next: PollCursor): Response {
  const response = new Response(json, {
    headers: { ...headersOf(c), 'content-type': 'application/json; charset=utf-8' },
  })
  if (next.withCookies) {
    response.headers.append('set-cookie', cookie(c, 'connection_token', next.connectionToken))
    response.headers.append('set-cookie', cookie(c, 'last_event_id', JSON.stringify(next.lastEventId)))
  }
  return response
}

/** Rigel makes both values, so they need no escaping. RIG writes the quotes of `last_event_id` as they are. */
function cookie(c: HandlerContext, name: string, value: string): string {
  const isHttps = c.req.url.startsWith('https:')
  // Where CORS lists no origins, no other site's page can read an answer, so none needs to send the cookies.
  const sameSite = isHttps && namesOrigins(c.get('config')) ? 'None' : 'Lax'
  return `${name}=${value}; path=/; HttpOnly; SameSite=${sameSite}${isHttps ? '; Secure' : ''}`
}

function headersOf(c: HandlerContext): Record<string, string> {
  return { ...credentialedCorsHeaders(c.get('config'), c.req.raw), 'cache-control': 'no-cache' }
}
