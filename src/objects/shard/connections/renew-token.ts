// Renews the token of an open connection, in-band or by PUT: the connection lasts as long as the new token, belongs to its
// session too, and the subscriptions that the old token implied are replaced by those that the new one implies.
import type { Principal } from '../../../core/identity/principal.ts'
import type { RigelError } from '../../../core/errors.ts'
import type { JsonObject } from '../../../core/json.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import { restrictToClaims } from '../../../core/subscriptions/claim-restrictions.ts'
import { mergeSubscriptions } from '../../../core/subscriptions/parse-subscriptions.ts'
import type { TypeGrant } from '../../../core/rules/type-grant.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import type { Connection } from './connection.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import { earliestEnd, userOf } from './connection-state.ts'
import type { RevocationList } from '../revocation-list.ts'
import type { ShardContext } from '../shard-context.ts'
import type { SubscriptionUpdater } from '../subscriptions/update-subscriptions.ts'

interface TokenRenewalParts {
  readonly connections: ConnectionRegistry
  readonly revocations: RevocationList
  readonly subscriptions: SubscriptionUpdater
}

export class TokenRenewal {
  readonly #context: ShardContext
  readonly #parts: TokenRenewalParts

  constructor(context: ShardContext, parts: TokenRenewalParts) {
    this.#context = context
    this.#parts = parts
  }

  /**
   * Returns the new end of the connection, in milliseconds since the epoch. A subscription that is not within `claims`,
   * those of the new token, ends: the claims of the old one do not count any more. Undefined: they are not known.
   */
  async renew(
    connectionId: string,
    principal: Principal,
    inferred: readonly Subscription[],
    claims: JsonObject | undefined,
    grant?: TypeGrant,
    authorization?: string | null,
  ): Promise<Result<number, RigelError>> {
    const { connections, subscriptions } = this.#parts
    const checked = this.#check(connections.get(connectionId), principal)
    if (!checked.ok) return checked
    const connection = checked.value
    const { lifetimeMs } = this.#context.config.connections
    const term = earliestEnd(principal, connection.state.owner.openedAtMs + lifetimeMs)
    const old = new Set(connection.state.inferred.map((subscription) => JSON.stringify(subscription)))
    const { extractors } = this.#context.config
    const given = connection.state.subscriptions
      .filter((subscription) => !old.has(JSON.stringify(subscription)))
      .map((subscription) => restrictToClaims(subscription, extractors, claims))
      .filter((restricted) => typeof restricted !== 'string')
    const renewed = { ...term, grant }
    const change = { subscriptions: mergeSubscriptions(given, inferred), inferred, principal, grant, renewed }
    const replaced = await subscriptions.replace(connectionId, change)
    if (!replaced.ok) return replaced
    // It may have ended meanwhile, and must not be stored again.
    if (connections.get(connectionId) !== connection) return fail({ kind: 'connection_gone' })
    connection.isWarned = false
    connection.keepAuthorization(authorization)
    connection.save()
    this.#context.wakeBy(term.endsAtMs)
    return ok(term.endsAtMs)
  }

  /** A connection accepts tokens of its own user only. */
  #check(known: Connection | undefined, principal: Principal): Result<Connection, RigelError> {
    const { expSeconds, session, user } = principal
    const nowMs = this.#context.now()
    if (known === undefined || !known.takesSubscriptions) return fail({ kind: 'connection_gone' })
    if (userOf(known.state) !== user) return fail({ kind: 'foreign_connection' })
    if (session !== null && this.#parts.revocations.has(session, nowMs))
      return fail({ kind: 'session_revoked', session })
    if (expSeconds === null || expSeconds * 1_000 <= nowMs) return fail({ kind: 'token_expired' })
    return ok(known)
  }
}
