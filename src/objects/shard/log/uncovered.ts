// Finds the events that a shard's log has and another log does not. A user who has moved gets these from the old shard. Called by LogStore.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import { isCovered, type SeenRange, type SeenRanges } from '../../../core/shard-map/coverage.ts'
import type { StoredSegment } from '../../../segment-log/segment-tables.ts'
import { decodeSegment, type ShardSegments } from './log-segment.ts'
import { keyOf, type SegmentSource } from './seen.ts'

/** The end of a log at one moment. */
export interface ShardLogEnd {
  readonly head: number
  readonly seen: SeenRanges
}

/** See LogStore.readUncovered. */
export function readUncovered(log: ShardSegments, seen: SeenRanges, before: ShardLogEnd): readonly StoredEvent[] {
  const later = [...log.read(before.head)].flatMap((segment) => uncoveredIn(segment, seen))
  const last = Object.entries(before.seen).flatMap(([key, range]) => readLastBatch(log, key, range, seen))
  const inOrder = last.filter(({ seq }) => seq <= before.head).toSorted((a, b) => a.seq - b.seq)
  return [...inOrder, ...later]
}

function readLastBatch(log: ShardSegments, key: string, last: SeenRange, seen: SeenRanges): readonly StoredEvent[] {
  const [generation, nextOffset, sinceSeq] = last
  if (sinceSeq === undefined || isCovered(seen[key], generation, nextOffset - 1)) return []
  const events: StoredEvent[] = []
  for (const segment of log.read(sinceSeq)) {
    const source = JSON.parse(segment.meta) as SegmentSource
    if (source === null || keyOf(source[0], source[1]) !== key || source[2] !== generation) continue
    events.push(...uncoveredIn(segment, seen))
    if (source[4] + 1 === nextOffset) break
  }
  return events
}

/** Events of Rigel's own are of no topic: they stay where they are. */
function uncoveredIn({ body, heads, meta, position }: StoredSegment, seen: SeenRanges): readonly StoredEvent[] {
  const source = JSON.parse(meta) as SegmentSource
  return [...decodeSegment({ lastSeq: position, heads, body, source })].filter(
    ({ offset = 0, origin }) => origin !== undefined && !isCovered(seen[origin.partition], origin.generation, offset),
  )
}
