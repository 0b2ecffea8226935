// Chooses the shards of an event while the number of shards changes. Events for users that move are written to both of
// their shards, to the new one first. So the new shard's log has every event of the old one's, and a client can change
// over at any time: the new log has at most the current batch of each partition that the old log does not have. Pure.
// Used by followers.
import { emptyRoutedBatch, type RoutedBatch } from '../delivery/routed-batch.ts'
import { shardOf } from '../delivery/shard-hash.ts'
import { allShardsOf, isGaining, isLosing, writtenGroups, type ShardMap } from './shard-map.ts'
import { DEFAULT_GROUP, groupOf, shardAt } from './shard-number.ts'

/** Routes events by one version of the map. Create a new one for each version. */
export class ShardRouting {
  readonly map: ShardMap
  /** Events are written to both shards of a moved user. */
  readonly #isDual: boolean
  readonly #gaining: readonly number[]
  /** Null: there are no groups of shards besides the default one. */
  readonly #groups: readonly number[] | null
  /**
   * The result of ofInterested by set: batches group events by the identity of the set, so equal sets must be the same
   * object.
   */
  readonly #widened = new WeakMap<ReadonlySet<number>, ReadonlySet<number>>()

  constructor(map: ShardMap) {
    this.map = map
    this.#isDual = map.change !== null && map.change.phase !== 'adopting'
    this.#gaining = allShardsOf(map).filter((shard) => isGaining(map, shard))
    const groups = writtenGroups(map)
    this.#groups = groups.length === 1 && groups[0] === DEFAULT_GROUP ? null : groups
  }

  /** The shards that events to a user are written to: one in each group, or both of them. */
  ofUser(user: string): readonly number[] {
    const places = this.#placesOf(user)
    return this.#groups?.flatMap((group) => places.map((place) => shardAt(group, place))) ?? places
  }

  #placesOf(user: string): readonly number[] {
    const { change, shards } = this.map
    if (change === null) return [shardOf(user, shards)]
    const old = shardOf(user, change.from)
    if (!this.#isDual) return [old]
    const home = shardOf(user, shards)
    return home === old ? [home] : [home, old]
  }

  /**
   * Returns the shards that get an event which the `interested` shards want. If one of them loses users, all shards
   * that gain users get it too. Returns the same object for the same argument.
   */
  ofInterested(interested: ReadonlySet<number>): ReadonlySet<number> {
    if (!this.#isDual || interested.size === 0) return interested
    const known = this.#widened.get(interested)
    if (known !== undefined) return known
    const gaining = this.#gainingFrom([...interested].filter((shard) => isLosing(this.map, shard)))
    const widened = gaining.length === 0 ? interested : new Set([...interested, ...gaining])
    this.#widened.set(interested, widened)
    return widened
  }

  /** A change of the number moves users within their group, one of the groups to any that remains. */
  #gainingFrom(losing: readonly number[]): readonly number[] {
    if (losing.length === 0) return losing
    if (this.map.change?.removedGroups !== undefined) return this.#gaining
    const groups = new Set(losing.map(groupOf))
    return this.#gaining.filter((shard) => groups.has(groupOf(shard)))
  }

  /**
   * Splits a batch into parts to be sent one after the other: shards that gain users have an event before any that
   * loses them.
   */
  inOrder(batch: RoutedBatch): readonly RoutedBatch[] {
    if (!this.#isDual) return [batch]
    const isFirst = (shard: number) => isGaining(this.map, shard)
    return [pick(batch, isFirst), pick(batch, (shard) => !isFirst(shard))]
  }
}

function pick({ addressed, broadcasts }: RoutedBatch, isPicked: (shard: number) => boolean): RoutedBatch {
  const batch = emptyRoutedBatch()
  for (const [shard, events] of addressed) if (isPicked(shard)) batch.addressed.set(shard, events)
  for (const [shards, stream] of broadcasts) {
    const picked = new Set([...shards].filter(isPicked))
    if (picked.size > 0) batch.broadcasts.set(picked, stream)
  }
  return batch
}
