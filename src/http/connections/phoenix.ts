// Phoenix Channels: /websocket and /longpoll, for the client library of the Phoenix web framework. Checks the token,
// chooses the shard and calls it. Long-polling always answers 200; its status is in the body.
import type { Context, MiddlewareHandler } from 'hono'
import { parseConnectionToken, type ConnectionAddress } from '../../core/identity/connection-token.ts'
import { toHttp, type RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { decodeUtf8 } from '../../core/text.ts'
import { readError, shardStub } from '../../rpc/shard.ts'
import { findToken, offeredProtocols } from '../request/token-source.ts'
import { authorizeConnection, type ConnectGrant } from './authorize-connection.ts'
import { callShard } from './call-shard.ts'
import { openAtShard } from './open-at-shard.ts'
import { readHello } from './phoenix-hello.ts'
import { corsHeaders } from '../cors.ts'
import { RETRY_AFTER_SECONDS, shardFailure } from '../error-response.ts'
import { addressPayer } from '../request/client-key.ts'
import { refuseNoUpgrade } from './websocket.ts'
import type { HttpEnv } from '../worker-context.ts'

/** The library's subprotocol, and the one that carries its `authToken`. */
const PROTOCOL = 'phoenix'
const AS_OF_OF_CHANNEL = 'as_of belongs in the join of a channel: each channel joins at offsets of its own'
const AUTH_PROTOCOL = 'base64url.bearer.phx.'
const AUTH_HEADER = 'x-phoenix-authtoken'

/** Allows a batch of a hundred messages, the limit of the library. */
const MAX_BODY_BYTES = 4_194_304

type PhoenixContext = Context<HttpEnv>

/** A session token: the connection, and the last message that its client has. */
interface PhoenixSession extends ConnectionAddress {
  readonly cursor: number
}

export async function openPhoenixSocket(c: PhoenixContext): Promise<Response> {
  const refused = refuseNoUpgrade(c)
  if (refused !== undefined) return refused
  const granted = await authorizePhoenix(c)
  if (!granted.ok) return refuseUpgrade(c, granted.reason)
  try {
    const response = await openAtShard(c, granted.value.connect)
    const error = readError(response)
    return error === undefined ? response : refuseUpgrade(c, error)
  } catch (error) {
    return refuseUpgrade(c, shardFailure(error))
  }
}

/** By status: the library tells its user of a refused upgrade, and retries or falls back. It reads no close code. */
function refuseUpgrade(c: PhoenixContext, error: RigelError): Response {
  const status = statusOf(error)
  const retryAfter = { 'retry-after': String(toHttp(error).retrySeconds ?? RETRY_AFTER_SECONDS) }
  return c.text(status === 403 ? 'Forbidden' : 'Unavailable', status, status === 403 ? {} : retryAfter)
}

/** RIG 1.x's paths exist if PHOENIX_LEGACY_PATHS is set; otherwise an API definition may use them. */
export function ifLegacy(handler: (c: PhoenixContext) => Response | Promise<Response>): MiddlewareHandler<HttpEnv> {
  return (c, next) => (c.var.config.phoenix.legacyPaths ? Promise.resolve(handler(c)) : next())
}

/** GET: opens a session, or polls one. POST: messages of the client. */
export async function phoenixLongpoll(c: PhoenixContext): Promise<Response> {
  const session = await readSession(c)
  try {
    if (c.req.raw.method === 'POST') return answer(c, { status: await push(c, session) })
    return session === undefined ? await open(c) : await poll(c, session)
  } catch (error) {
    shardFailure(error)
    return answer(c, { status: 500 })
  }
}

export function phoenixPreflight(c: PhoenixContext): Response {
  return new Response(null, {
    status: 200,
    headers: {
      ...corsHeaders(c.var.config, c.req.raw),
      'access-control-allow-methods': 'get, post, options',
      'access-control-allow-headers': `content-type, authorization, ${AUTH_HEADER}`,
      'access-control-max-age': '3600',
    },
  })
}

/** The library takes 410 with a token for its new session. */
async function open(c: PhoenixContext): Promise<Response> {
  const granted = await authorizePhoenix(c)
  if (!granted.ok) return answer(c, { status: statusOf(granted.reason) === 403 ? 403 : 500 })
  const opened = await callShard(
    c.var.shardMap,
    granted.value.connect,
    async (shard, connect) => shardStub(c.env, shard).openPhoenixSession(connect),
    (answered) => (answered.ok ? undefined : answered.reason),
  )
  if (!opened.ok) return answer(c, { status: statusOf(opened.reason) === 403 ? 403 : 500 })
  return answer(c, { status: 410, token: `${opened.value.connectionToken}.0` })
}

async function poll(c: PhoenixContext, { shard, connectionId, cursor }: PhoenixSession): Promise<Response> {
  const taken = await shardStub(c.env, shard).pollPhoenix(connectionId, cursor)
  // Without a token, 410 tells the library that its session is gone: it opens another one and rejoins its channels.
  if (taken.kind === 'gone') return answer(c, { status: 410 })
  const token = `${shard}.${connectionId}.${taken.cursor}`
  if (taken.kind === 'nothing') return answer(c, { status: 204, token, messages: [] })
  return answer(c, { status: 200, token, messages: taken.frames })
}

async function push(c: PhoenixContext, session: PhoenixSession | undefined): Promise<number> {
  if (session === undefined) return 410
  const body = await c.var.bodies.read(c.req.raw, MAX_BODY_BYTES)
  if (!body.ok) return 500
  const text = decodeUtf8(body.value)
  if (text === undefined) return 500
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const frames = lines.map(toFrame)
  return (await shardStub(c.env, session.shard).pushPhoenix(session.connectionId, frames)) ? 200 : 410
}

/** The library sends binary messages in base64, which never begins like JSON. */
function toFrame(line: string): string | ArrayBuffer {
  if (/^\s*[[{]/.test(line)) return line
  try {
    return Uint8Array.from(atob(line), (char) => char.charCodeAt(0)).buffer
  } catch {
    return line
  }
}

async function authorizePhoenix(c: PhoenixContext): Promise<Result<ConnectGrant, RigelError>> {
  const granted = await authorizeConnection(c, { transport: 'phoenix', lastEventId: null, token: findPhoenixToken(c) })
  if (!granted.ok) return granted
  const { claims, connect } = granted.value
  if (connect.asOf !== undefined) return fail({ kind: 'bad_request', message: AS_OF_OF_CHANNEL })
  // A browser fails a connection whose response names none of the protocols it offered.
  const protocol = offeredProtocols(c.req.raw).includes(PROTOCOL) ? PROTOCOL : null
  return ok({
    claims,
    connect: {
      ...connect,
      subscriptions: [],
      protocol,
      phoenix: {
        ...readHello(c.req.query('vsn'), claims, c.var.config.phoenix),
        ...(connect.principal.user === null ? { payer: addressPayer(c.req.raw) } : {}),
      },
    },
  })
}

/**
 * `authToken` first, then RIG 1.x's parameter `token`, after which a session token may follow, then as on any
 * transport.
 */
function findPhoenixToken(c: PhoenixContext): string | null {
  const offered = offeredProtocols(c.req.raw).find((protocol) => protocol.startsWith(AUTH_PROTOCOL))
  const parameter = c.req.queries('token')?.find((token) => token !== '' && token !== 'null' && !parseSession(token))
  const header = c.req.header(AUTH_HEADER)
  return (
    (offered === undefined ? header : fromBase64(offered.slice(AUTH_PROTOCOL.length))) ??
    parameter ??
    findToken(c.req.raw, c.var.config, ['jwt'])
  )
}

/** Text that is no base64 is returned as it is, and refused as a token. */
function fromBase64(text: string): string {
  try {
    return atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  } catch {
    return text
  }
}

/** The last `token` is the session's: the library appends it to the parameters of its user. */
async function readSession(c: PhoenixContext): Promise<PhoenixSession | undefined> {
  const session = parseSession(c.req.queries('token')?.at(-1) ?? '')
  return session !== undefined && (await c.var.shardMap.has(session.shard)) ? session : undefined
}

function parseSession(token: string): PhoenixSession | undefined {
  const [, connectionToken = '', cursor = ''] = /^(\d+\.[0-9a-f]+)\.(\d{1,15})$/.exec(token) ?? []
  const address = parseConnectionToken(connectionToken)
  return address === undefined ? undefined : { ...address, cursor: Number(cursor) }
}

function statusOf(reason: RigelError): 403 | 429 | 503 {
  if (reason.kind === 'unavailable' || reason.kind === 'busy' || reason.kind === 'moved') return 503
  return reason.kind === 'too_many_connections' ? 429 : 403
}

function answer(
  c: PhoenixContext,
  body: { readonly status: number; readonly token?: string; readonly messages?: readonly string[] },
) {
  return c.json(body, 200, { ...corsHeaders(c.var.config, c.req.raw), 'cache-control': 'no-store' })
}
