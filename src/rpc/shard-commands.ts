// Commands for all shards, which shards relay to each other if there are many, and the description of a connection that
// services get. Results are small: a shard that relays a command holds the results of its group. rpc/shard.ts sends them.
import type { ShardResult } from '../core/delivery/scatter-gather.ts'
import type { ShardMap } from '../core/shard-map/shard-map.ts'
import type { Metadata, TransportName } from '../core/identity/principal.ts'

/** A command to all shards. `expiresMs` is when the revocation may be forgotten, milliseconds since the epoch. */
export type ShardCommand =
  | { readonly kind: 'revoke_session'; readonly session: string; readonly expiresMs: number }
  | { readonly kind: 'close_connections'; readonly query: ConnectionQuery }
  | { readonly kind: 'count_connections'; readonly query: ConnectionQuery }
  | { readonly kind: 'erase_user'; readonly user: string }
  | { readonly kind: 'check_storage' }
  /** A newer shard map. */
  | { readonly kind: 'learn_shard_map'; readonly map: ShardMap }

/** The result of each command at one shard, by kind. */
export interface ShardCommandResults {
  /** How many connections were closed. */
  readonly revoke_session: number
  readonly close_connections: number
  readonly count_connections: ConnectionCounts
  /** It takes writes. */
  readonly check_storage: null
  readonly erase_user: UserErased
  readonly learn_shard_map: ShardMapAnswer
}

/** Members of `topUsers`: a Worker holds those of all shards. */
export const TOP_USERS = 10

/** How many connections of a shard, or of all, a query selects. */
export interface ConnectionCounts {
  readonly connections: number
  readonly users: number
  readonly byTransport: Readonly<Record<string, number>>
  /** The users with the most connections and their number, at most TOP_USERS. */
  readonly topUsers: readonly { readonly user: string; readonly connections: number }[]
}

/** `key`: a connection id or a user name. */
export interface KeyedItem<T> {
  readonly key: string
  readonly item: T
}

/** A part of a shard's list, in the order of keys. */
export interface ShardPage<T> {
  readonly items: readonly KeyedItem<T>[]
  /** True if the list goes on after the last item. */
  readonly more: boolean
  /** About the size of the items as JSON. */
  readonly bytes: number
}

/** What a shard had of a user. */
export interface UserErased {
  /** Connections that were closed. */
  readonly closed: number
  /** Events in the log that were for this user only, and are gone. */
  readonly erased: number
  /** Events that others got too: they are no longer addressed to this user, and their text is as it was. */
  readonly shared: number
}

/** What a shard knows of the shard map. */
export interface ShardMapAnswer {
  readonly map: ShardMap
  /** Connections here of users whose home is another shard. */
  readonly leaving: number
  /** See KnownShardMap. Absent from versions before. */
  readonly resumedUntilMs?: number
  /**
   * The epoch of the Directory that has what the shard wants. Null: it has declared nothing. Absent from versions
   * before.
   */
  readonly declaredTo?: string | null
}

/** The outcome of any command at one shard. */
export type AnyShardResult = ShardResult<ShardCommandResults[ShardCommand['kind']]>

/** Selects the connections for which every given condition holds; all connections if none is given. */
export interface ConnectionQuery {
  readonly connectionId?: string | undefined
  readonly user?: string | undefined
  readonly session?: string | undefined
  /** A field of the metadata that METADATA_INDEXES names. */
  readonly metadata?: { readonly field: string; readonly value: string } | undefined
}

/** One connection, as the connections API describes it. Times are milliseconds since the epoch. */
export interface ConnectionInfo {
  readonly connectionToken: string
  readonly transport: TransportName
  readonly user: string | null
  readonly sessions: readonly string[]
  readonly openedAtMs: number
  readonly metadata: Metadata
  readonly endsAtMs: number
  readonly subscriptions: readonly string[]
}
