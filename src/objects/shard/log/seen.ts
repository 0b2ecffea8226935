// How far a shard's log has stored each topic-partition, so that a batch that comes twice is stored once. Pure. Followers
// send batches of a partition in order, and send a batch again until the shard has answered.
import type { SeenRange } from '../../../core/shard-map/coverage.ts'
import { decodeBatch, encodeBatches, type EventBatch } from '../../../core/delivery/batch-codec.ts'

/** Where a segment's events came from; null: they are Rigel's own. */
export type SegmentSource =
  | readonly [
      topic: string,
      partition: number,
      generation: number,
      firstOffset: number,
      lastOffset: number,
      /** Head of the log before the batch. Rows of versions before have none. */
      sinceSeq?: number,
    ]
  | null

/** State of a shard's log, besides its events. */
export interface ShardLogState {
  /** `<shard>.<log>`. `log` is an id that is made with the log: a position with another epoch is of another log. */
  readonly epoch: string
  /** By `topic/partition`. */
  readonly seen: Record<string, SeenRange>
  /** The position that quiet clients were told last. Absent: none was. */
  readonly toldSeq?: number
}

export function keyOf(topic: string, partition: number): string {
  return `${topic}/${partition}`
}

/** Returns what has been stored once this segment is. */
export function seenAfter([, , generation, , lastOffset, sinceSeq]: NonNullable<SegmentSource>): SeenRange {
  return sinceSeq === undefined ? [generation, lastOffset + 1] : [generation, lastOffset + 1, sinceSeq]
}

/**
 * Returns the head of the log before the batch that these packs are of. A batch that is sent again, and has more than before,
 * began where its first try did: other shards may not have had that either.
 */
export function sinceSeqOf(
  packs: readonly EventBatch[],
  generation: number,
  seen: SeenRange | undefined,
  head: number,
) {
  const [first] = packs
  const isAgain = seen !== undefined && seen[0] === generation && first !== undefined && first.firstOffset < seen[1]
  return isAgain ? (seen[2] ?? head) : head
}

/** Returns the events of a pack that were not stored yet: nearly always all or none. */
export function unseenOf(
  pack: EventBatch,
  generation: number,
  seen: SeenRange = [generation, 0],
): readonly EventBatch[] {
  const [seenGeneration, nextOffset] = seen
  if (generation < seenGeneration) return []
  if (generation > seenGeneration || pack.firstOffset >= nextOffset) return [pack]
  if (pack.lastOffset < nextOffset) return []
  return encodeBatches([...decodeBatch(pack)].filter(({ offset }) => offset >= nextOffset))
}
