// The channels of one Phoenix connection that have been joined, and how far the history of each has been sent. Holds their
// subscriptions, which count for the shard's limit. Used by phoenix-connection.ts, which writes.
import { asJoining, withMark } from '../../../../core/identity/position.ts'
import type { OffsetJoin } from '../../../../core/as-of/joins.ts'
import { createFilter, withJoins, withRights, withTables, type Filter } from '../../../../core/subscriptions/filter.ts'
import type { Subscription } from '../../../../core/subscriptions/subscription.ts'
import { heapBytesOf } from '../../../../core/text.ts'
import { stateTypesOf } from '../../../../core/tables/table-rule.ts'
import type { ConnectionState } from '../../connections/connection-state.ts'
import { viewMarkOf } from '../../connections/table-view.ts'
import type { ClientPositions } from '../../positions/client-positions.ts'
import type { ConnectionRegistry } from '../../connections/connection-registry.ts'
import type { AsOfJoins } from '../../subscriptions/as-of-joins.ts'
import type { OldShardReplayer } from '../../old-shard/old-shard-replayer.ts'
import { bytesOf } from '../../connections/subscription-pool.ts'
import { EVENTS, historySeqOf, type Channel } from './channel.ts'

/** What a joined channel takes of the heap besides its set of subscriptions and its topic, about: 504 bytes in workerd. */
const CHANNEL_BYTES = 520

/** Returns what a channel takes of the heap besides its set of subscriptions, about. */
export function heapBytesOfChannel({ joinRef, topic }: Pick<Channel, 'joinRef' | 'topic'>): number {
  return CHANNEL_BYTES + heapBytesOf(topic) + heapBytesOf(joinRef ?? '')
}

/** A channel that has been joined, and how far its history has been sent. Null: it is live. */
export interface JoinedChannel {
  readonly channel: Channel
  /** The set that counts for the shard's limit. */
  readonly held: readonly Subscription[]
  behindSeq: number | null
  /** The channel's filter, without what its client's state has. */
  filter: Filter
  /** Empty once the log has passed what the client's state has. */
  joins: readonly OffsetJoin[]
  /** Where the log was when it was found to have passed that. */
  passedSeq: number | undefined
  /** See Position.mark. Empty: its client has not been sent the table, or wants none. */
  mark: string
  /** Sends what it missed at the client's old shard. */
  oldShard: OldShardReplayer | null
}

interface JoinedChannelsParts {
  readonly connections: Pick<ConnectionRegistry, 'hold' | 'release'>
  readonly asOfJoins: Pick<AsOfJoins, 'headIfPassed'>
  readonly positions: Pick<ClientPositions, 'ofChannel'>
}

export class JoinedChannels {
  readonly #parts: JoinedChannelsParts
  readonly #byTopic = new Map<string, JoinedChannel>()

  constructor(parts: JoinedChannelsParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#byTopic.size
  }

  /** Length of the JSON of what they subscribe to, of their topics, and of the offsets that they were joined at. */
  get subscriptionBytes(): number {
    let bytes = 0
    for (const { held, channel, joins } of this.#byTopic.values())
      bytes += bytesOf(held) + channel.topic.length + JSON.stringify(joins).length
    return bytes
  }

  /** The sequence number of the one that is furthest behind; Infinity: all are live. */
  get behindSeq(): number {
    return Math.min(Infinity, ...[...this.#byTopic.values()].map(({ behindSeq }) => behindSeq ?? Infinity))
  }

  [Symbol.iterator](): Iterator<JoinedChannel, void> {
    return this.#byTopic.values()
  }

  get(topic: string): JoinedChannel | undefined {
    return this.#byTopic.get(topic)
  }

  /** Returns the channel that is sent the table of an event type. */
  ofTable(type: string | undefined): JoinedChannel | undefined {
    return this.#byTopic.get(`${EVENTS}${type}`)
  }

  channels(): readonly Channel[] {
    return [...this.#byTopic.values()].map(({ channel }) => channel)
  }

  /** Returns a channel whose history is to be read from the log. */
  nextBehind(): JoinedChannel | undefined {
    for (const joined of this.#byTopic.values())
      if (joined.behindSeq !== null && joined.oldShard === null) return joined
    return undefined
  }

  add(channel: Channel, behindSeq: number | null, joins: readonly OffsetJoin[]): void {
    const held = this.#parts.connections.hold(channel.interests, heapBytesOfChannel(channel))
    const filter = withJoins(channel.filter, joins)
    this.#byTopic.set(channel.topic, {
      channel,
      held,
      behindSeq,
      filter,
      joins,
      passedSeq: undefined,
      mark: '',
      oldShard: null,
    })
  }

  /** Returns the position of a sequence number, as the client gets it on this channel of a connection with this state. */
  positionOf(state: ConnectionState, joined: JoinedChannel, seq: number): string {
    const position = this.#parts.positions.ofChannel(state, seq, historySeqOf(joined.channel))
    const joining = this.#isJoining(joined, seq) ? asJoining(position) : position
    return joined.mark === '' ? joining : withMark(joining, joined.mark)
  }

  /** Returns whether a client that has a channel up to `seq` has to name its state again. Ends a join that has been passed. */
  #isJoining(joined: JoinedChannel, seq: number): boolean {
    if (joined.joins.length === 0) return false
    joined.passedSeq ??= this.#parts.asOfJoins.headIfPassed(joined.joins)
    if (joined.passedSeq === undefined || seq < joined.passedSeq) return true
    joined.joins = []
    joined.filter = joined.channel.filter
    return false
  }

  delete(topic: string): void {
    const joined = this.#byTopic.get(topic)
    joined?.oldShard?.stop()
    if (joined !== undefined) this.#parts.connections.release(joined.held, heapBytesOfChannel(joined.channel))
    this.#byTopic.delete(topic)
  }

  deleteAll(): void {
    for (const topic of this.#byTopic.keys()) this.delete(topic)
  }

  /** Takes over which tables the channels have been sent: see ConnectionState.tables. */
  setTables({ grant, tables = {} }: Pick<ConnectionState, 'grant' | 'tables'>): void {
    for (const joined of this.#byTopic.values()) {
      const { filter, interests } = joined.channel
      const [type] = stateTypesOf(interests)
      if (type === undefined) continue
      const seq = tables[type]
      // Without a table, as after one that has become too large, the channel gets events and no removals.
      joined.filter = seq === undefined ? filter : withTables(filter, new Map([[type, seq ?? 0]]))
      joined.mark = typeof seq === 'number' ? (viewMarkOf({ grant, subscriptions: interests }) ?? '') : ''
    }
  }

  /** Returns the filter of a connection that has these channels. */
  filter(connectionId: string): Filter {
    const filters = this.channels().map(({ filter }) => filter)
    const user = filters.find((filter) => filter.user !== null)?.user ?? null
    const watched = filters.flatMap((filter) => filter.watched)
    // All of them have the rights of the connection.
    const tables = new Map([...this.#byTopic.values()].flatMap(({ filter }) => [...(filter.tables ?? [])]))
    const union = createFilter(connectionId, user, filters.flatMap(subscriptionsOf), watched)
    return withTables(withRights(union, filters[0]?.rights), tables)
  }
}

/** Returns the subscriptions that a channel's filter was made of. */
export function subscriptionsOf({ byType }: Filter): readonly Subscription[] {
  return [...byType].map(([eventType, oneOf]) => ({ eventType, oneOf }))
}
