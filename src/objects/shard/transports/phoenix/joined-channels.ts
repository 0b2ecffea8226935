// The channels of one Phoenix connection that have been joined, and how far the history of each has been sent. Holds their
// subscriptions, which count for the shard's limit. Used by phoenix-connection.ts, which writes.
import { createFilter, type Filter } from '../../../../core/subscriptions/filter.ts'
import type { Subscription } from '../../../../core/subscriptions/subscription.ts'
import type { ConnectionRegistry } from '../../connections/connection-registry.ts'
import type { OldShardReplayer } from '../../old-shard/old-shard-replayer.ts'
import { bytesOf } from '../../connections/subscription-pool.ts'
import type { Channel } from './channel.ts'

/** A channel that has been joined, and how far its history has been sent. Null: it is live. */
export interface JoinedChannel {
  readonly channel: Channel
  /** The set that counts for the shard's limit. */
  readonly held: readonly Subscription[]
  behindSeq: number | null
  /** Sends what it missed at the client's old shard. */
  oldShard: OldShardReplayer | null
}

export class JoinedChannels {
  readonly #registry: Pick<ConnectionRegistry, 'hold' | 'release'>
  readonly #byTopic = new Map<string, JoinedChannel>()

  constructor(registry: Pick<ConnectionRegistry, 'hold' | 'release'>) {
    this.#registry = registry
  }

  get size(): number {
    return this.#byTopic.size
  }

  /** Length of the JSON of what they subscribe to. */
  get subscriptionBytes(): number {
    let bytes = 0
    for (const { held } of this.#byTopic.values()) bytes += bytesOf(held)
    return bytes
  }

  /** The sequence number of the one that is furthest behind; Infinity: all are live. */
  get behindSeq(): number {
    return Math.min(Infinity, ...[...this.#byTopic.values()].map(({ behindSeq }) => behindSeq ?? Infinity))
  }

  get isReplayingOldShard(): boolean {
    return [...this.#byTopic.values()].some(({ oldShard }) => oldShard !== null)
  }

  [Symbol.iterator](): Iterator<JoinedChannel, void> {
    return this.#byTopic.values()
  }

  get(topic: string): JoinedChannel | undefined {
    return this.#byTopic.get(topic)
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

  add(channel: Channel, behindSeq: number | null): void {
    const held = this.#registry.hold(channel.interests)
    this.#byTopic.set(channel.topic, { channel, held, behindSeq, oldShard: null })
  }

  delete(topic: string): void {
    const joined = this.#byTopic.get(topic)
    joined?.oldShard?.stop()
    if (joined !== undefined) this.#registry.release(joined.held)
    this.#byTopic.delete(topic)
  }

  deleteAll(): void {
    for (const topic of this.#byTopic.keys()) this.delete(topic)
  }

  /** Returns the filter of a connection that has these channels. */
  filter(connectionId: string): Filter {
    const filters = this.channels().map(({ filter }) => filter)
    const user = filters.find((filter) => filter.user !== null)?.user ?? null
    const watched = filters.flatMap((filter) => filter.watched)
    return createFilter(connectionId, user, filters.flatMap(subscriptionsOf), watched)
  }
}

/** Returns the subscriptions that a channel's filter was made of. */
export function subscriptionsOf({ byType }: Filter): readonly Subscription[] {
  return [...byType].map(([eventType, oneOf]) => ({ eventType, oneOf }))
}
