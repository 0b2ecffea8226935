// The principal of a request, and what the Worker passes to a shard to open a connection. Both cross from the Worker to a
// Durable Object, so the shapes are only ever widened: for minutes during a deploy the two sides run different versions.
import { type Scalar } from '../scalar.ts'
import type { TypeGrant } from '../rules/type-grant.ts'
import type { ShardMap } from '../shard-map/shard-map.ts'
import type { Subscription } from '../subscriptions/subscription.ts'

/** The user and session of a request, by its token. All null: an anonymous client, which gets no events of users. */
export interface Principal {
  readonly user: string | null
  readonly session: string | null
  /** When the token expires, in seconds since the epoch; null: there is no token. */
  readonly expSeconds: number | null
}

/** The principal of a request with several tokens. `expSeconds`: when the first of them expires, because their claims are merged. */
export interface MergedPrincipal extends Principal {
  /** Sessions of the other tokens. */
  readonly moreSessions?: readonly string[] | undefined
}

/** A client without a token. */
export const ANONYMOUS: Principal = { user: null, session: null, expSeconds: null }

/** The names of all transports, as metrics, the connections API and connect requests spell them. */
export const TRANSPORTS = ['sse', 'ndjson', 'ws', 'longpolling', 'phoenix'] as const
/** The name of one transport. */
export type TransportName = (typeof TRANSPORTS)[number]

/** The transports that a client opens by an upgrade to WebSocket. */
export const UPGRADED_TRANSPORTS: ReadonlySet<TransportName> = new Set(['ws', 'phoenix'])

/** What a Phoenix socket is opened with, besides its principal. */
export interface PhoenixHello {
  /** The serializer. */
  readonly vsn: 1 | 2
  readonly roles: readonly string[]
  /** What others are shown of this connection: the claims that PRESENCE_CLAIMS names, made by `toCloneable`. */
  readonly meta: Readonly<Record<string, unknown>>
  /** The client's address: it pays for published events of a connection without a user. Older versions do not set it. */
  readonly payer?: string | undefined
}

/** What a shard needs to know to open a connection. Written by the Worker, read by the shard, never taken from a client. */
export interface ConnectRequest {
  readonly transport: TransportName
  readonly principal: Principal
  readonly subscriptions: readonly Subscription[]
  /** The part of `subscriptions` that the token implies. */
  readonly inferred?: readonly Subscription[] | undefined
  /** The position to resume from, as the client gave it; null: from now on. */
  readonly lastEventId: string | null
  /** The offsets that the client's state is of, as `parseAsOf` takes them. Absent: it has no state. */
  readonly asOf?: string | undefined
  /** Without a position: events that were stored from then on, in milliseconds since the epoch; 0: all. Absent: new ones. */
  readonly sinceMs?: number | undefined
  /** `lastEventId` chose the shard: anybody can write one, so the shard refuses one that is not of its log. */
  readonly atPosition?: boolean | undefined
  /** WebSockets only: the subprotocol that was agreed on. */
  readonly protocol: 'rigel.v1' | 'phoenix' | null
  /** What the answer carries for CORS. */
  readonly allowOrigin: string
  /** Whether `allowOrigin` may read the answer to a request with cookies. */
  readonly allowCredentials?: boolean | undefined
  /** SSE only: whether frames are named by the type of their event, which is the default, or are all `message`. */
  readonly naming?: 'type' | 'message' | undefined
  /** What the token permits by rules per event type. Absent: there are no rules, and the token narrows nothing. */
  readonly grant?: TypeGrant | undefined
  /**
   * With a check service, for `rigel.v1` and Phoenix: what the service is asked with about later subscriptions. See
   * `keptAuthorization`.
   */
  readonly authorization?: string | null | undefined
  /** Transport `phoenix` only. */
  readonly phoenix?: PhoenixHello | undefined
  /** The group of shards that is for the client. Absent: the default one. Only the Worker needs it. */
  readonly group?: number | undefined
  /** The shard map by which the Worker chose the shard. Absent: by a guess. */
  readonly shardMap?: ShardMap | undefined
}

/** Metadata that a client sets on its connection. */
export type Metadata = Readonly<Record<string, Exclude<Scalar, null>>>
