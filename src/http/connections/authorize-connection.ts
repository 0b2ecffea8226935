// The steps of opening a connection that all transports share: the limit by address, whose turn it is, the token, the subscriptions, the
// check service and the choice of the shard. Called by the handler of each transport; the shard makes the connection.
import { stringifyScalars } from '../../core/scalar.ts'
import { parseJsonOrReason } from '../../core/json.ts'
import type { Config } from '../../config/parse-config.ts'
import { parseAsOf } from '../../core/as-of/as-of.ts'
import type { Check } from '../../config/auth.ts'
import { groupFor } from '../../config/operation/shard-groups.ts'
import { ANONYMOUS, type ConnectRequest, type TransportName } from '../../core/identity/principal.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import {
  inferSubscriptions,
  mergeSubscriptions,
  parseSubscriptions,
} from '../../core/subscriptions/parse-subscriptions.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import { EARLIEST, parseSince } from '../../core/identity/since.ts'
import { grantOf, type TypeGrant } from '../../core/rules/type-grant.ts'
import { keptAuthorization } from '../../core/identity/kept-authorization.ts'
import { clientKey } from '../request/client-key.ts'
import { parametersOf, valueIn, valuesIn } from '../request/query.ts'
import { findToken } from '../request/token-source.ts'
import { allowOrigin, namesOrigins } from '../cors.ts'
import type { HandlerContext } from '../worker-context.ts'
import type { VerifiedToken, VerifyToken } from '../../auth/verify-token.ts'

const AS_OF_OR_TIME = 'as_of excludes since and earliest'

export const NO_TOKEN: VerifiedToken = { principal: ANONYMOUS, claims: {} }

/** A connection that may be opened. */
export interface ConnectGrant {
  readonly connect: ConnectRequest
  readonly claims: VerifiedToken['claims']
}

export interface ConnectOptions {
  /** The token, if the caller found it. Otherwise it is read from the places that all transports share. */
  readonly token?: string | null
  readonly transport: TransportName
  readonly lastEventId: string | null
  /** The list, as JSON, if it is not the parameter `subscriptions`. */
  readonly subscriptions?: string | undefined
  readonly protocol?: ConnectRequest['protocol']
}

/** For the handlers that call `authorizeConnection`: the opening is over when the request is answered. */
export function inTurn<C extends HandlerContext>(handler: (c: C) => Promise<Response>): (c: C) => Promise<Response> {
  return async (c) => {
    try {
      return await handler(c)
    } finally {
      c.get('openings').end(c.req.raw)
    }
  }
}

/** Checks in RIG's order: the token, the subscriptions, then whether they are allowed. */
export async function authorizeConnection(
  c: HandlerContext,
  options: ConnectOptions,
): Promise<Result<ConnectGrant, RigelError>> {
  const granted = await authorize(c, options)
  if (!granted.ok) c.get('metrics').refused(granted.reason)
  return granted
}

async function authorize(c: HandlerContext, options: ConnectOptions): Promise<Result<ConnectGrant, RigelError>> {
  const config = c.get('config')
  const request = c.req.raw
  const address = request.headers.get('cf-connecting-ip')
  const client = address === null ? null : clientKey(address)
  if (await isOverAddressLimit(client, c.env)) return fail({ kind: 'too_many_connections', scope: 'address' })
  const retryMs = await c.get('openings').enter(request, client)
  if (retryMs !== undefined) return fail({ kind: 'busy', retryMs })
  const token = options.token === undefined ? findToken(request, config) : options.token
  const verified =
    token === null ? ok(NO_TOKEN) : await verifyFor(config.subscriptionCheck, token, c.get('verifyToken'))
  if (!verified.ok) return verified
  const { claims, principal } = verified.value
  const grant = grantFor(config, [verified.value])
  if (!grant.ok) return grant
  const inferred = inferSubscriptions(config.extractors, claims)
  const query = parametersOf(c.req.url)
  const requested = options.subscriptions ?? valueIn(query, 'subscriptions') ?? undefined
  const subscriptions = readSubscriptions(requested, claims, inferred, config)
  if (!subscriptions.ok) return subscriptions
  const isAllowed = requested === undefined || (await mayConnect(c, token, subscriptions.value.given))
  if (!isAllowed) return fail({ kind: 'connection_denied' })
  // A list, as of a header that comes in several lines: of topics that were left out, nobody would be told what is missing.
  const asOf = readAsOf(valuesIn(query, 'as_of').join(','))
  if (!asOf.ok) return asOf
  const start = readStart(valueIn(query, 'since') ?? undefined, options, asOf.value)
  if (!start.ok) return start
  return ok({
    claims,
    connect: {
      transport: options.transport,
      principal,
      subscriptions: subscriptions.value.all,
      inferred,
      grant: grant.value,
      ...start.value,
      ...groupOfClient(config, claims, request),
      asOf: asOf.value,
      protocol: options.protocol ?? null,
      allowOrigin: allowOrigin(config, request),
      allowCredentials: namesOrigins(config),
      ...keptOf(config, options, token),
    },
  })
}

/** Absent without SHARD_GROUPS. Without a token, and where a service knows the token, the continent decides. */
function groupOfClient(
  { placement: { groups } }: Config,
  claims: VerifiedToken['claims'],
  request: Request,
): Pick<ConnectRequest, 'group'> {
  if (groups.length === 0) return {}
  return { group: groupFor(groups, claims, (request.cf as IncomingRequestCfProperties | undefined)?.continent) }
}

/** What a shard keeps in order to ask a check service about subscriptions that come on the open connection. */
function keptOf(
  { subscriptionCheck }: Config,
  { protocol, transport }: ConnectOptions,
  token: string | null,
): Pick<ConnectRequest, 'authorization'> {
  const isInBand = protocol === 'rigel.v1' || transport === 'phoenix'
  return isInBand && typeof subscriptionCheck === 'object' ? { authorization: keptAuthorization(token) } : {}
}

/** Where the client begins: at its position, or at a time. An `EventSource` that reconnects has both: the position counts. */
function readStart(
  since: string | undefined,
  { lastEventId, transport }: ConnectOptions,
  asOf: string | undefined,
): Result<Pick<ConnectRequest, 'lastEventId' | 'sinceMs'>, RigelError> {
  const isByTime = (since !== undefined && since !== '') || lastEventId === EARLIEST
  if (isByTime && asOf !== undefined) return fail({ kind: 'bad_request', message: AS_OF_OR_TIME })
  if (since === undefined || since === '')
    return ok(lastEventId === EARLIEST ? { lastEventId: null, sinceMs: 0 } : { lastEventId })
  const parsed = parseSince(since)
  if (!parsed.ok) return fail({ kind: 'bad_request', message: parsed.reason })
  if (transport === 'phoenix')
    return fail({ kind: 'bad_request', message: 'since belongs into the join of a channel.' })
  return ok(
    lastEventId === null || lastEventId === EARLIEST ? { lastEventId: null, sinceMs: parsed.value } : { lastEventId },
  )
}

/** Validates the text and returns it unchanged, because the shard parses it again. */
export function readAsOf(text: string | undefined): Result<string | undefined, RigelError> {
  if (text === undefined || text === '') return ok(undefined)
  const parsed = parseAsOf(text)
  return parsed.ok ? ok(text) : fail({ kind: 'bad_request', message: parsed.reason })
}

/** What the tokens of a request permit by rules per event type. Like RIG, their claims are merged, and later ones win. */
export function grantFor(
  { phoenix, typeRules }: Config,
  tokens: readonly VerifiedToken[],
): Result<TypeGrant | undefined, RigelError> {
  const claims = Object.assign({}, ...tokens.map((token) => token.claims)) as VerifiedToken['claims']
  const hasToken = tokens.some(({ principal }) => principal.expSeconds !== null)
  const grant = grantOf(typeRules, phoenix.rolesField, claims, hasToken)
  return grant.ok ? grant : fail({ kind: 'invalid_token', message: grant.reason })
}

/**
 * Applies SUBSCRIPTION_CHECK to requested subscriptions. As in RIG, subscriptions that a token implies are not
 * checked.
 */
async function mayConnect(c: HandlerContext, token: string | null, given: readonly Subscription[]): Promise<boolean> {
  const { subscriptionCheck } = c.get('config')
  if (subscriptionCheck === 'no_check') return true
  if (subscriptionCheck === 'jwt_validation') return token !== null
  return c.get('askService')(subscriptionCheck.url, {
    contentType: 'application/json; charset=utf-8',
    authorization: token === null ? null : `Bearer ${token}`,
    body: stringifyScalars({ subscriptions: given }),
  })
}

/**
 * A check service may know tokens that Rigel cannot verify: their client is anonymous to Rigel, and the service
 * decides.
 */
export async function verifyFor(
  check: Check,
  token: string,
  verify: VerifyToken,
): Promise<Result<VerifiedToken, RigelError>> {
  const verified = await verify(token)
  const isOpaque = !verified.ok && verified.reason.kind === 'invalid_token'
  return isOpaque && typeof check === 'object' ? ok(NO_TOKEN) : verified
}

interface RequestedSubscriptions {
  /** The subscriptions of the parameter, as Rigel reads them. */
  readonly given: readonly Subscription[]
  /** `given` and the subscriptions that the token implies. */
  readonly all: readonly Subscription[]
}

/** `parameter`: a JSON array. */
function readSubscriptions(
  parameter: string | undefined,
  claims: VerifiedToken['claims'],
  inferred: readonly Subscription[],
  config: Config,
): Result<RequestedSubscriptions, RigelError> {
  if (parameter === undefined) return ok({ given: [], all: inferred })
  const list = parseList(parameter)
  if (!list.ok) return list
  const given = parseSubscriptions(list.value, { ...subscriptionRules(config), claims })
  return given.ok ? ok({ given: given.value, all: mergeSubscriptions(given.value, inferred) }) : given
}

/** The rules of parseSubscriptions, except for the claims of the client. */
export function subscriptionRules({ connections, extractors, widenUnknown }: Config) {
  return { limit: connections.subscriptions, extractors, widenUnknown }
}

function parseList(text: string): Result<unknown, RigelError> {
  const list = parseJsonOrReason(text)
  if (list.ok) return list
  return fail({ kind: 'invalid_subscriptions', message: `Failed to decode subscription list: ${list.reason}` })
}

/**
 * The binding is optional, and counts per Cloudflare location: it limits floods of requests; the shards have exact
 * limits.
 */
async function isOverAddressLimit(client: string | null, env: Partial<Env>): Promise<boolean> {
  if (client === null || env.CONNECTION_RATE_LIMIT === undefined) return false
  return !(await env.CONNECTION_RATE_LIMIT.limit({ key: client })).success
}
