// The connections of one shard: who there is, who gets what, how many there may be, and when they must end. Plain
// bookkeeping around the matcher; what is sent on a connection is the transport's business.
import type { StoredEvent } from '../../core/events/stored-event.ts'
import { DeliveryGroup, groupByConnection } from '../../core/delivery/delivery-groups.ts'
import { createFilter, type Filter } from '../../core/subscriptions/filter.ts'
import { SubscriptionIndex } from '../../core/subscriptions/subscription-index.ts'
import type { Principal } from '../../core/identity/principal.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import { userOfWatchTopic } from '../../core/subscriptions/watch-topic.ts'
import type { ConnectionQuery } from '../../rpc/shard-commands.ts'
import { ConnectionIndex } from './connection-index.ts'
import type { Connection, Owner } from './connection.ts'

export interface ConnectionLimits {
  readonly perShard: number
  /** New ones per calendar minute, as RIG counts. */
  readonly perMinute: number
  readonly perUser: number
  readonly perSession: number
  readonly metadataIndexes: readonly string[]
}

const MINUTE_MS = 60_000

export class ConnectionRegistry {
  readonly #limits: ConnectionLimits
  readonly #matcher = new SubscriptionIndex<Connection>()
  readonly #census: ConnectionIndex
  #minute = 0
  #openedInMinute = 0

  constructor(limits: ConnectionLimits) {
    this.#limits = limits
    this.#census = new ConnectionIndex(limits.metadataIndexes)
  }

  get size(): number {
    return this.#matcher.size
  }

  /** Counts one more connection, or says why there may be none. */
  admit({ user, session }: Principal, nowMs: number): Result<null, RigelError> {
    if (this.#matcher.size >= this.#limits.perShard) return tooMany('shard')
    if (this.#census.ofUser(user).size >= this.#limits.perUser) return tooMany('user')
    if (this.#census.ofSession(session).size >= this.#limits.perSession) return tooMany('session')
    const minute = Math.floor(nowMs / MINUTE_MS)
    if (minute !== this.#minute) this.#openedInMinute = 0
    this.#minute = minute
    if (this.#openedInMinute >= this.#limits.perMinute) return tooMany('minute')
    this.#openedInMinute += 1
    return ok(null)
  }

  add(connection: Connection): void {
    this.#matcher.add(connection)
    this.#census.add(connection)
  }

  /** Removing what is gone already does nothing: a connection can end from both sides at once. */
  remove(connection: Connection): void {
    this.#matcher.remove(connection)
    this.#census.remove(connection)
  }

  /** A further token came for it. */
  own(connection: Connection, owner: Owner): void {
    this.#census.remove(connection)
    connection.owner = owner
    this.#census.add(connection)
  }

  find(query: ConnectionQuery): readonly Connection[] {
    const { connectionId, session, user } = query
    if (connectionId !== undefined) return [this.get(connectionId)].filter((found) => found !== undefined)
    return [...this.#candidates(query)].filter(
      ({ owner }) =>
        (user === undefined || owner.user === user) && (session === undefined || owner.sessions.includes(session)),
    )
  }

  /** By one of the indexes; without any, all. */
  #candidates({ metadata, session, user }: ConnectionQuery): Iterable<Connection> {
    if (metadata !== undefined) return this.#census.ofMetadata(metadata.field, metadata.value)
    if (user !== undefined) return this.#census.ofUser(user)
    return session === undefined ? this.all() : this.#census.ofSession(session)
  }

  users(): ReadonlyMap<string, number> {
    return this.#census.users()
  }

  get(connectionId: string): Connection | undefined {
    return this.#matcher.get(connectionId)
  }

  all(): MapIterator<Connection> {
    return this.#matcher.connections()
  }

  wantsType(type: string): boolean {
    const user = userOfWatchTopic(type)
    return user === undefined ? this.#matcher.hasType(type) : this.#matcher.hasUser(user)
  }

  resubscribe(connection: Connection, subscriptions: readonly Subscription[]): void {
    const { connectionId, user } = connection.filter
    connection.subscriptions = subscriptions
    this.refilter(connection, createFilter(connectionId, user, subscriptions))
  }

  refilter(connection: Connection, filter: Filter): void {
    this.#matcher.remove(connection)
    connection.filter = filter
    this.#matcher.add(connection)
  }

  deliver(events: readonly StoredEvent[]): void {
    const [first] = events
    if (first !== undefined && events.length === 1) return this.#deliverOne(first)
    const groups = groupByConnection(events, (event) => this.#matcher.match(event))
    for (const [connection, group] of groups) connection.deliver(group)
  }

  /** One event has one group: nobody needs looking up. A connection that is removed meanwhile only leaves the set. */
  #deliverOne(event: StoredEvent): void {
    const group = new DeliveryGroup(undefined, event)
    for (const connection of this.#matcher.match(event)) connection.deliver(group)
  }

  /** The earliest moment at which one of them must end, or be warned of it. */
  nextDueMs(warningMs: number): number {
    let next = Infinity
    for (const connection of this.#matcher.connections()) next = Math.min(next, dueMs(connection, warningMs))
    return next
  }

  /** Those whose token is about to expire, and that have not been told. */
  toWarnAt(nowMs: number, warningMs: number): readonly Connection[] {
    return [...this.#matcher.connections()].filter(
      (connection) => !connection.warned && connection.endsByToken && connection.endsAtMs - warningMs <= nowMs,
    )
  }

  dueAt(nowMs: number): readonly Connection[] {
    return [...this.#matcher.connections()].filter(({ endsAtMs }) => endsAtMs <= nowMs)
  }
}

export function dueMs({ endsAtMs, endsByToken, warned }: Connection, warningMs: number): number {
  return endsByToken && !warned ? endsAtMs - warningMs : endsAtMs
}

function tooMany(scope: 'shard' | 'minute' | 'user' | 'session'): Result<never, RigelError> {
  return fail({ kind: 'too_many_connections', scope })
}
