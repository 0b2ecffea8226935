// The table of all errors that clients can get: kind → HTTP status, WebSocket close code and text. One row a
// kind; the type RigelError is derived from it. Inside, an error carries details; outside it is one line and a stable
// code. http/error-response.ts and the transports of the shard write it to clients. Texts that RIG has are RIG's.
import { CLOSE, cutToReason, type Close } from './close-codes.ts'
import { parseJson } from './json.ts'
import type { ShardMap } from './shard-map/shard-map.ts'

type HttpStatus = 400 | 401 | 403 | 404 | 405 | 406 | 408 | 410 | 413 | 415 | 429 | 502 | 503 | 504 | 508

/** The `error` code of a `WWW-Authenticate` header (RFC 6750, 3.1). */
type Challenge = 'invalid_token' | 'insufficient_scope'

interface ErrorRow<D> {
  readonly status: HttpStatus
  readonly close: Close | ((details: D) => Close)
  readonly text: (details: D) => string
  readonly challenge?: Challenge
}

/** Characters of what a client sent that an error text quotes. */
const MAX_SHOWN_CHARS = 100

interface MessageDetails {
  readonly message: string
}
interface Limit {
  readonly limitBytes: number
}
interface Timeout {
  readonly timeoutMs: number
}

/** `text` either is fixed, or is made of the details of the error, whose type it thereby declares. */
function row<D = unknown>(
  status: HttpStatus,
  close: ErrorRow<D>['close'],
  text: string | ((details: D) => string),
  challenge?: Challenge,
): ErrorRow<D> {
  return { status, close, text: typeof text === 'string' ? () => text : text, ...(challenge ? { challenge } : {}) }
}

/** Rounded up: who comes earlier is refused again. */
function secondsOf(ms: number): number {
  return Math.ceil(ms / 1_000)
}

const ownMessage = ({ message }: MessageDetails) => message

const forbiddenText = ({ message }: MessageDetails) => `Forbidden: ${message}.`

/** RIG's text for a bad token when a connection is opened. */
const badToken = (details: string) => `could not parse subscriptions: could not decode JWT: ${details}`

const ERRORS = {
  // What the client sent.
  bad_request: row(
    400,
    ({ message }: MessageDetails) => ({ code: CLOSE.badRequest.code, reason: cutToReason(message) }),
    ownMessage,
  ),
  invalid_subscriptions: row(400, CLOSE.badRequest, ownMessage),
  too_many_subscriptions: row(
    400,
    CLOSE.badRequest,
    ({ got, limit }: { readonly limit: number; readonly got: number }) =>
      `Too many subscriptions: got ${got}, at most ${limit} are allowed.`,
  ),
  /** The limit counts the types of all connections of one shard. */
  too_many_event_types: row(
    429,
    CLOSE.unavailable,
    ({ limit }: { readonly limit: number }) =>
      `Too many event types: ${limit} are subscribed to already (MAX_EVENT_TYPES_PER_SHARD).`,
  ),
  subscriptions_too_large: row(
    400,
    CLOSE.badRequest,
    ({ gotBytes, limitBytes }: Limit & { readonly gotBytes: number }) =>
      `Subscriptions too large: ${gotBytes} bytes of JSON, at most ${limitBytes} are allowed.`,
  ),
  not_a_cloud_event: row(400, CLOSE.badRequest, ownMessage),
  invalid_recipients: row(400, CLOSE.badRequest, ownMessage),
  event_too_large: row(
    413,
    CLOSE.tooLarge,
    ({ gotBytes, limitBytes }: Limit & { readonly gotBytes: number }) =>
      `Event too large: ${gotBytes} bytes, at most ${limitBytes} are allowed.`,
  ),
  too_many_events: row(
    413,
    CLOSE.tooLarge,
    ({ limit }: { readonly limit: number }) => `Batch too large: at most ${limit} events are allowed.`,
  ),
  body_too_large: row(
    413,
    CLOSE.tooLarge,
    ({ limitBytes }: Limit) => `Body too large: at most ${limitBytes} bytes are allowed.`,
  ),
  body_too_slow: row(408, CLOSE.badRequest, 'The body came too slowly.'),
  /** The memory for bodies that are being read is used up, or one address's share of it. */
  too_many_bodies: row(503, CLOSE.unavailable, 'Too many large bodies are being read, come back.'),
  unsupported_content_type: row(415, CLOSE.badRequest, ownMessage),
  unsupported_content_encoding: row(
    415,
    CLOSE.badRequest,
    ({ coding }: { readonly coding: string }) =>
      `The content-encoding ${coding.slice(0, MAX_SHOWN_CHARS)} is not supported: send gzip, deflate or none.`,
  ),
  not_acceptable: row(406, CLOSE.badRequest, ownMessage),
  protocol_violation: row(
    400,
    ({ message }: MessageDetails) => ({ code: 4504, reason: cutToReason(message) }),
    ownMessage,
  ),
  rate_limited: row(429, CLOSE.tooMany, 'Too many requests.'),

  // The token, and what it permits.
  no_token: row(401, CLOSE.invalidToken, 'A token is required.'),
  invalid_token: row(401, CLOSE.invalidToken, ({ message }: MessageDetails) => badToken(message), 'invalid_token'),
  token_expired: row(401, CLOSE.tokenExpired, badToken('token expired'), 'invalid_token'),
  /** The token names a session that has been revoked. */
  session_revoked: row(
    401,
    CLOSE.sessionKilled,
    ({ session }: { readonly session: string }) => badToken(revoked(session)),
    'invalid_token',
  ),
  authentication_failed: row(401, CLOSE.invalidToken, 'Authentication failed.'),
  insufficient_scope: row(
    403,
    CLOSE.notAuthorized,
    ({ missing }: { readonly missing: string }) => `The token lacks what this route requires: ${missing}`,
    'insufficient_scope',
  ),
  /** SUBSCRIPTION_CHECK denies a PUT of subscriptions. */
  subscription_denied: row(403, CLOSE.notAuthorized, 'Subscription denied.'),
  /** SUBSCRIPTION_CHECK denies a connection that is being opened: RIG has another status and text for it. */
  connection_denied: row(400, CLOSE.notAuthorized, 'Subscription denied (not authorized).'),
  /** Rules per event type (TYPES), or the token's claim `rig`. */
  type_forbidden: row<MessageDetails>(
    403,
    (details) => ({ code: CLOSE.notAuthorized.code, reason: cutToReason(forbiddenText(details)) }),
    forbiddenText,
  ),
  submission_denied: row(403, CLOSE.notAuthorized, 'Submission denied.'),

  // The connection.
  invalid_connection_token: row(400, CLOSE.badRequest, 'Invalid connection token.'),
  connection_gone: row(410, CLOSE.gone, 'Connection no longer exists.'),
  /** A shard answers this to the Worker, which then chooses another shard: the client's position is not of its log. */
  wrong_shard: row(503, CLOSE.unavailable, 'The position is of another log: try again.'),
  foreign_connection: row(403, CLOSE.notAuthorized, 'The connection belongs to another user than the token.'),
  too_many_connections: row<{ readonly scope: 'shard' | 'minute' | 'address' | 'user' | 'session' }>(
    429,
    CLOSE.tooMany,
    'Reached maximum number of connections',
  ),
  slow_reader: row(
    503,
    CLOSE.slowReader,
    ({ limitBytes }: Limit) => `The reader is too slow: more than ${limitBytes} bytes wait for it.`,
  ),
  lifetime_reached: row(503, CLOSE.lifetimeReached, 'The connection reached its maximum lifetime.'),
  /** The client sent no heartbeat in time. */
  silent: row(410, CLOSE.silent, 'No message came from the client in time.'),
  /** The number of shards has changed: the client's connection is at another shard now. `map`: the newest one. */
  moved: row<{ readonly map?: ShardMap }>(503, CLOSE.moved, 'Temporarily unavailable, come back.'),
  closed_by_operator: row(410, CLOSE.byOperator, 'The connection was closed by an operator.'),
  session_killed: row(403, CLOSE.sessionKilled, 'Session killed.'),

  // The API gateway.
  no_route: row(404, CLOSE.badRequest, 'Not Found'),
  method_not_allowed: row(405, CLOSE.badRequest, 'Method not allowed.'),
  loop: row(508, CLOSE.badRequest, 'Loop detected: a target of an API definition is Rigel itself.'),
  upstream_unreachable: row(502, CLOSE.unavailable, 'Bad gateway: the service could not be reached.'),
  /** The circuit breaker is open. */
  upstream_unavailable: row(
    503,
    CLOSE.unavailable,
    'The service failed several times in a row. Rigel tries it again in a few seconds.',
  ),
  upstream_timeout: row(
    504,
    CLOSE.unavailable,
    ({ timeoutMs }: Timeout) => `The service did not answer within ${timeoutMs} ms.`,
  ),
  /** The correlated response to a request that was published, or that the service answered with 202, did not come. */
  answer_timeout: row(504, CLOSE.unavailable, ({ timeoutMs }: Timeout) => `No response came within ${timeoutMs} ms.`),

  /** More clients connect than can be served at the moment. `retryMs`: after which this one is to come back. */
  busy: row<{ readonly retryMs: number }>(
    503,
    ({ retryMs }) => ({ code: CLOSE.unavailable.code, reason: `Many clients connect: come back in ${retryMs} ms.` }),
    'Temporarily unavailable, come back.',
  ),
  /** A shard, a registry, the log or a key set is out of reach for a moment. */
  unavailable: row(503, CLOSE.unavailable, ownMessage),
} as const

type ErrorKind = keyof typeof ERRORS
type DetailsOf<R> = R extends ErrorRow<infer D> ? D : never

/** `kind`, and the details that its row in the table asks for. */
export type RigelError = { readonly [K in ErrorKind]: { readonly kind: K } & DetailsOf<(typeof ERRORS)[K]> }[ErrorKind]

/** An error as an HTTP response: status and a text of one line. */
export interface HttpFailure {
  readonly status: HttpStatus
  readonly message: string
  /** Set where a 401 or 403 is about the token that came with the request. */
  readonly challenge?: Challenge
  /** Set where it is known when the client is to come back. */
  readonly retrySeconds?: number
}

/** Returns the HTTP status and text of an error. */
export function toHttp(error: RigelError): HttpFailure {
  const { challenge, status, text } = rowOf(error)
  const retry = error.kind === 'busy' ? { retrySeconds: secondsOf(error.retryMs) } : {}
  return { status, message: text(error), ...(challenge ? { challenge } : {}), ...retry }
}

/** Returns the WebSocket close code and reason of an error. SSE sends them as `rig.connection.close`. */
export function toClose(error: RigelError): Close {
  const { close } = rowOf(error)
  return typeof close === 'function' ? close(error) : close
}

/** The row's functions take the details of their own kind, which `error` has: it was found by its kind. */
function rowOf(error: RigelError): ErrorRow<RigelError> {
  return ERRORS[error.kind] as ErrorRow<never> as ErrorRow<RigelError>
}

/** Parses an error that another version of Rigel may have written. Returns undefined for a kind that this version lacks. */
export function parseError(text: string): RigelError | undefined {
  const error = parseJson(text)
  if (typeof error !== 'object' || error === null || !('kind' in error)) return undefined
  return typeof error.kind === 'string' && Object.hasOwn(ERRORS, error.kind) ? (error as RigelError) : undefined
}

/** Returns RIG's text for a token whose session is revoked. */
export function revoked(session: string): string {
  return `Ignoring blacklisted JWT with ID ${JSON.stringify(session)}`
}
