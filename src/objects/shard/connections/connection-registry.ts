// The connections of one shard: which exist, which get an event, and how many are allowed. Keeps the subscription index; the
// transports write to connections. connection-deadlines.ts tells when each must end.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import { DeliveryGroup, groupByConnection } from '../../../core/delivery/delivery-groups.ts'
import type { MatchedEvent } from '../../../core/explain/explain-match.ts'
import type { Filter } from '../../../core/subscriptions/filter.ts'
import type { TypeRules } from '../../../core/rules/type-rules.ts'
import { SubscriptionIndex } from '../../../core/subscriptions/subscription-index.ts'
import type { Principal } from '../../../core/identity/principal.ts'
import type { RigelError } from '../../../core/errors.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import { userOfWatchTopic } from '../../../core/subscriptions/watch-topic.ts'
import type { ConnectionQuery } from '../../../rpc/shard-commands.ts'
import { ConnectionIndex } from './connection-index.ts'
import type { Connection } from './connection.ts'
import type { ConnectionState } from './connection-state.ts'
import { SubscriptionPool } from './subscription-pool.ts'

export interface ConnectionLimits {
  readonly perShard: number
  /** New connections per calendar minute, as RIG counts. */
  readonly perMinute: number
  readonly perUser: number
  readonly perSession: number
  readonly metadataIndexes: readonly string[]
}

const MINUTE_MS = 60_000

/** Told of each event and to how many connections it goes. */
export type OnMatched = (event: StoredEvent, connections: number) => void

export class ConnectionRegistry {
  readonly #limits: ConnectionLimits
  readonly #onMatched: OnMatched
  readonly #subscriptions: SubscriptionIndex<Connection>
  readonly #rules: TypeRules | null
  readonly #index: ConnectionIndex
  readonly #pool = new SubscriptionPool()
  /** What is held besides sets of subscriptions. */
  #besidesBytes = 0
  /** Number of connections that no output gate holds back. */
  #ungated = 0
  #minute = 0
  #openedInMinute = 0

  /** `rules`: null if there are none. */
  constructor(limits: ConnectionLimits, onMatched: OnMatched = () => undefined, rules: TypeRules | null = null) {
    this.#rules = rules
    this.#subscriptions = new SubscriptionIndex(rules)
    this.#limits = limits
    this.#onMatched = onMatched
    this.#index = new ConnectionIndex(limits.metadataIndexes)
  }

  get size(): number {
    return this.#subscriptions.size
  }

  /** True if all connections are gated. */
  get areGated(): boolean {
    return this.#ungated === 0
  }

  /** What all metadata and all subscriptions take of the heap, about. */
  get heldBytes(): number {
    return this.#index.metadataBytes + this.#besidesBytes + this.#pool.bytes
  }

  /** Returns by how much `heldBytes` grows with this set. */
  costOf(subscriptions: readonly Subscription[]): number {
    return this.#pool.costOf(subscriptions)
  }

  /**
   * Counts a set besides those of connections, such as a channel's, and `bytes` that what has it takes. Returns the set to keep, and to
   * `release`.
   */
  hold(subscriptions: readonly Subscription[], bytes: number): readonly Subscription[] {
    this.count(bytes)
    return this.#pool.acquire(subscriptions)
  }

  /** Counts what else takes memory because of what clients ask for, by how much it has grown. */
  count(bytes: number): void {
    this.#besidesBytes += bytes
  }

  release(held: readonly Subscription[], bytes: number): void {
    this.count(-bytes)
    this.#pool.release(held)
  }

  /** Returns the limit that one more connection would pass. */
  check({ user, session }: Principal): Result<null, RigelError> {
    if (this.#subscriptions.size >= this.#limits.perShard) return tooMany('shard')
    if (this.#index.ofUser(user).size >= this.#limits.perUser) return tooMany('user')
    return this.#index.ofSession(session).size >= this.#limits.perSession ? tooMany('session') : ok(null)
  }

  /** Counts one more connection, or returns the limit that is reached. */
  admit(principal: Principal, nowMs: number): Result<null, RigelError> {
    const within = this.check(principal)
    if (!within.ok) return within
    const minute = Math.floor(nowMs / MINUTE_MS)
    if (minute !== this.#minute) this.#openedInMinute = 0
    this.#minute = minute
    if (this.#openedInMinute >= this.#limits.perMinute) return tooMany('minute')
    this.#openedInMinute += 1
    return ok(null)
  }

  add(connection: Connection): void {
    const subscriptions = this.#pool.acquire(connection.state.subscriptions)
    if (subscriptions !== connection.state.subscriptions) connection.state = { ...connection.state, subscriptions }
    // The filter of the others is of their channels.
    if (connection.takesSubscriptions) connection.filter = this.#pool.share(subscriptions, connection.filter)
    this.#subscriptions.add(connection)
    this.#index.add(connection)
    if (!connection.isGated) this.#ungated += 1
  }

  /** Returns false if the connection was removed before: it can end from both sides at once. */
  remove(connection: Connection): boolean {
    if (this.get(connection.state.id) !== connection) return false
    this.#subscriptions.remove(connection)
    this.#index.remove(connection)
    this.#pool.release(connection.state.subscriptions)
    if (!connection.isGated) this.#ungated -= 1
    return true
  }

  /**
   * Replaces the state of a connection, and its filter if the subscriptions are others. Returns false, and changes nothing, if the
   * connection was removed: it may end while it is written to, and would be indexed again, for good.
   */
  update(connection: Connection, state: ConnectionState): boolean {
    if (this.get(connection.state.id) !== connection) return false
    const isRefiltered = state.subscriptions !== connection.state.subscriptions
    const isRejoined = state.joins !== connection.state.joins || state.tables !== connection.state.tables
    const subscriptions = isRefiltered ? this.#pool.acquire(state.subscriptions) : state.subscriptions
    if (isRefiltered) this.#pool.release(connection.state.subscriptions)
    const hasOtherRights = state.grant !== connection.state.grant || state.lateGrant !== connection.state.lateGrant
    this.#index.remove(connection)
    connection.state = { ...state, subscriptions }
    this.#index.add(connection)
    if (!isRefiltered && !isRejoined && !hasOtherRights) return true
    const filter = connection.filterNow(this.#rules)
    this.refilter(connection, connection.takesSubscriptions ? this.#pool.share(subscriptions, filter) : filter)
    return true
  }

  refilter(connection: Connection, filter: Filter): void {
    this.#subscriptions.remove(connection)
    connection.filter = filter
    this.#subscriptions.add(connection)
  }

  find(query: ConnectionQuery): readonly Connection[] {
    return [...this.#candidates(query)].filter((connection) => this.#index.matches(connection, query))
  }

  /** Returns candidates from one of the indexes, or all connections if the query names none of their fields. */
  #candidates({ connectionId, metadata, session, user }: ConnectionQuery): Iterable<Connection> {
    if (connectionId !== undefined) return [this.get(connectionId)].filter((found) => found !== undefined)
    if (user !== undefined) return this.#index.ofUser(user)
    if (session !== undefined) return this.#index.ofSession(session)
    return metadata === undefined ? this.all() : this.#index.ofMetadata(metadata.field, metadata.value)
  }

  /** Number of connections by user. */
  users(): ReadonlyMap<string, number> {
    return this.#index.users()
  }

  /** Number of connections that the event goes to now. */
  countMatching(event: MatchedEvent): number {
    return this.#subscriptions.match({ seq: Number.MAX_SAFE_INTEGER, json: '', ...event }).size
  }

  get(connectionId: string): Connection | undefined {
    return this.#subscriptions.get(connectionId)
  }

  /** Connections that get tables. */
  withTables(): readonly Connection[] {
    return this.#subscriptions.withTables()
  }

  /** True if a connection gets the table of the type. */
  wantsTable(type: string): boolean {
    return this.withTables().some(({ filter }) => filter.tables?.has(type) === true)
  }

  /** Connections that are not sent what their client's state has. */
  joining(): ReadonlySet<Connection> {
    return this.#subscriptions.joining()
  }

  all(): MapIterator<Connection> {
    return this.#subscriptions.connections()
  }

  /** True if a connection subscribes to the event type or pattern, or watches the user of a watch topic. */
  wantsType(type: string): boolean {
    const user = userOfWatchTopic(type)
    return user === undefined ? this.#subscriptions.hasType(type) : this.#subscriptions.hasUser(user)
  }

  /** Returns the number of connections that the events went to. */
  deliver(events: readonly StoredEvent[]): number {
    const [first] = events
    if (first !== undefined && events.length === 1) return this.#deliverOne(first)
    const groups = groupByConnection(events, (event) => this.#match(event))
    for (const [connection, group] of groups) connection.deliver(group)
    return groups.size
  }

  /** Delivers one event to its connections, without a lookup per connection. Connections that are removed meanwhile leave the set. */
  #deliverOne(event: StoredEvent): number {
    const group = new DeliveryGroup(undefined, event)
    let count = 0
    for (const connection of this.#match(event)) {
      connection.deliver(group)
      count += 1
    }
    return count
  }

  #match(event: StoredEvent): ReadonlySet<Connection> {
    const found = this.#subscriptions.match(event)
    this.#onMatched(event, found.size)
    return found
  }

  /** Returns the connections that count against the user's or the session's limit, oldest first. */
  countedWith({ session, user }: Principal): readonly Connection[] {
    return [...this.#index.ofUser(user), ...this.#index.ofSession(session)]
  }
}

function tooMany(scope: 'shard' | 'minute' | 'user' | 'session'): Result<never, RigelError> {
  return fail({ kind: 'too_many_connections', scope })
}
