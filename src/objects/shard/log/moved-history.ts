// The old shard's part when a client moves to another shard: whether its position can be read from, and the events
// after it. Pure except for reading the log. Called by UserShard. The new shard's part is old-shard/old-shard-reader.ts.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import { parsePosition } from '../../../core/identity/position.ts'
import { matchesFilter } from '../../../core/subscriptions/filter.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import {
  toFilter,
  type MovedChunk,
  type MovedPosition,
  type MovedRead,
  type SeenPlace,
} from '../../../rpc/moved-history.ts'
import type { LogStore } from './log-store.ts'

/** Approximate bytes of one read. */
const READ_BYTES = 65_536

/** Approximate limit of bytes that one call reads and returns. */
const MAX_READ_BYTES = 1_048_576
const MAX_RETURNED_CHARS = 131_072

/** Returns null if the position is too old, or of a log that was lost. */
export function findMovedPosition(
  log: LogStore,
  coversSince: (subscriptions: readonly Subscription[], seq: number) => boolean,
  sinceOf: (position: string) => number | undefined,
  position: string,
  subscriptions: readonly Subscription[],
): MovedPosition | null {
  const seq = log.resumable(position)
  if (seq === undefined) return null
  const openSeq = Math.min(seq, parsePosition(position)?.openSeq ?? seq)
  const isCovered = coversSince(subscriptions, openSeq)
  return { seq, openSeq, isCovered, isKept: openSeq >= log.floor, sinceSeq: sinceOf(position) }
}

/** What is not durable yet is returned too: the answer leaves only when it is. */
export function readMoved(log: LogStore, { delivered, filter, from }: MovedRead): MovedChunk {
  if (from.epoch !== log.epoch || from.seq < log.floor) return { kind: 'trimmed' }
  const wanted = toFilter(filter)
  const before = delivered === null ? null : { filter: toFilter(delivered.filter), untilSeq: delivered.untilSeq }
  const isWanted = (event: StoredEvent) =>
    matchesFilter(wanted, event) &&
    !(before !== null && event.seq <= before.untilSeq && matchesFilter(before.filter, event))
  const events: StoredEvent[] = []
  let { seq } = from
  let chars = 0
  for (let bytes = 0; bytes < MAX_READ_BYTES && chars < MAX_RETURNED_CHARS; bytes += READ_BYTES) {
    const read = log.read(seq, READ_BYTES)
    const last = read.at(-1)
    if (last === undefined) return { kind: 'events', events, seq: log.head, seen: placesOf(log) }
    for (const event of read.filter(isWanted)) {
      events.push(event)
      chars += event.json.length
    }
    seq = last.seq
  }
  return { kind: 'events', events, seq, seen: null }
}

function placesOf({ stored }: LogStore): readonly SeenPlace[] {
  return Object.entries(stored).map(([key, [generation, nextOffset]]) => ({ key, generation, nextOffset }))
}
