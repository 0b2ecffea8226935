// Contract between two shards while users move: the new shard reads from the old shard's log the events that a client
// has missed.
import type { StoredEvent } from '../core/events/stored-event.ts'
import type { LogPlace } from '../core/identity/position.ts'
import { createFilter, type Filter } from '../core/subscriptions/filter.ts'
import type { Subscription } from '../core/subscriptions/subscription.ts'

/** A filter in the form in which it is sent to another object. */
export interface FilterSpec {
  readonly user: string | null
  readonly watched: readonly string[]
  readonly subscriptions: readonly Subscription[]
}

/** Where a client may read on at its old shard. */
export interface MovedPosition {
  readonly seq: number
  readonly openSeq: number
  /** The log holds every event of the types that were asked about after `openSeq`. */
  readonly isCovered: boolean
  /** The events after `openSeq` are still kept. */
  readonly isKept: boolean
  /** After which sequence number the client has come, if its position proves it. Absent from shards of versions before. */
  readonly sinceSeq?: number | undefined
}

/** Events that a client has had already: those up to `untilSeq` that pass the filter. */
export interface MovedDelivered {
  readonly filter: FilterSpec
  readonly untilSeq: number
}

/** What the new shard asks for. */
export interface MovedRead {
  readonly from: LogPlace
  readonly filter: FilterSpec
  readonly delivered: MovedDelivered | null
}

/** What a log has stored of a topic-partition: see SeenRange. */
export interface SeenPlace {
  /** `topic/partition` */
  readonly key: string
  readonly generation: number
  readonly nextOffset: number
}

/** `seq`: where to read on. `seen`: what the log has, at its end; null: there is more to read. */
export type MovedChunk =
  | {
      readonly kind: 'events'
      readonly events: readonly StoredEvent[]
      readonly seq: number
      readonly seen: readonly SeenPlace[] | null
    }
  /** The events are no longer kept. */
  | { readonly kind: 'trimmed' }

/** Returns the filter. Rigel's own events for one session stay at the old shard. */
export function toFilter({ subscriptions, user, watched }: FilterSpec): Filter {
  return createFilter('', user, subscriptions, watched)
}
