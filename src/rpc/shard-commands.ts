// Commands for all shards at once, which pass them on to each other if they are many, and what services are told of a
// connection. Results are small: a shard that passes a command on holds those of its group. rpc/shard.ts sends them.
import type { ShardResult } from '../core/delivery/scatter-gather.ts'
import type { Metadata, TransportName } from '../core/identity/principal.ts'

export type ShardCommand =
  | { readonly kind: 'revoke_session'; readonly session: string; readonly expiresMs: number }
  | { readonly kind: 'close_connections'; readonly query: ConnectionQuery }
  | { readonly kind: 'count_connections' }

export interface ShardCommandResults {
  /** How many connections were closed. */
  readonly revoke_session: number
  readonly close_connections: number
  /** Number of connections by transport. */
  readonly count_connections: Readonly<Record<string, number>>
}

export type AnyShardResult = ShardResult<ShardCommandResults[ShardCommand['kind']]>

/** A connection is found if every condition that is given holds; without any, all are found. */
export interface ConnectionQuery {
  readonly connectionId?: string | undefined
  readonly user?: string | undefined
  readonly session?: string | undefined
  /** A field of the metadata that METADATA_INDEXES names. */
  readonly metadata?: { readonly field: string; readonly value: string } | undefined
}

/** What services are told of a connection. */
export interface ConnectionInfo {
  readonly connectionToken: string
  readonly transport: TransportName
  readonly user: string | null
  readonly sessions: readonly string[]
  /** Milliseconds since the epoch. */
  readonly openedAtMs: number
  readonly metadata: Metadata
  readonly endsAtMs: number
  readonly subscriptions: readonly string[]
}
