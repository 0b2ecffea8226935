// What every transport makes of a connection: a cursor with a filter over the shard's log. The shard talks to
// connections through this interface only; sse.ts, websocket.ts and longpolling.ts implement it.
import type { StoredEvent } from '../../core/events/stored-event.ts'
import type { DeliveryGroup } from '../../core/delivery/delivery-groups.ts'
import { matchesFilter, type Filter } from '../../core/subscriptions/filter.ts'
import type { Transport, Metadata } from '../../core/identity/principal.ts'
import type { RigelError } from '../../core/errors.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import type { SystemEvent } from './system-events.ts'

/** About how much history is read at once: enough for few queries, small beside the isolate's 128 MB. */
const HISTORY_BYTES = 65_536

/** Who a connection is of. */
export interface Owner {
  readonly user: string | null
  /** Those of the token it was opened with, and of every token that came later. */
  readonly sessions: readonly string[]
  /** Milliseconds since the epoch. */
  readonly openedAtMs: number
  /** What its client says of it: its device, for example. */
  readonly metadata: Metadata
}

export interface Connection {
  readonly transport: Transport
  /** Replaced when its subscriptions are; the matcher must not hold the connection meanwhile. */
  filter: Filter
  /** Replaced when a further token comes; the census must not hold the connection meanwhile. */
  owner: Owner
  /** Milliseconds since the epoch. Later, once the token is renewed. */
  endsAtMs: number
  endsByToken: boolean
  /** In force; phoenix: none, its channels say. */
  subscriptions: readonly Subscription[]
  /** Those of them that its token implies. */
  inferred: readonly Subscription[]
  /** It has been told that its token is about to expire. */
  warned: boolean
  /** Set for a client that came back with a position, until it has said what it wants: see subscribing.ts. */
  resume: Resume | null
  /** Events that have become durable and pass the filter. A connection that is behind reads them from the log later. */
  deliver(group: DeliveryGroup): void
  /** Reads the log once more from `seq`, for what passes its new filter and did not pass the one `before`. */
  rewind(seq: number, before: Filter): void
  /** One of Rigel's own events. */
  tell(event: SystemEvent): void
  /** Ends it, saying why, and whether to come back. The shard forgets the connection by itself. */
  end(reason: RigelError): void
  /** The shard has forgotten it, for good and for whatever reason. */
  forgotten?(): void
}

/** How long a connection may last. */
export interface Term {
  /** Milliseconds since the epoch. */
  readonly endsAtMs: number
  /** True: it ends then because its token does. */
  readonly endsByToken: boolean
}

/** Where a client came back to, and until when it is expected to say what it wants from there on. */
export interface Resume {
  readonly seq: number
  /** Milliseconds since the epoch. */
  readonly untilMs: number
}

/** What a connection has been sent already, by the filter it had then: everything up to here. */
export interface Had {
  readonly filter: Filter
  readonly untilSeq: number
}

/** The durable part of the log, for those who read on from a cursor. */
export interface History {
  /** Everything up to here is durable and has been delivered to whoever was live. */
  readonly settledSeq: number
  readonly floorSeq: number
  position(seq: number): string
  read(seq: number, maxBytes: number): readonly StoredEvent[]
}

export type Chunk =
  | { readonly kind: 'events'; readonly events: readonly StoredEvent[]; readonly seq: number; readonly atEnd: boolean }
  /** Retention has overtaken the cursor: going on would be a silent gap. */
  | { readonly kind: 'overtaken' }

/** The next chunk of history after `seq` that passes the filter; possibly empty, and `seq` grows all the same. */
export function readOn(history: History, filter: Filter, seq: number, had?: Had): Chunk {
  if (seq < history.floorSeq) return { kind: 'overtaken' }
  const read = history.read(seq, HISTORY_BYTES).filter((event) => event.seq <= history.settledSeq)
  const last = read.at(-1)?.seq ?? history.settledSeq
  const events = read.filter((event) => matchesFilter(filter, event) && !wasHad(event, had))
  return { kind: 'events', events, seq: last, atEnd: read.length === 0 || last >= history.settledSeq }
}

function wasHad(event: StoredEvent, had: Had | undefined): boolean {
  return had !== undefined && event.seq <= had.untilSeq && matchesFilter(had.filter, event)
}
