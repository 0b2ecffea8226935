// PUT /_rig/v1/connection/{sse|ws|longpolling}/{token}/subscriptions: replaces a connection's subscriptions by those of
// the body and those that the request's tokens imply. The checks come in RIG's order, with two exceptions: only the shard
// knows whether the connection exists, and a check service is asked about the subscriptions as Rigel reads them.
import { stringifyScalars } from '../../core/scalar.ts'
import { decodeUtf8 } from '../../core/text.ts'
import { isObject, parseJsonOrReason } from '../../core/json.ts'
import type { Context } from 'hono'
import type { Config } from '../../config/parse-config.ts'
import type { RigelError } from '../../core/errors.ts'
import type { MergedPrincipal } from '../../core/identity/principal.ts'
import type { ConnectionAddress } from '../../core/identity/connection-token.ts'
import { mediaTypeOf } from '../../core/media-type.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import {
  inferSubscriptions,
  mergeSubscriptions,
  parseSubscriptions,
} from '../../core/subscriptions/parse-subscriptions.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import type { VerifiedToken } from '../../auth/verify-token.ts'
import { shardStub } from '../../rpc/shard.ts'
import { bearerTokens } from '../request/token-source.ts'
import { NO_TOKEN, readAsOf, subscriptionRules, verifyFor, grantFor } from './authorize-connection.ts'
import { readAddress, refusedRequest, toPutError } from './connection-request.ts'
import { corsHeaders } from '../cors.ts'
import { errorResponse, shardFailure } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'

/** Room for 10,000 subscriptions, the most that can be configured, of 200 bytes each. */
const MAX_BODY_BYTES = 2_097_152

/** Characters of a body that an error text quotes. */
const MAX_SHOWN_CHARS = 1_000

export async function putSubscriptions(c: Context<HttpEnv>): Promise<Response> {
  const replaced = await replaceSubscriptions(c)
  const cors = corsHeaders(c.var.config, c.req.raw)
  return replaced.ok ? new Response(null, { status: 204, headers: cors }) : errorResponse(replaced.reason, cors)
}

async function replaceSubscriptions(c: Context<HttpEnv>): Promise<Result<null, RigelError>> {
  const { config, verifyToken } = c.var
  const body = await readSubscriptionsBody(c)
  if (!body.ok) return body
  const { subscriptionCheck: check } = config
  const verified = await Promise.all(bearerTokens(c.req.raw).map((token) => verifyFor(check, token, verifyToken)))
  const isTokenMissing = check === 'jwt_validation' && !verified.some((token) => token.ok)
  if (isTokenMissing) return fail({ kind: 'subscription_denied' })
  const address = await readAddress(c.req.param('token') ?? '', c.var.shardMap)
  if (!address.ok) return address
  const tokens = allValid(verified)
  if (!tokens.ok) return tokens
  const set = readSubscriptions(body.value.subscriptions, tokens.value, config)
  if (!set.ok) return set
  const { asOf } = body.value
  if (asOf !== undefined && typeof asOf !== 'string') return fail(refusedRequest('as_of is expected to be a string'))
  const offsets = readAsOf(asOf)
  if (!offsets.ok) return offsets
  if (!(await maySubscribe(c, set.value.given))) return fail({ kind: 'subscription_denied' })
  return setSubscriptions(c, address.value, set.value, tokens.value, offsets.value)
}

/**
 * SUBSCRIPTION_CHECK as a service. It gets the subscriptions as Rigel reads them: in the request itself a member may
 * occur twice, or under two names, and the service might read another one than Rigel.
 */
async function maySubscribe(c: Context<HttpEnv>, given: readonly Subscription[]): Promise<boolean> {
  const { subscriptionCheck } = c.var.config
  if (typeof subscriptionCheck === 'string') return true
  return c.var.askService(subscriptionCheck.url, {
    contentType: c.req.header('content-type') ?? 'application/json',
    authorization: c.req.header('authorization') ?? null,
    body: stringifyScalars({ subscriptions: given }),
  })
}

/** The members of the body, not parsed yet. */
interface SubscriptionsBody {
  readonly subscriptions: unknown
  readonly asOf: unknown
}

async function readSubscriptionsBody(c: Context<HttpEnv>): Promise<Result<SubscriptionsBody, RigelError>> {
  const request = c.req.raw
  if (!acceptsJson(request)) {
    const message = `Not acceptable: got accept "${request.headers.get('accept')}", supported is application/json.`
    return fail({ kind: 'not_acceptable', message })
  }
  const mediaType = mediaTypeOf(request.headers)
  if (mediaType !== 'application/json') return notJson(`the content-type is ${mediaType ?? 'missing'}`)
  const body = await c.var.bodies.read(request, MAX_BODY_BYTES)
  if (!body.ok && body.reason.kind === 'body_too_large')
    return notJson(`the body is larger than ${MAX_BODY_BYTES} bytes`)
  if (!body.ok) return body
  const text = decodeUtf8(body.value)
  if (text === undefined) return notJson('the body is not UTF-8')
  const parsed = parseJsonOrReason(text)
  if (!parsed.ok) return notJson(parsed.reason)
  if (!isObject(parsed.value) || !Object.hasOwn(parsed.value, 'subscriptions')) {
    const shown = JSON.stringify(parsed.value).slice(0, MAX_SHOWN_CHARS)
    const message = `Expected field "subscriptions" is not present.\n\nDecoded request body:\n${shown}`
    return fail({ kind: 'bad_request', message })
  }
  return ok({ subscriptions: parsed.value['subscriptions'], asOf: parsed.value['as_of'] })
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

/** As in RIG, one bad token refuses all: otherwise the subscriptions that it implies would be missing without an error. */
function allValid(
  verified: readonly Result<VerifiedToken, RigelError>[],
): Result<readonly VerifiedToken[], RigelError> {
  const tokens: VerifiedToken[] = []
  for (const result of verified) {
    if (!result.ok) return fail(toPutError(result.reason))
    tokens.push(result.value)
  }
  return ok(tokens)
}

interface SubscriptionSet {
  /** The subscriptions of the body. */
  readonly given: readonly Subscription[]
  /** The subscriptions that the tokens imply. */
  readonly inferred: readonly Subscription[]
}

function readSubscriptions(
  input: unknown,
  tokens: readonly VerifiedToken[],
  config: Config,
): Result<SubscriptionSet, RigelError> {
  // Like RIG, claims of several tokens are merged, and later ones win.
  const claims = Object.assign({}, ...tokens.map((token) => token.claims)) as VerifiedToken['claims']
  const given = parseSubscriptions(input, { ...subscriptionRules(config), claims })
  if (given.ok) return ok({ given: given.value, inferred: inferSubscriptions(config.extractors, claims) })
  if (given.reason.kind !== 'invalid_subscriptions') return given
  const details = given.reason.message.replace(
    /^could not parse subscriptions: (could not parse subscription from JSON: )?/,
    '',
  )
  return fail(refusedRequest(`could not parse given subscriptions: ${details}`))
}

/** The first user counts. What the tokens bring together ends with the first of them, by its time or its session. */
function mergePrincipals(tokens: readonly VerifiedToken[]): MergedPrincipal {
  const { principal } = tokens.find((token) => token.principal.user !== null) ?? tokens[0] ?? NO_TOKEN
  const times = tokens.flatMap((token) => token.principal.expSeconds ?? [])
  const sessions = new Set(tokens.flatMap((token) => token.principal.session ?? []))
  const moreSessions = [...sessions].filter((session) => session !== principal.session)
  return { ...principal, expSeconds: times.length === 0 ? null : Math.min(...times), moreSessions }
}

async function setSubscriptions(
  c: Context<HttpEnv>,
  { shard, connectionId }: ConnectionAddress,
  { given, inferred }: SubscriptionSet,
  tokens: readonly VerifiedToken[],
  asOf: string | undefined,
): Promise<Result<null, RigelError>> {
  const grant = tokens.length === 0 ? ok(undefined) : grantFor(c.var.config, tokens)
  if (!grant.ok) return fail(toPutError(grant.reason))
  const principal = mergePrincipals(tokens)
  try {
    const all = mergeSubscriptions(given, inferred)
    return await shardStub(c.env, shard).setSubscriptions(connectionId, all, principal, inferred, asOf, grant.value)
  } catch (error) {
    return fail(shardFailure(error))
  }
}
