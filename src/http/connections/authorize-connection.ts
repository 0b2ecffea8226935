// What opening a connection has in common on every transport: limit by address, token, subscriptions, the check, the
// shard. Called by sse.ts, websocket.ts and longpolling.ts; the connection itself is made by the shard.
import { parseJsonOrReason } from '../../core/json.ts'
import type { Context } from 'hono'
import type { Config } from '../../config/parse-config.ts'
import type { Check } from '../../config/auth.ts'
import { parsePosition, shardOfPosition } from '../../core/identity/position.ts'
import type { ConnectRequest, Principal, Transport } from '../../core/identity/principal.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { shardOf } from '../../core/delivery/shard-hash.ts'
import {
  inferSubscriptions,
  mergeSubscriptions,
  parseSubscriptions,
} from '../../core/subscriptions/parse-subscriptions.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import { findToken } from '../token-source.ts'
import { allowOrigin } from '../cors.ts'
import type { HttpEnv } from '../worker-context.ts'
import type { VerifiedToken, VerifyToken } from '../../auth/verify-token.ts'

const ANONYMOUS: VerifiedToken = { principal: { user: null, session: null, expSeconds: null }, claims: {} }

/** A connection that may be opened, and the shard to open it at. */
export interface ConnectGrant {
  readonly shard: number
  readonly connect: ConnectRequest
  readonly claims: VerifiedToken['claims']
}

export interface AdmissionWishes {
  /** Found by the caller; otherwise where every request carries it. */
  readonly token?: string | null
  readonly transport: Transport
  readonly lastEventId: string | null
  readonly protocol?: ConnectRequest['protocol']
}

/** The order of checks is RIG's: the token, the subscriptions, then whether they are allowed. */
export async function authorizeConnection(
  c: Context<HttpEnv>,
  wishes: AdmissionWishes,
): Promise<Result<ConnectGrant, RigelError>> {
  const { config } = c.var
  const request = c.req.raw
  if (await isOverAddressLimit(request, c.env)) return fail({ kind: 'too_many_connections', scope: 'address' })
  const token = wishes.token === undefined ? findToken(request, config) : wishes.token
  const verified = token === null ? ok(ANONYMOUS) : await verifyFor(config.subscriptionCheck, token, c.var.verifyToken)
  if (!verified.ok) return verified
  const inferred = inferSubscriptions(config.extractors, verified.value.claims)
  const subscriptions = readSubscriptions(c.req.query('subscriptions'), verified.value.claims, inferred, config)
  if (!subscriptions.ok) return subscriptions
  if (!(await mayConnect(c, token))) return fail({ kind: 'connection_denied' })
  const { claims, principal } = verified.value
  return ok({
    claims,
    shard: chooseShard(principal, wishes.lastEventId, config.shards, Math.random()),
    connect: {
      transport: wishes.transport,
      principal,
      subscriptions: subscriptions.value,
      inferred,
      lastEventId: wishes.lastEventId,
      protocol: wishes.protocol ?? null,
      allowOrigin: allowOrigin(config, request),
    },
  })
}

/** SUBSCRIPTION_CHECK. As RIG, only where subscriptions are asked for: those that a token implies need no further leave. */
async function mayConnect(c: Context<HttpEnv>, token: string | null): Promise<boolean> {
  const { subscriptionCheck } = c.var.config
  const wanted = c.req.query('subscriptions')
  if (subscriptionCheck === 'no_check' || wanted === undefined) return true
  if (subscriptionCheck === 'jwt_validation') return token !== null
  return c.var.askService(subscriptionCheck.url, {
    contentType: 'application/json; charset=utf-8',
    authorization: token === null ? null : `Bearer ${token}`,
    body: `{"subscriptions":${wanted}}`,
  })
}

/** A service that decides may know tokens that we do not: whoever has one is nobody to us, and asked for by it. */
export async function verifyFor(
  check: Check,
  token: string,
  verify: VerifyToken,
): Promise<Result<VerifiedToken, RigelError>> {
  const verified = await verify(token)
  const isOpaque = !verified.ok && verified.reason.kind === 'invalid_token'
  return isOpaque && typeof check === 'object' ? ok(ANONYMOUS) : verified
}

/** `random`: from 0 to 1, where a client goes that has no name and nothing to come back to. */
export function chooseShard(principal: Principal, lastEventId: string | null, shards: number, random: number): number {
  if (principal.user !== null) return shardOf(principal.user, shards)
  const position = lastEventId === null ? undefined : parsePosition(lastEventId)
  const shard = position === undefined ? undefined : shardOfPosition(position)
  return shard !== undefined && shard < shards ? shard : Math.floor(random * shards)
}

/** The `subscriptions` parameter, a JSON array, and what the token implies. */
function readSubscriptions(
  parameter: string | undefined,
  claims: VerifiedToken['claims'],
  inferred: readonly Subscription[],
  config: Config,
): Result<readonly Subscription[], RigelError> {
  if (parameter === undefined) return ok(inferred)
  const list = parseList(parameter)
  if (!list.ok) return list
  const rules = { ...subscriptionRules(config), claims }
  const given = parseSubscriptions(list.value, rules)
  return given.ok ? ok(mergeSubscriptions(given.value, inferred)) : given
}

/** The rules of what may be subscribed to, but for whose tokens they are. */
export function subscriptionRules({ connections, extractors, widenUnknown }: Config) {
  return { limit: connections.subscriptions, extractors, widenUnknown }
}

function parseList(text: string): Result<unknown, RigelError> {
  const list = parseJsonOrReason(text)
  if (list.ok) return list
  return fail({ kind: 'invalid_subscriptions', message: `Failed to decode subscription list: ${list.reason}` })
}

/** The binding is optional, and counts per Cloudflare location: it keeps floods away, exact limits live in the shards. */
async function isOverAddressLimit(request: Request, env: Partial<Env>): Promise<boolean> {
  const address = request.headers.get('cf-connecting-ip')
  if (address === null || env.CONNECTION_RATE_LIMIT === undefined) return false
  return !(await env.CONNECTION_RATE_LIMIT.limit({ key: address })).success
}
