// Joins clients at the offsets that their state is of: asks followers how far they are, and remembers from where on the log has
// every event of a type. The rules are in core/as-of. Called by admission and for subscriptions that come later.
import { parseAsOf, topicOfPartition, type AsOf } from '../../../core/as-of/as-of.ts'
import { hasPassed, type JoinStep } from '../../../core/as-of/joins.ts'
import {
  resolveAsOf,
  resolveRejoin,
  type FollowedUpTo,
  type Joined,
  type JoinFacts,
  type Since,
} from '../../../core/as-of/resolve-as-of.ts'
import { runWithLimit } from '../../../core/concurrency.ts'
import type { RigelError } from '../../../core/errors.ts'
import { partitionName, type TopicPartition } from '../../../core/events/kafka-record.ts'
import { parsePosition } from '../../../core/identity/position.ts'
import type { ConnectRequest } from '../../../core/identity/principal.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import type { FollowerProgress } from '../../../rpc/follower.ts'
import type { LogStore } from '../log/log-store.ts'
import type { ConnectionLifecycle } from '../connections/connection-lifecycle.ts'
import type { ConnectionRegistry } from '../connections/connection-registry.ts'
import type { Connection } from '../connections/connection.ts'

/** Six calls of an invocation wait for an answer at once. */
const CONCURRENT_CALLS = 6
/** A partition that is added shows itself by its events. */
const PARTITIONS_LAST_MS = 30_000
/** Types of which is remembered from where on the log has them. A type that is forgotten is asked about again. */
const MAX_TYPES = 5_000
/** The key of events that are addressed to users. No event type is empty. */
const USERS = ''

export interface AsOfJoinsDeps {
  readonly log: Pick<LogStore, 'stored' | 'rows' | 'floor' | 'head'>
  committedSeq(): number
  /** Returns the position from which the log has a type's events: another one means that it was withdrawn meanwhile. */
  interestSince(eventType: string): number | undefined
  /** Returns all partitions that were ever followed. */
  partitions(): Promise<readonly TopicPartition[]>
  /** The topics that are followed. */
  readonly topics: readonly string[]
  /** Returns null if the follower has not started. `offset`: the log is asked for its end if it is not followed so far. */
  progress(at: TopicPartition, offset: number): Promise<FollowerProgress | null>
  /** The number of shards by which events are addressed. */
  shards(): number
  /** Returns the version of the shard map: with another one, other users are at this shard. */
  usersSince(): number
  nowMs(): number
}

/** Where a client that connects reads on, as far as its state decides that. */
export interface JoinPlace {
  /** Null: its position decides, or it has neither. */
  readonly startSeq: number | null
  readonly joins: readonly JoinStep[]
  /** Events may be missing. */
  readonly isGap: boolean
}

const NO_STATE: JoinPlace = { startSeq: null, joins: [], isGap: false }
const GAP: JoinPlace = { ...NO_STATE, isGap: true }

/** What a client is told while a follower or the Directory does not answer. */
const NOT_KNOWN: RigelError = {
  kind: 'unavailable',
  message: 'How far the stream is cannot be found out at the moment: try again.',
}

/** Steps of one connection that are not passed. */
const MAX_STEPS = 8

interface KnownType {
  readonly interestSince: number | undefined
  /** By partition. */
  readonly since: Map<string, Since>
}

export class AsOfJoins {
  readonly #deps: AsOfJoinsDeps
  /** By event type or pattern. Lost with the object's memory: then followers are asked anew. */
  readonly #types = new Map<string, KnownType>()
  #partitions: { readonly all: readonly TopicPartition[]; readonly atMs: number } | undefined
  /** Where the log was when it was found to have passed what a connection's state has. */
  readonly #passedSeq = new WeakMap<Connection, number>()

  constructor(deps: AsOfJoinsDeps) {
    this.#deps = deps
  }

  /**
   * Returns where a client that connects reads on. `isResumed`: its position is of this log and can be read from. To be called
   * when the interest in its types is registered.
   */
  async placeOf(connect: ConnectRequest, isResumed: boolean): Promise<Result<JoinPlace, RigelError>> {
    const { lastEventId, principal, subscriptions } = connect
    const isJoining = lastEventId !== null && parsePosition(lastEventId)?.isJoining === true
    // The text was parsed by the Worker: it is empty only if there is none.
    const asOf = connect.asOf === undefined ? undefined : parseAsOf(connect.asOf)
    if (asOf?.ok === false) return fail({ kind: 'bad_request', message: asOf.reason })
    if (lastEventId !== null && !isJoining) return ok(NO_STATE)
    if (asOf === undefined) return ok(isJoining ? GAP : NO_STATE)
    if (lastEventId !== null && !isResumed) return ok(GAP)
    try {
      const types = subscriptions.map(({ eventType }) => eventType)
      const joined = lastEventId === null ? await this.#join(asOf.value, types, principal.user !== null) : undefined
      const step = joined?.step ?? (lastEventId === null ? undefined : await this.#rejoin(asOf.value))
      if (step === undefined) return ok(GAP)
      const { head } = this.#deps.log
      // Nothing is left that it would be sent and has.
      const isThere = step.ahead.length === 0 && joined?.startSeq === head && this.#deps.committedSeq() === head
      if (isThere) return ok({ startSeq: joined.startSeq, joins: [], isGap: false })
      return ok({ startSeq: joined?.startSeq ?? null, joins: [{ before: null, ...step }], isGap: false })
    } catch (error) {
      return this.#notKnown(error)
    }
  }

  /** For subscriptions of an open connection, whose interest is registered. The value is undefined if events may be missing. */
  async joinLater(asOf: AsOf, eventTypes: readonly string[]): Promise<Result<Joined | undefined, RigelError>> {
    try {
      return ok(await this.#join(asOf, eventTypes, false))
    } catch (error) {
      return this.#notKnown(error)
    }
  }

  /**
   * Returns the steps of a connection that has subscribed to others. `before`: what it was subscribed to. Without a state, or if
   * events may be missing, they are sent from `sinceSeq` on. Undefined: there are too many steps.
   */
  stepsWith({ state }: Connection, joined: Joined | undefined, sinceSeq: number): readonly JoinStep[] | undefined {
    const { joins = [], subscriptions: before } = state
    if (joined === undefined && joins.length === 0) return joins
    if (joins.length >= MAX_STEPS) return undefined
    return [...joins, { before, ...(joined?.step ?? { untilSeq: sinceSeq, marks: {}, ahead: [] }) }]
  }

  #notKnown(error: unknown): Result<never, RigelError> {
    console.warn({ message: 'a client could not join at its state', error: String(error) })
    return fail(NOT_KNOWN)
  }

  /**
   * To be called when the interest in these types is registered. Resolves to undefined if events beyond the state may be
   * missing. Rejects if the Directory or a follower does not answer.
   */
  async #join(asOf: AsOf, eventTypes: readonly string[], hasUser: boolean): Promise<Joined | undefined> {
    const keys = hasUser ? [...eventTypes, USERS] : eventTypes
    const known = new Map(keys.map((key) => [key, this.#typeOf(key)]))
    const facts = await this.#ask(asOf)
    for (const { since } of known.values()) this.#learn(since, facts)
    return resolveAsOf({
      ...facts,
      sinceOf: (partition, generation) => sinceOfAll(known.values(), partition, generation),
    })
  }

  /** For a client that comes back with a position from before its state was passed. */
  async #rejoin(asOf: AsOf): Promise<Joined['step'] | undefined> {
    return resolveRejoin(await this.#ask(asOf))
  }

  /** Ends the joins of connections that have got everything up to where the log has passed their state. */
  endPassed(connections: ConnectionRegistry, lifecycle: ConnectionLifecycle): void {
    for (const connection of connections.joining()) {
      const passedSeq = this.#passedSeq.get(connection) ?? this.#findPassed(connection)
      if (passedSeq === undefined || connection.progress.writtenSeq < passedSeq) continue
      this.#passedSeq.delete(connection)
      lifecycle.update(connection, { joins: [] })
    }
  }

  #findPassed(connection: Connection): number | undefined {
    if (!hasPassed(connection.state.joins ?? [], this.#deps.log.stored)) return undefined
    this.#passedSeq.set(connection, this.#deps.log.head)
    return this.#deps.log.head
  }

  /** A new step may be ahead again. */
  stepped(connection: Connection): void {
    this.#passedSeq.delete(connection)
  }

  async #ask(asOf: AsOf): Promise<JoinFacts> {
    const { log } = this.#deps
    const topics = new Set([...asOf.keys()].map(topicOfPartition).filter((topic) => this.#deps.topics.includes(topic)))
    const all = (await this.#listPartitions()).filter(({ topic }) => topics.has(topic))
    const followed = new Map<string, FollowedUpTo>()
    const ask = (at: TopicPartition, offset: number) => async () => {
      const progress = await this.#deps.progress(at, offset)
      // A follower of another version may send a user's events to another shard.
      if (progress !== null && progress.shards === this.#deps.shards()) followed.set(partitionName(at), progress)
    }
    const named = all.flatMap((at) => {
      const offset = asOf.get(partitionName(at))
      return offset === undefined ? [] : [ask(at, offset)]
    })
    // With a partition missing, nothing is asked: the answer is known.
    if (named.length === all.length) await runWithLimit(named, CONCURRENT_CALLS)
    const stored = Object.keys(log.stored).filter((partition) => topics.has(topicOfPartition(partition)))
    return {
      asOf,
      topics,
      partitions: new Set([...all.map(partitionName), ...stored]),
      followed,
      stored: log.stored,
      sinceOf: () => undefined,
      rows: log.rows(),
      floorSeq: log.floor,
      committedSeq: this.#deps.committedSeq(),
    }
  }

  async #listPartitions(): Promise<readonly TopicPartition[]> {
    const known = this.#partitions
    if (known !== undefined && this.#deps.nowMs() - known.atMs < PARTITIONS_LAST_MS) return known.all
    const all = await this.#deps.partitions()
    this.#partitions = { all, atMs: this.#deps.nowMs() }
    return all
  }

  #typeOf(key: string): KnownType {
    const interestSince = key === USERS ? this.#deps.usersSince() : this.#deps.interestSince(key)
    const known = this.#types.get(key)
    if (known !== undefined && known.interestSince === interestSince) return known
    const [oldest] = this.#types.keys()
    if (this.#types.size >= MAX_TYPES && oldest !== undefined) this.#types.delete(oldest)
    const fresh = { interestSince, since: new Map<string, Since>() }
    this.#types.set(key, fresh)
    return fresh
  }

  /** What a follower had not routed when it was asked is routed by this interest, unless a batch of before has gone further. */
  #learn(since: Map<string, Since>, { followed, stored }: JoinFacts): void {
    for (const [partition, { generation, planned }] of followed) {
      if (since.get(partition)?.generation === generation) continue
      const [storedGeneration, nextOffset] = stored[partition] ?? [generation, 0]
      const offset = storedGeneration === generation ? Math.max(planned, nextOffset) : planned
      since.set(partition, { generation, offset })
    }
  }
}

function sinceOfAll(types: Iterable<KnownType>, partition: string, generation: number): number | undefined {
  let offset = 0
  for (const { since } of types) {
    const own = since.get(partition)
    if (own?.generation !== generation) return undefined
    offset = Math.max(offset, own.offset)
  }
  return offset
}
