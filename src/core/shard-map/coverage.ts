// What a shard's log has, by topic-partition: so a shard that a client crosses to finds what the client has not had from its
// old one. Also: whether a position is from before its user left the shard and came back. Pure.
import { shardOf } from '../delivery/shard-hash.ts'

/**
 * What a log has stored of a topic-partition: everything before `nextOffset` of this generation. `sinceSeq`: the log's head
 * before the last batch, which is the only one that other shards may not have yet. Absent in rows of versions before.
 */
export type SeenRange = readonly [generation: number, nextOffset: number, sinceSeq?: number]

/** By `topic/partition`. */
export type SeenRanges = Readonly<Record<string, SeenRange>>

/** True if a log that has seen `seen` of the partition has the event. */
export function isCovered(seen: SeenRange | undefined, generation: number, offset: number): boolean {
  if (seen === undefined) return false
  return generation === seen[0] ? offset < seen[1] : generation < seen[0]
}

/** Where a shard's log was when the shard first heard of a change that brings users to it. Kept for good. */
export interface ShardCut {
  readonly from: number
  readonly to: number
  readonly seq: number
}

/**
 * True if a position of this shard is from before the user left it and came back: what happened in between is not in its log.
 * Then the position is older than the retention, because a change ends no sooner.
 */
export function isOfEarlierStay(cuts: Iterable<ShardCut>, shard: number, user: string, seq: number): boolean {
  return [...cuts].some((cut) => seq < cut.seq && shardOf(user, cut.from) !== shard && shardOf(user, cut.to) === shard)
}
