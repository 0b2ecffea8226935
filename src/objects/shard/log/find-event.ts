// Finds one event of a topic-partition in a shard's log, for an operator's question. Called by LogStore.
import { decodeHeaders } from '../../../core/delivery/batch-codec.ts'
import type { LogPosition } from '../../../core/events/kafka-record.ts'
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import { decodeSegment, type ShardSegments } from './log-segment.ts'

/** Where the log has an event of a topic-partition. */
export type FoundEvent =
  | { readonly kind: 'stored'; readonly event: StoredEvent; readonly storedMs: number }
  | { readonly kind: 'not_stored' }
  /** It may have been stored, and was dropped with everything up to `floor`. */
  | { readonly kind: 'removed'; readonly floor: number }

/** Reads the metadata of the whole log. The newest generation of the topic counts. */
export function findEvent(log: ShardSegments, { offset, partition, topic }: LogPosition): FoundEvent {
  let oldest = Infinity
  let at: { readonly position: number; readonly storedMs: number } | undefined
  for (const { appendedMs, meta, position } of log.entries()) {
    if (meta === null || meta[0] !== topic || meta[1] !== partition) continue
    oldest = Math.min(oldest, meta[3])
    if (meta[3] <= offset && offset <= meta[4]) at = { position, storedMs: appendedMs }
  }
  const event = at === undefined ? undefined : eventIn(log, at.position, offset)
  if (at !== undefined && event !== undefined) return { kind: 'stored', event, storedMs: at.storedMs }
  return log.floor > 0 && offset < oldest ? { kind: 'removed', floor: log.floor } : { kind: 'not_stored' }
}

function eventIn(log: ShardSegments, position: number, offset: number): StoredEvent | undefined {
  const [segment] = log.read(position - 1)
  if (segment === undefined) return undefined
  const index = decodeHeaders(segment.heads).findIndex((head) => head[5] === offset)
  const { body, heads, position: lastSeq } = segment
  const seq = lastSeq - decodeHeaders(heads).length + 1 + index
  return [...decodeSegment({ lastSeq, heads, body, source: null })].find((event) => event.seq === seq)
}
