// Contract of a shard's explanation of one event: http/admin/explain asks, objects/shard/explain answers.
import type { Cause } from '../core/explain/cause.ts'
import type { LogPosition } from '../core/events/kafka-record.ts'
import type { RoutedEvent } from '../core/events/stored-event.ts'
import type { TransportName } from '../core/identity/principal.ts'

/** The event as it was routed, for matching if the shard's log does not have it. */
export interface ShardQuestion {
  readonly at: LogPosition
  readonly event: Pick<RoutedEvent, 'type' | 'fields' | 'recipients'>
  /** The user whose connections to explain. Null: none. */
  readonly user: string | null
}

/** What happened to the event at one connection. Times are milliseconds since the epoch. */
export interface ConnectionExplanation {
  readonly connectionToken: string
  readonly transport: TransportName
  readonly openedAtMs: number
  readonly ended: { readonly atMs: number; readonly reason: string } | null
  readonly writtenSeq: number
  /** Null: the transport has no acknowledgements. */
  readonly acknowledgedSeq: number | null
  /** True if the shard has hibernated since: the current subscriptions are assumed to be those of that time. */
  readonly isAssumed: boolean
  readonly cause: Cause
  readonly text: string
}

/** What a shard knows about one event. */
export interface ShardAnswer {
  readonly log:
    | { readonly kind: 'stored'; readonly seq: number; readonly storedMs: number }
    | { readonly kind: 'not_stored' }
    /** Retention removed what was stored up to `floor`. */
    | { readonly kind: 'removed'; readonly floor: number }
  /** Number of open connections whose current filter the event passes. */
  readonly matched: number
  /** The time since which the shard remembers ended and refused connections. */
  readonly knownSinceMs: number
  /** Open ones first, then those that ended, newest first. */
  readonly connections: readonly ConnectionExplanation[]
  readonly refused: readonly { readonly reason: string; readonly atMs: number }[]
}
