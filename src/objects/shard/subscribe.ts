// Replacing the subscriptions of a connection that exists, by PUT or in-band. A client that came back with a position
// and says only now what it wants gets what it missed meanwhile as well: nothing is lost between connect and PUT.
import type { Check } from '../../config/auth.ts'
import type { Principal } from '../../core/identity/principal.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import type { ConnectionAdmission } from './admission.ts'
import type { Connection } from './connection.ts'
import type { ConnectionStore } from './connection-store.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import type { InterestRegistry } from './interest-registry.ts'
import { subscriptionsSet, type EventEnvelope } from './system-events.ts'
import type { RevocationList } from './revocation-list.ts'
import type { ConnectionLifecycle } from './connection-lifecycle.ts'
import type { CommittedLog } from './log/committed-log.ts'

export interface SubscribingDeps {
  /** How many subscriptions a connection may have. */
  readonly limit: number
  readonly connections: ConnectionRegistry
  readonly store: ConnectionStore
  readonly log: CommittedLog
  readonly interests: InterestRegistry
  readonly admission: ConnectionAdmission
  readonly roster: ConnectionLifecycle
  readonly revocations: RevocationList
  readonly stamp: () => EventEnvelope
}

export class Subscribing {
  readonly #deps: SubscribingDeps

  constructor(deps: SubscribingDeps) {
    this.#deps = deps
  }

  /** Resolves when the set is effective. `principal.user` null: no token came with it; `inferred`: what tokens implied. */
  async set(
    connectionId: string,
    subscriptions: readonly Subscription[],
    principal: Principal,
    inferred: readonly Subscription[],
  ): Promise<Result<null, RigelError>> {
    const { admission, connections, interests, log, store, roster, stamp } = this.#deps
    const known = this.#agree(connections.get(connectionId), subscriptions, principal)
    if (!known.ok) return known
    const resumeSeq = this.#resumeSeqOf(known.value)
    // Before the interests are declared: declaring makes new ones known.
    const covered = resumeSeq === null ? null : interests.cover(subscriptions, resumeSeq)
    const declared = await admission.declare(subscriptions)
    if (!declared.ok) return declared
    const connection = connections.get(connectionId)
    if (connection === undefined) return fail({ kind: 'connection_gone' })
    const before = connection.filter
    this.#associate(connection, principal.session)
    connections.resubscribe(connection, subscriptions)
    connection.inferred = inferred
    if (connection.transport !== 'sse') store.setSubscriptions(connectionId, subscriptions, inferred)
    connection.resume = null
    const recovered = covered === null || resumeSeq === null ? null : covered && resumeSeq >= log.floorSeq
    roster.tell(connection, subscriptionsSet(stamp(), subscriptions, recovered))
    if (recovered === true && resumeSeq !== null) connection.rewind(resumeSeq, before)
    await log.settle()
    return ok(null)
  }

  #agree(
    known: Connection | undefined,
    subscriptions: readonly Subscription[],
    principal: Principal,
  ): Result<Connection, RigelError> {
    const { limit } = this.#deps
    // What a Phoenix socket gets is what it has joined.
    if (known === undefined || known.transport === 'phoenix') return fail({ kind: 'connection_gone' })
    const { user } = known.owner
    if (user !== null && principal.user !== null && user !== principal.user) return fail({ kind: 'foreign_connection' })
    const { session } = principal
    if (session !== null && this.#deps.revocations.has(session, this.#deps.stamp().nowMs))
      return fail({ kind: 'session_revoked', session })
    if (subscriptions.length > limit) return fail({ kind: 'too_many_subscriptions', limit, got: subscriptions.length })
    return ok(known)
  }

  /** As RIG: a connection is of every session whose token was used on it, and ends with any of them. */
  #associate(connection: Connection, session: string | null): void {
    const { owner } = connection
    if (session === null || owner.sessions.includes(session)) return
    this.#deps.roster.own(connection, { ...owner, sessions: [...owner.sessions, session] })
  }

  #resumeSeqOf({ resume }: Connection): number | null {
    return resume !== null && this.#deps.stamp().nowMs <= resume.untilMs ? resume.seq : null
  }
}

/**
 * SUBSCRIPTION_CHECK for what is asked for on a connection. A service decides by the token, which a connection does not
 * keep: there, subscriptions are given when it connects, or by PUT.
 */
export function maySubscribe(check: Check, hasToken: boolean): boolean {
  return check === 'no_check' || (check === 'jwt_validation' && hasToken)
}
