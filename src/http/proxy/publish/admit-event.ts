// Rules per event type (TYPES), for requests that are published as events. An event that a client brings is its own publication:
// all rules apply. An event of the route's type, in which a request is wrapped: who may send it is said by the route, so the right
// to publish is not asked for; size, rate and hook apply. Called by publish-request.ts.
import { parseStructured } from '../../../core/events/cloud-event.ts'
import { parseExactly } from '../../../core/json.ts'
import type { RigelError } from '../../../core/errors.ts'
import { ok, type Result } from '../../../core/result.ts'
import type { VerifiedToken } from '../../../auth/verify-token.ts'
import { grantFor } from '../../connections/authorize-connection.ts'
import { bearerTokens } from '../../request/token-source.ts'
import type { ProxyContext } from '../proxy-context.ts'
import type { Members, ReadEvent } from './request-event.ts'

/** Returns the event as it is to be published. `token`: of a route that asks for one. */
export async function admitRequestEvent(
  { client, deps, request }: ProxyContext,
  token: VerifiedToken | null,
  { isOwn, members }: ReadEvent,
): Promise<Result<Members, RigelError>> {
  const { config, publishRules, verifyToken } = deps
  const [bearer] = bearerTokens(request)
  const isNarrowing = token?.claims['rig'] !== undefined
  if (config.typeRules?.hasPublishing !== true && !isNarrowing) return ok(members)
  const found = token === null && bearer !== undefined ? await verifyToken(bearer) : undefined
  if (found?.ok === false && found.reason.kind === 'unavailable') return found
  const publisher = token ?? (found?.ok === true ? found.value : null)
  const grant = publisher === null ? ok(undefined) : grantFor(config, [publisher])
  if (!grant.ok) return grant
  // Without the members that Rigel replaces: they must not decide whether it is an event.
  const { rig, traceparent: _, ...own } = members
  const event = parseStructured(JSON.stringify(own))
  // It has no type. Followers do not deliver it either.
  if (!event.ok) return ok(members)
  const user = publisher?.principal.user ?? null
  const payer = user === null ? `address ${client.address}` : `user ${user}`
  const admitted = await publishRules.admit([event.value], grant.value, payer, { isRightGiven: !isOwn })
  if (!admitted.ok) return admitted
  const [changed = event.value] = admitted.value
  if (changed.json === event.value.json) return ok(members)
  const replaced = parseExactly(changed.json) as Members
  return ok(rig === undefined ? replaced : { ...replaced, rig })
}
