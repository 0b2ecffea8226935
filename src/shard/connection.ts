// What every transport makes of a connection: a cursor with a filter over the shard's log. The shard talks to
// connections through this interface only; sse.ts, websocket.ts and longpolling.ts implement it.
import type { StoredEvent } from '../core/event.ts'
import type { Group } from '../core/fan-out.ts'
import { passes, type Filter } from '../core/filter.ts'
import type { Transport } from '../core/principal.ts'
import type { Reason } from '../core/reasons.ts'
import type { OwnEvent } from './own-events.ts'

/** About how much history is read at once: enough for few queries, small beside the isolate's 128 MB. */
const HISTORY_CHARS = 65_536

export interface Connection {
  readonly transport: Transport
  /** Replaced when its subscriptions are; the matcher must not hold the connection meanwhile. */
  filter: Filter
  /** Milliseconds since the epoch. */
  readonly endsAtMs: number
  readonly endsByToken: boolean
  /** Events that have become durable and pass the filter. A connection that is behind reads them from the log later. */
  deliver(group: Group): void
  /** One of Rigel's own events. */
  tell(event: OwnEvent): void
  /** Ends it, saying why, and whether to come back. The shard forgets the connection by itself. */
  end(reason: Reason): void
}

/** The durable part of the log, for those who read on from a cursor. */
export interface History {
  /** Everything up to here is durable and has been delivered to whoever was live. */
  readonly settledSeq: number
  readonly floorSeq: number
  position(seq: number): string
  read(seq: number, maxChars: number): readonly StoredEvent[]
}

export type Chunk =
  | { readonly kind: 'events'; readonly events: readonly StoredEvent[]; readonly seq: number; readonly atEnd: boolean }
  /** Retention has overtaken the cursor: going on would be a silent gap. */
  | { readonly kind: 'overtaken' }

/** The next chunk of history after `seq` that passes the filter; possibly empty, and `seq` grows all the same. */
export function readOn(history: History, filter: Filter, seq: number): Chunk {
  if (seq < history.floorSeq) return { kind: 'overtaken' }
  const read = history.read(seq, HISTORY_CHARS).filter((event) => event.seq <= history.settledSeq)
  const last = read.at(-1)?.seq ?? history.settledSeq
  const events = read.filter((event) => passes(filter, event))
  return { kind: 'events', events, seq: last, atEnd: read.length === 0 || last >= history.settledSeq }
}
