// PUT /_rig/v1/connection/{sse|ws|longpolling}/{token}/subscriptions: replaces a connection's subscriptions by those of
// the body and those that the request's tokens imply. The checks stand in RIG's order, one function each. One differs:
// whether the connection still exists is known by its shard only, so it is asked last.
import { decodeUtf8 } from '../../core/text.ts'
import { isObject, parseJsonOrReason } from '../../core/json.ts'
import type { Context } from 'hono'
import type { Config } from '../../config/parse-config.ts'
import { parseConnectionToken, type ConnectionAddress } from '../../core/identity/connection-token.ts'
import { revoked, type RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import {
  inferSubscriptions,
  mergeSubscriptions,
  parseSubscriptions,
} from '../../core/subscriptions/parse-subscriptions.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import { shardStub } from '../../rpc/shard.ts'
import { bearerTokens } from '../token-source.ts'
import { readBody } from '../../core/http-body.ts'
import { subscriptionRules, verifyFor } from './authorize-connection.ts'
import { corsHeaders } from '../cors.ts'
import { errorResponse, shardFailure } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'
import { mediaTypeOf } from '../../core/media-type.ts'
import type { VerifiedToken } from '../../auth/verify-token.ts'

/** Holds 10,000 subscriptions, the most that can be configured, of 200 bytes each. */
const MAX_BODY_BYTES = 2_097_152

const ANONYMOUS: VerifiedToken = { principal: { user: null, session: null, expSeconds: null }, claims: {} }

export async function putSubscriptions(c: Context<HttpEnv>): Promise<Response> {
  const replaced = await replaceSubscriptions(c)
  const cors = corsHeaders(c.var.config, c.req.raw)
  return replaced.ok ? new Response(null, { status: 204, headers: cors }) : errorResponse(replaced.reason, cors)
}

async function replaceSubscriptions(c: Context<HttpEnv>): Promise<Result<null, RigelError>> {
  const { config, verifyToken } = c.var
  const body = await readSubscriptionsBody(c.req.raw)
  if (!body.ok) return body
  const { subscriptionCheck: check } = config
  const verified = await Promise.all(bearerTokens(c.req.raw).map((token) => verifyFor(check, token, verifyToken)))
  const isAllowed = await maySubscribe(c, body.value.text, verified)
  if (!isAllowed) return fail({ kind: 'subscription_denied' })
  const address = readAddress(c.req.param('token') ?? '', config)
  if (!address.ok) return address
  const tokens = allValid(verified)
  if (!tokens.ok) return tokens
  const subscriptions = readSubscriptions(body.value.subscriptions, tokens.value, config)
  if (!subscriptions.ok) return subscriptions
  return setSubscriptions(c, address.value, subscriptions.value, tokens.value)
}

/** SUBSCRIPTION_CHECK; a service gets the very body. */
async function maySubscribe(
  c: Context<HttpEnv>,
  body: string,
  verified: readonly Result<VerifiedToken, RigelError>[],
): Promise<boolean> {
  const { subscriptionCheck } = c.var.config
  if (subscriptionCheck === 'no_check') return true
  if (subscriptionCheck === 'jwt_validation') return verified.some(({ ok: isValid }) => isValid)
  return c.var.askService(subscriptionCheck.url, {
    contentType: c.req.header('content-type') ?? 'application/json',
    authorization: c.req.header('authorization') ?? null,
    body,
  })
}

interface SubscriptionsBody {
  readonly text: string
  readonly subscriptions: unknown
}

async function readSubscriptionsBody(request: Request): Promise<Result<SubscriptionsBody, RigelError>> {
  if (!acceptsJson(request)) {
    const message = `Not acceptable: got accept "${request.headers.get('accept')}", supported is application/json.`
    return fail({ kind: 'not_acceptable', message })
  }
  const mediaType = mediaTypeOf(request.headers)
  if (mediaType !== 'application/json') return notJson(`the content-type is ${mediaType ?? 'missing'}`)
  const body = await readBody(request, MAX_BODY_BYTES)
  if (!body.ok) return notJson(`the body is larger than ${MAX_BODY_BYTES} bytes`)
  const text = decodeUtf8(body.bytes)
  if (text === undefined) return notJson('the body is not UTF-8')
  const parsed = parseJsonOrReason(text)
  if (!parsed.ok) return notJson(parsed.reason)
  if (!isObject(parsed.value) || !Object.hasOwn(parsed.value, 'subscriptions')) {
    const shown = JSON.stringify(parsed.value).slice(0, 1_000)
    const message = `Expected field "subscriptions" is not present.\n\nDecoded request body:\n${shown}`
    return fail({ kind: 'bad_request', message })
  }
  return ok({ text, subscriptions: parsed.value['subscriptions'] })
}

function acceptsJson(request: Request): boolean {
  const accept = request.headers.get('accept')
  if (accept === null || accept === '') return true
  const types = accept.split(',').map((item) => item.split(';')[0]?.trim().toLowerCase() ?? '')
  return ['*/*', 'application/*', 'application/json'].some((type) => types.includes(type))
}

function notJson(details: string): Result<never, RigelError> {
  return fail({ kind: 'bad_request', message: `Expected JSON encoded body.\n\nTechnical info:\n${details}` })
}

/** One bad token refuses all, as in RIG: the subscriptions it was to imply would silently be missing. */
function allValid(
  verified: readonly Result<VerifiedToken, RigelError>[],
): Result<readonly VerifiedToken[], RigelError> {
  const tokens: VerifiedToken[] = []
  for (const result of verified) {
    if (!result.ok) return fail(toAuthorizationReason(result.reason))
    tokens.push(result.value)
  }
  return ok(tokens)
}

export function toAuthorizationReason(reason: RigelError): RigelError {
  const details = tokenProblem(reason)
  if (details === undefined) return reason
  return refused(`invalid authorization header: could not decode JWT: ${details}`)
}

/** Undefined: it is not the token that is the problem. */
function tokenProblem(reason: RigelError): string | undefined {
  if (reason.kind === 'token_expired') return 'token expired'
  if (reason.kind === 'session_revoked') return revoked(reason.session)
  return reason.kind === 'invalid_token' ? reason.message : undefined
}

export function readAddress(token: string, config: Config): Result<ConnectionAddress, RigelError> {
  const address = parseConnectionToken(token)
  if (address === undefined) return fail({ kind: 'invalid_connection_token' })
  // There were more shards when this connection was made: asking for it would create an empty shard.
  return address.shard < config.shards ? ok(address) : fail({ kind: 'connection_gone' })
}

interface Wanted {
  readonly all: readonly Subscription[]
  /** Those of them that the tokens imply. */
  readonly inferred: readonly Subscription[]
}

function readSubscriptions(
  input: unknown,
  tokens: readonly VerifiedToken[],
  config: Config,
): Result<Wanted, RigelError> {
  // As RIG merges the claims of several tokens: later ones win.
  const claims = Object.assign({}, ...tokens.map((token) => token.claims)) as VerifiedToken['claims']
  const rules = { ...subscriptionRules(config), claims }
  const given = parseSubscriptions(input, rules)
  if (given.ok) {
    const inferred = inferSubscriptions(config.extractors, claims)
    return ok({ all: mergeSubscriptions(given.value, inferred), inferred })
  }
  if (given.reason.kind !== 'invalid_subscriptions') return given
  const details = given.reason.message.replace(
    /^could not parse subscriptions: (could not parse subscription from JSON: )?/,
    '',
  )
  return fail(refused(`could not parse given subscriptions: ${details}`))
}

function refused(details: string): RigelError {
  return { kind: 'bad_request', message: `cannot accept subscription request: ${details}` }
}

async function setSubscriptions(
  c: Context<HttpEnv>,
  { shard, connectionId }: ConnectionAddress,
  { all, inferred }: Wanted,
  tokens: readonly VerifiedToken[],
): Promise<Result<null, RigelError>> {
  const { principal } = tokens.find((token) => token.principal.user !== null) ?? tokens[0] ?? ANONYMOUS
  try {
    return await shardStub(c.env, shard).setSubscriptions(connectionId, all, principal, inferred)
  } catch (error) {
    return fail(shardFailure(error))
  }
}
