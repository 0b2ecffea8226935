// Resuming at another shard than the one that a position is of, while a change of the shard map is under way. Pure. The client
// first gets everything after its position from the old log, up to that log's head; then the new log from where followers
// began to write to both, without the events that the old log had by then. Both come with positions: those of the second
// part name the crossing, so that a client which drops again is not sent events of the old log that reach the new one late.

import { shardOf } from '../delivery/shard-hash.ts'

/** An event's place in its topic-partition. A new generation begins a new range of offsets. */
export interface EventOrigin {
  /** `<topic>/<partition>` */
  readonly partition: string
  readonly generation: number
  readonly offset: number
}

type Place = Omit<EventOrigin, 'partition'>

/** For each topic-partition the first place that a log does not have. A log has nothing of partitions that are absent. */
export type OffsetVector = ReadonlyMap<string, Place>

/** Part of a position: the client has everything that the old shard's log had up to `seq`. */
interface Crossing {
  readonly shard: number
  readonly seq: number
}

/** A position, with the shard that its log belongs to. `crossing` is null unless the client came from another shard. */
export interface ShardPosition {
  readonly shard: number
  readonly seq: number
  readonly crossing: Crossing | null
}

/** Where a shard's log was when it first met a change's version, in a batch: see ShardChange.cutVersion. Kept for good. */
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

/** Returns what a log has after these events, in its order. */
export function vectorOf(events: Iterable<EventOrigin>): OffsetVector {
  const vector = new Map<string, Place>()
  for (const { generation, offset, partition } of events) vector.set(partition, { generation, offset: offset + 1 })
  return vector
}

/** True if a log that has everything before `vector` has the event. */
export function isCovered({ generation, offset, partition }: EventOrigin, vector: OffsetVector): boolean {
  const place = vector.get(partition)
  if (place === undefined) return false
  return generation === place.generation ? offset < place.offset : generation < place.generation
}
