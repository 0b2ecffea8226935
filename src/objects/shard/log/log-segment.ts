// A row of a shard's log, and the events in it. Pure.
import { decodeHeaders, decodePayloads, type EncodedEvents } from '../../../core/delivery/batch-codec.ts'
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import { removalOf } from '../../../core/tables/row-change.ts'
import type { SegmentLog } from '../../../segment-log/segment-log.ts'
import { keyOf, type SegmentSource, type ShardLogState } from './seen.ts'

export type ShardSegments = SegmentLog<SegmentSource, ShardLogState>

/** Events in a row of the log, with sequence numbers. */
export interface LogSegment extends EncodedEvents {
  readonly source: SegmentSource
  readonly firstSeq: number
  readonly lastSeq: number
}

/** Yields the events, oldest first, and behind an event that takes a row from some clients what these are told. */
export function* decodeSegment({ lastSeq, heads, body, source }: Omit<LogSegment, 'firstSeq'>): Generator<StoredEvent> {
  const origin = source === null ? undefined : { partition: keyOf(source[0], source[1]), generation: source[2] }
  const events = decodeHeaders(heads)
  const texts = decodePayloads(events, body)
  const firstSeq = lastSeq - events.length + 1
  for (const [index, [type, fields, recipients, connectionId, , offset, row]] of events.entries()) {
    const json = texts[index] ?? ''
    const event = { seq: firstSeq + index, type, json, fields, recipients, connectionId, origin, offset }
    yield event
    const removal = row === undefined ? undefined : removalOf(event, row)
    if (removal !== undefined) yield removal
  }
}
