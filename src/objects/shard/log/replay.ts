// Reads the committed log for a connection that is behind: after a reconnect, as a slow reader, after new subscriptions.
// Pure. A reader that retention has overtaken gets an error: to continue would be a silent gap. Transports call it.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import { matchesFilter, type Filter } from '../../../core/subscriptions/filter.ts'

/** Bytes of history that are read at once, about: enough for few queries, small beside the isolate's 128 MB. */
const HISTORY_BYTES = 65_536

/** The events that a connection has already got: those up to `untilSeq` that pass an earlier filter. */
export interface DeliveredRange {
  readonly filter: Filter
  readonly untilSeq: number
  /** True: the events that do not pass the filter were delivered, not those that pass. */
  readonly others?: boolean
}

/** The durable part of a shard's log, as transports read it. */
export interface History {
  /** Sequence number of the newest event that is durable and was delivered to live connections. */
  readonly committedSeq: number
  /** Reading from before this sequence number would have a gap. */
  readonly floorSeq: number
  /** Returns the position that clients resume from, as text. */
  position(seq: number): string
  /** Returns events after `seq`, oldest first: at least one if there is any, then up to about `maxBytes`. */
  read(seq: number, maxBytes: number): readonly StoredEvent[]
}

export type HistoryChunk =
  /** `seq`: where to read on. `atEnd`: nothing committed is left to read. */
  | { readonly kind: 'events'; readonly events: readonly StoredEvent[]; readonly seq: number; readonly atEnd: boolean }
  /** Retention dropped events after `seq` before they were read. */
  | { readonly kind: 'trimmed' }

/**
 * Returns the next events after `seq` that pass `filter` and were not delivered already. The list may be empty; `seq` grows
 * all the same until `atEnd`.
 */
export function readNextChunk(history: History, filter: Filter, seq: number, delivered?: DeliveredRange): HistoryChunk {
  if (seq < history.floorSeq) return { kind: 'trimmed' }
  const read = history.read(seq, HISTORY_BYTES).filter((event) => event.seq <= history.committedSeq)
  const last = read.at(-1)?.seq ?? history.committedSeq
  const events = read.filter((event) => matchesFilter(filter, event) && !isAlreadyDelivered(event, delivered))
  return { kind: 'events', events, seq: last, atEnd: read.length === 0 || last >= history.committedSeq }
}

function isAlreadyDelivered(event: StoredEvent, delivered: DeliveredRange | undefined): boolean {
  if (delivered === undefined || event.seq > delivered.untilSeq) return false
  return matchesFilter(delivered.filter, event) !== (delivered.others ?? false)
}
