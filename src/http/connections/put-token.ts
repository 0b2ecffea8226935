// PUT /_rig/v1/connection/{sse|ws|longpolling}/{token}/token: gives a connection a new token of the same user before the old
// one expires. The connection then lasts as long as the new token.
import type { Context } from 'hono'
import type { RigelError } from '../../core/errors.ts'
import { fail, type Result } from '../../core/result.ts'
import { keptAuthorization } from '../../core/identity/kept-authorization.ts'
import { inferSubscriptions } from '../../core/subscriptions/parse-subscriptions.ts'
import { shardStub } from '../../rpc/shard.ts'
import { bearerTokens } from '../request/token-source.ts'
import { grantFor } from './authorize-connection.ts'
import { readAddress, toPutError } from './connection-request.ts'
import { corsHeaders } from '../cors.ts'
import { errorResponse, shardFailure } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'

export async function putToken(c: Context<HttpEnv>): Promise<Response> {
  const cors = corsHeaders(c.var.config, c.req.raw)
  const renewed = await renewToken(c)
  if (!renewed.ok) return errorResponse(renewed.reason, cors)
  return c.json({ expires_at: new Date(renewed.value).toISOString() }, 200, cors)
}

/** Resolves to the new end of the connection, in milliseconds since the epoch. */
async function renewToken(c: Context<HttpEnv>): Promise<Result<number, RigelError>> {
  const { config, verifyToken } = c.var
  const address = await readAddress(c.req.param('token') ?? '', c.var.shardMap)
  if (!address.ok) return address
  const [token] = bearerTokens(c.req.raw)
  if (token === undefined) return fail({ kind: 'no_token' })
  const verified = await verifyToken(token)
  if (!verified.ok) return fail(toPutError(verified.reason))
  const { claims, principal } = verified.value
  const grant = grantFor(config, [verified.value])
  if (!grant.ok) return fail(toPutError(grant.reason))
  const { connectionId, shard } = address.value
  try {
    const inferred = inferSubscriptions(config.extractors, claims)
    return await shardStub(c.env, shard).renewToken(
      connectionId,
      principal,
      inferred,
      grant.value,
      JSON.stringify(claims),
      typeof config.subscriptionCheck === 'object' ? keptAuthorization(token) : undefined,
    )
  } catch (error) {
    return fail(shardFailure(error))
  }
}
