// A token that is renewed on a live connection, in-band or by PUT: the connection lasts as long as the new one, is of its
// session too, and the subscriptions that the old one implied give way to those that the new one does.
import type { Principal } from '../../core/identity/principal.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { mergeSubscriptions } from '../../core/subscriptions/parse-subscriptions.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import type { Connection } from './connection.ts'
import type { ConnectionStore } from './connection-store.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import { lastingUntil } from './connection-state.ts'
import type { RevocationList } from './revocation-list.ts'
import type { Subscribing } from './subscribe.ts'

export interface RenewalDeps {
  readonly lifetimeMs: number
  readonly connections: ConnectionRegistry
  readonly store: ConnectionStore
  readonly revocations: RevocationList
  readonly subscribing: Subscribing
  readonly wakeBy: (atMs: number) => void
  readonly now: () => number
}

export class Renewal {
  readonly #deps: RenewalDeps

  constructor(deps: RenewalDeps) {
    this.#deps = deps
  }

  /** Answers when the connection ends now, in milliseconds since the epoch. */
  async renew(
    connectionId: string,
    principal: Principal,
    inferred: readonly Subscription[],
  ): Promise<Result<number, RigelError>> {
    const { connections, store, subscribing, wakeBy } = this.#deps
    const agreed = this.#agree(connections.get(connectionId), principal)
    if (!agreed.ok) return agreed
    const connection = agreed.value
    const term = lastingUntil(principal, connection.owner.openedAtMs + this.#deps.lifetimeMs)
    const old = new Set(connection.inferred.map((subscription) => JSON.stringify(subscription)))
    const given = connection.subscriptions.filter((subscription) => !old.has(JSON.stringify(subscription)))
    const set = await subscribing.set(connectionId, mergeSubscriptions(given, inferred), principal, inferred)
    if (!set.ok) return set
    Object.assign(connection, term, { warned: false })
    if (connection.transport !== 'sse') store.setTerm(connectionId, term)
    wakeBy(term.endsAtMs)
    return ok(term.endsAtMs)
  }

  /** A connection stays its user's: with another's token it would be another connection. */
  #agree(known: Connection | undefined, principal: Principal): Result<Connection, RigelError> {
    const { now, revocations } = this.#deps
    const { expSeconds, session, user } = principal
    if (known === undefined || known.transport === 'phoenix') return fail({ kind: 'connection_gone' })
    if (known.owner.user !== user) return fail({ kind: 'foreign_connection' })
    if (session !== null && revocations.has(session, now())) return fail({ kind: 'session_revoked', session })
    if (expSeconds === null || expSeconds * 1_000 <= now()) return fail({ kind: 'token_expired' })
    return ok(known)
  }
}
