// What must be agreed on before a connection exists: limits, its term, its interests, where it reads on from. Called by
// the UserShard for every transport, and by subscribing.ts for the interests of a new set.
import { createFilter } from '../../core/subscriptions/filter.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import type { InterestRegistry } from './interest-registry.ts'
import { resumeAt, termOf, type Opening, type Wanted } from './connection-state.ts'
import type { RevocationList } from './revocation-list.ts'
import type { CommittedLog } from './log/committed-log.ts'

export interface ConnectionAdmissionDeps {
  readonly shard: number
  readonly lifetimeMs: number
  readonly connections: ConnectionRegistry
  readonly log: CommittedLog
  readonly interests: InterestRegistry
  readonly revocations: RevocationList
}

/** What comes from outside of the rules: time, and dice. */
export interface Entropy {
  readonly nowMs: number
  /** From 0 to 1. */
  readonly random: number
  readonly connectionId: string
}

export class ConnectionAdmission {
  readonly #deps: ConnectionAdmissionDeps

  constructor(deps: ConnectionAdmissionDeps) {
    this.#deps = deps
  }

  async open(wanted: Wanted, { nowMs, random, connectionId }: Entropy): Promise<Result<Opening, RigelError>> {
    const { connections, log, interests, lifetimeMs, revocations } = this.#deps
    const { principal, subscriptions, lastEventId } = wanted
    const { session, user } = principal
    if (session !== null && revocations.has(session, nowMs)) return fail({ kind: 'session_revoked', session })
    const admitted = connections.admit(principal, nowMs)
    if (!admitted.ok) return admitted
    const term = termOf(principal, lifetimeMs, nowMs, random)
    if (term === undefined) return fail({ kind: 'token_expired' })
    const resumedSeq = lastEventId === null ? undefined : log.resumable(lastEventId)
    // Before the interests are declared: declaring makes new ones known.
    const covered = resumedSeq !== undefined && interests.cover(subscriptions, resumedSeq)
    const declared = await this.declare(subscriptions)
    if (!declared.ok) return declared
    // It may have been revoked meanwhile, and then nobody would close the connection.
    if (session !== null && revocations.has(session, nowMs)) return fail({ kind: 'session_revoked', session })
    return ok({
      ...term,
      owner: { user, sessions: session === null ? [] : [session], openedAtMs: nowMs, metadata: {} },
      wanted,
      subscriptions,
      inferred: wanted.inferred ?? [],
      filter: createFilter(connectionId, user, subscriptions),
      resume: resumeAt(resumedSeq, nowMs),
      startSeq: resumedSeq ?? log.committedSeq,
      recovered: lastEventId === null ? null : covered,
    })
  }

  /** Resolves when events of these types are sure to come. */
  async declare(subscriptions: readonly Subscription[]): Promise<Result<null, RigelError>> {
    const { shard, log, interests } = this.#deps
    try {
      await interests.ensure(subscriptions)
    } catch (error) {
      console.error({ message: 'interest not declared', shard, error: String(error) })
      return fail({ kind: 'unavailable', message: 'Subscriptions cannot be confirmed just now, come back.' })
    }
    await log.settle()
    return ok(null)
  }
}
