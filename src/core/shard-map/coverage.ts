// Which events a shard's log has, by topic-partition. A client that moves to another shard gets the events that its
// old log does not have. Also decides whether a position is from before its user left the shard and came back. Pure.
import { shardOf } from '../delivery/shard-hash.ts'
import { placeOf } from './shard-number.ts'

/**
 * The range of a topic-partition that a log has stored: all offsets before `nextOffset` of this generation. `sinceSeq`
 * is the log's head before the last batch, which is the only batch that other shards may not have yet. Older versions
 * did not store it.
 */
export type SeenRange = readonly [generation: number, nextOffset: number, sinceSeq?: number]

/** By `topic/partition`. */
export type SeenRanges = Readonly<Record<string, SeenRange>>

/** Returns whether a log that has seen `seen` of the partition has the event. */
export function isCovered(seen: SeenRange | undefined, generation: number, offset: number): boolean {
  if (seen === undefined) return false
  return generation === seen[0] ? offset < seen[1] : generation < seen[0]
}

/**
 * The head of a shard's log when the shard first learned of a change that moves users to it. Never removed. `from` is 0 if the
 * change added the shard's group, which has had no users.
 */
export interface ShardCut {
  readonly from: number
  readonly to: number
  readonly seq: number
}

/**
 * Returns whether a position of this shard is from before the user left the shard and came back: the log does not have the
 * events in between. Such a position is older than the retention, because a change lasts at least that long.
 */
export function predatesReturn(cuts: Iterable<ShardCut>, shard: number, user: string, seq: number): boolean {
  return [...cuts].some((cut) => seq < cut.seq && isCutOf(cut, shard, user))
}

/** Returns whether the change brought this user to the shard. */
export function isCutOf({ from, to }: Pick<ShardCut, 'from' | 'to'>, shard: number, user: string): boolean {
  const place = placeOf(shard)
  return shardOf(user, from) !== place && shardOf(user, to) === place
}
