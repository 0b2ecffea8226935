// What all shards are asked at once, by relays if they are many: questions whose answers are small, for a relay holds those
// of its share. Spoken between the internal API, the session registries and the shards; asked by door.ts.
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

/** Any of these that is given has to hold. */
export interface ConnectionQuery {
  readonly connectionId?: string | undefined
  readonly user?: string | undefined
  readonly session?: string | undefined
  /** Of an indexed field of the metadata. */
  readonly metadata?: { readonly field: string; readonly value: string } | undefined
}

/** One connection, as it is told. */
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
