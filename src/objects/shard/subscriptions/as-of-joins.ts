// Joins clients at the offsets of their state. join-facts.ts asks followers for their progress, types-since.ts
// remembers from which offset on the log has every event of a type. The rules are in core/as-of. Called by admission,
// and for later subscriptions.
import { logIncident } from '../../../telemetry/incident-log.ts'
import { parseAsOf, type AsOf } from '../../../core/as-of/as-of.ts'
import { hasPassed, type OffsetJoin } from '../../../core/as-of/joins.ts'
import { resolveAsOf, resolveRejoin, type Joined } from '../../../core/as-of/resolve-as-of.ts'
import type { RigelError } from '../../../core/errors.ts'
import { parsePosition } from '../../../core/identity/position.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import type { LogStore } from '../log/log-store.ts'
import type { ConnectionLifecycle } from '../connections/connection-lifecycle.ts'
import type { ConnectionRegistry } from '../connections/connection-registry.ts'
import type { Connection } from '../connections/connection.ts'
import { JoinFactsReader, type JoinFactsDeps } from './join-facts.ts'
import { TypesSince, type TypesSinceDeps } from './types-since.ts'

export interface AsOfJoinsDeps extends JoinFactsDeps, TypesSinceDeps {
  readonly log: Pick<LogStore, 'stored' | 'rows' | 'floor' | 'head'>
}

/** What a client that joins says of its state, and what it wants. */
export interface JoinRequest {
  readonly lastEventId: string | null
  /** The offsets of the state, in the format of `parseAsOf`. Undefined: the client has no state. */
  readonly asOf: string | undefined
  readonly eventTypes: readonly string[]
  /** It wants the events that are addressed to a user of this shard. */
  readonly hasUser: boolean
}

/** Where a connecting client continues, if its state decides that. */
export interface JoinPlace {
  /** Null: its position decides, or it has neither. */
  readonly startSeq: number | null
  readonly joins: readonly OffsetJoin[]
  /** Events may be missing. */
  readonly isGap: boolean
}

const NO_STATE: JoinPlace = { startSeq: null, joins: [], isGap: false }
export const GAP: JoinPlace = { ...NO_STATE, isGap: true }

/** The refusal while a follower or the Directory does not answer. */
const NOT_KNOWN: RigelError = {
  kind: 'unavailable',
  message: 'How far the stream is cannot be found out at the moment: try again.',
}

/** Limit of joins of one connection that the log has not passed. */
const MAX_JOINS = 8

export class AsOfJoins {
  readonly #deps: AsOfJoinsDeps
  /** Also for PassedOffsets. */
  readonly facts: JoinFactsReader
  readonly #since: TypesSince
  /** Where the log was when it was found to have passed what a connection's state has. */
  readonly #passedSeq = new WeakMap<Connection, number>()

  constructor(deps: AsOfJoinsDeps) {
    this.#deps = deps
    this.facts = new JoinFactsReader(deps)
    this.#since = new TypesSince(deps)
  }

  /**
   * Returns where a connecting client, or a channel, continues. `isResumed`: its position is of this log and can be read
   * from. Call after the interest in its types is registered.
   */
  async placeOf(request: JoinRequest, isResumed: boolean): Promise<Result<JoinPlace, RigelError>> {
    const { eventTypes, hasUser, lastEventId } = request
    const isJoining = lastEventId !== null && parsePosition(lastEventId)?.isJoining === true
    // The Worker has validated the text. It is empty only if the client sent no `as_of`.
    const asOf = request.asOf === undefined ? undefined : parseAsOf(request.asOf)
    if (asOf?.ok === false) return fail({ kind: 'bad_request', message: asOf.reason })
    if (lastEventId !== null && !isJoining) return ok(NO_STATE)
    if (asOf === undefined) return ok(isJoining ? GAP : NO_STATE)
    if (lastEventId !== null && !isResumed) return ok(GAP)
    try {
      const joined = lastEventId === null ? await this.#join(asOf.value, eventTypes, hasUser) : undefined
      const join = joined?.join ?? (lastEventId === null ? undefined : await this.#rejoin(asOf.value))
      if (join === undefined) return ok(GAP)
      const { head } = this.#deps.log
      // The log has passed the state, so no event has to be withheld.
      const isThere = join.ahead.length === 0 && joined?.startSeq === head && this.#deps.committedSeq() === head
      if (isThere) return ok({ startSeq: joined.startSeq, joins: [], isGap: false })
      return ok({ startSeq: joined?.startSeq ?? null, joins: [{ before: null, ...join }], isGap: false })
    } catch (error) {
      return this.#notKnown(error)
    }
  }

  /**
   * For subscriptions of an open connection, whose interest is registered. The value is undefined if events may be
   * missing.
   */
  async joinLater(asOf: AsOf, eventTypes: readonly string[]): Promise<Result<Joined | undefined, RigelError>> {
    try {
      return ok(await this.#join(asOf, eventTypes, false))
    } catch (error) {
      return this.#notKnown(error)
    }
  }

  /**
   * Returns the joins of a connection whose subscriptions have changed. `before` are the old subscriptions. Without a
   * state, or if events may be missing, events of the new ones are sent from `sinceSeq` on. Undefined: there are too
   * many joins.
   */
  joinsWith({ state }: Connection, joined: Joined | undefined, sinceSeq: number): readonly OffsetJoin[] | undefined {
    const { joins = [], subscriptions: before } = state
    if (joined === undefined && joins.length === 0) return joins
    if (joins.length >= MAX_JOINS) return undefined
    return [...joins, { before, ...(joined?.join ?? { untilSeq: sinceSeq, offsets: {}, ahead: [] }) }]
  }

  #notKnown(error: unknown): Result<never, RigelError> {
    logIncident('a client could not join at its state', {}, { error: String(error) })
    return fail(NOT_KNOWN)
  }

  /**
   * Call after the interest in these types is registered. Resolves to undefined if events beyond the state may be
   * missing. Rejects if the Directory or a follower does not answer.
   */
  async #join(asOf: AsOf, eventTypes: readonly string[], hasUser: boolean): Promise<Joined | undefined> {
    const since = this.#since.of(eventTypes, hasUser)
    const facts = await this.facts.ask(asOf)
    since.learn(facts)
    return resolveAsOf({ ...facts, sinceOf: (partition, generation) => since.offsetOf(partition, generation) })
  }

  /** For a client that returns with a position from before the log passed its state. */
  async #rejoin(asOf: AsOf): Promise<Joined['join'] | undefined> {
    return resolveRejoin(await this.facts.ask(asOf))
  }

  /**
   * Ends the joins of connections that have been sent all events up to the place where the log passed their state. The
   * answer to a poll may be lost, and is then read again from the same position: only the next poll confirms it.
   */
  endPassed(connections: Pick<ConnectionRegistry, 'joining'>, lifecycle: Pick<ConnectionLifecycle, 'update'>): void {
    for (const connection of connections.joining()) {
      const passedSeq = this.#passedSeq.get(connection) ?? this.#findPassed(connection)
      const { acknowledgedSeq, needsPoll, writtenSeq } = connection.progress
      const sentSeq = needsPoll === true ? (acknowledgedSeq ?? -1) : writtenSeq
      if (passedSeq === undefined || sentSeq < passedSeq) continue
      this.#passedSeq.delete(connection)
      lifecycle.update(connection, { joins: [] })
    }
  }

  #findPassed(connection: Connection): number | undefined {
    const seq = this.headIfPassed(connection.state.joins ?? [])
    if (seq !== undefined) this.#passedSeq.set(connection, seq)
    return seq
  }

  /** Returns the head of the log if the log has passed what these joins withhold. */
  headIfPassed(joins: readonly OffsetJoin[]): number | undefined {
    return hasPassed(joins, this.#deps.log.stored) ? this.#deps.log.head : undefined
  }

  /** A new join may be ahead again. */
  joinedAgain(connection: Connection): void {
    this.#passedSeq.delete(connection)
  }
}
