// The question to a shard what became of one event, and its answer. http/admin/explain.ts asks, objects/shard/explain answers.
import type { Cause } from '../core/explain/cause.ts'
import type { LogPosition } from '../core/events/kafka-record.ts'
import type { RoutedEvent } from '../core/events/stored-event.ts'
import type { TransportName } from '../core/identity/principal.ts'

/** The event as it was routed, in case that the shard does not have it. */
export interface ShardQuestion {
  readonly at: LogPosition
  readonly event: Pick<RoutedEvent, 'type' | 'fields' | 'recipients'>
  /** Whose connections to explain. Null: none. */
  readonly user: string | null
}

/** What became of the event at one connection. Times are milliseconds since the epoch. */
export interface ConnectionExplanation {
  readonly connectionToken: string
  readonly transport: TransportName
  readonly openedAtMs: number
  readonly ended: { readonly atMs: number; readonly reason: string } | null
  readonly writtenSeq: number
  /** Null: the transport has no acknowledgements. */
  readonly acknowledgedSeq: number | null
  /** The shard has slept since: the subscriptions of now are taken for those of then. */
  readonly isAssumed: boolean
  readonly cause: Cause
  readonly text: string
}

/** What a shard knows of one event. */
export interface ShardAnswer {
  readonly log:
    | { readonly kind: 'stored'; readonly seq: number; readonly storedMs: number }
    | { readonly kind: 'not_stored' }
    /** Retention removed what was stored up to `floor`. */
    | { readonly kind: 'removed'; readonly floor: number }
  /** Open connections that the event passes to now. */
  readonly matched: number
  /** The shard remembers ended and refused connections since then. */
  readonly knownSinceMs: number
  /** Open ones first, then those that ended, newest first. */
  readonly connections: readonly ConnectionExplanation[]
  readonly refused: readonly { readonly reason: string; readonly atMs: number }[]
}
