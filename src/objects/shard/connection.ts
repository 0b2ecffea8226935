// What every transport makes of a connection: a cursor with a filter over the shard's log. The shard talks to
// connections through this interface only; sse.ts, websocket.ts and longpolling.ts implement it.
import type { DeliveryGroup } from '../../core/delivery/delivery-groups.ts'
import type { Filter } from '../../core/subscriptions/filter.ts'
import type { Transport, Metadata } from '../../core/identity/principal.ts'
import type { RigelError } from '../../core/errors.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import type { SystemEvent } from './system-events.ts'

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
