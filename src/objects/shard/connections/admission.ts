// Decides whether a connection may be opened, and makes its record: limits, term, interests, where it reads on from.
// Called for every transport; `register` also for the interests of a later set of subscriptions.
import type { ConnectRequest } from '../../../core/identity/principal.ts'
import type { RigelError } from '../../../core/errors.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import { resumeAt, termOf, type Opening, type Term } from './connection-state.ts'
import type { InterestRegistry } from '../interest-registry.ts'
import type { CommittedLog } from '../log/committed-log.ts'
import type { RevocationList } from '../revocation-list.ts'
import type { ShardContext } from '../shard-context.ts'

const CONNECTION_ID_BYTES = 16

export class ConnectionAdmission {
  readonly #context: ShardContext
  readonly #connections: ConnectionRegistry
  readonly #log: CommittedLog
  readonly #interests: InterestRegistry
  readonly #revocations: RevocationList

  constructor(
    context: ShardContext,
    connections: ConnectionRegistry,
    log: CommittedLog,
    interests: InterestRegistry,
    revocations: RevocationList,
  ) {
    this.#context = context
    this.#connections = connections
    this.#log = log
    this.#interests = interests
    this.#revocations = revocations
  }

  async admit(connect: ConnectRequest): Promise<Result<Opening, RigelError>> {
    const { lastEventId, principal, subscriptions } = connect
    const nowMs = this.#context.now()
    const { session } = principal
    if (session !== null && this.#revocations.has(session, nowMs)) return fail({ kind: 'session_revoked', session })
    const admitted = this.#connections.admit(principal, nowMs)
    if (!admitted.ok) return admitted
    const term = termOf(principal, this.#context.config.connections.lifetimeMs, nowMs, this.#context.random())
    if (term === undefined) return fail({ kind: 'token_expired' })
    const resumeSeq = lastEventId === null ? undefined : this.#log.resumable(lastEventId)
    // Before the interests are registered: a type that is registered now has no events from before.
    const isCovered = resumeSeq !== undefined && this.#interests.coversSince(subscriptions, resumeSeq)
    const registered = await this.register(subscriptions)
    if (!registered.ok) return registered
    // The session may have been revoked meanwhile; its connections have been closed without this one.
    if (session !== null && this.#revocations.has(session, nowMs)) return fail({ kind: 'session_revoked', session })
    const recovered = lastEventId === null ? null : isCovered
    return ok({ connect, recovered, state: this.#stateOf(connect, term, resumeSeq, nowMs) })
  }

  #stateOf(connect: ConnectRequest, term: Term, resumeSeq: number | undefined, nowMs: number): Opening['state'] {
    const { user, session, expSeconds } = connect.principal
    return {
      ...term,
      id: this.#context.randomHex(CONNECTION_ID_BYTES),
      transport: connect.transport,
      owner: { user, sessions: session === null ? [] : [session], openedAtMs: nowMs, metadata: {} },
      hasToken: expSeconds !== null || user !== null,
      subscriptions: connect.subscriptions,
      inferred: connect.inferred ?? [],
      startSeq: resumeSeq ?? this.#log.committedSeq,
      resume: resumeAt(resumeSeq, nowMs),
      phoenix: connect.phoenix ?? null,
    }
  }

  /** Resolves when events of these types are sure to come. */
  async register(subscriptions: readonly Subscription[]): Promise<Result<null, RigelError>> {
    try {
      const registered = await this.#interests.register(subscriptions)
      if (!registered.ok) return registered
    } catch (error) {
      console.error({ message: 'interest not registered', shard: this.#context.shard, error: String(error) })
      return fail({ kind: 'unavailable', message: 'Subscriptions cannot be confirmed at the moment: try again.' })
    }
    await this.#log.settle()
    return ok(null)
  }
}
