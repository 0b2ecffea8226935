// Who is asking, and what the front door hands to a shard. Both cross the line Worker → Durable Object, so the shapes
// are only ever widened: for minutes during a deploy, the two sides are of different versions.
import type { Subscription } from '../subscriptions/subscription.ts'

/** Who is asking. All null: nobody we know, which is allowed for events that are addressed to nobody in particular. */
export interface Principal {
  readonly user: string | null
  readonly session: string | null
  /** Seconds since the epoch; null: no token, so nothing that ends. */
  readonly expSeconds: number | null
}

export const TRANSPORTS = ['sse', 'ws', 'longpolling', 'phoenix'] as const
export type Transport = (typeof TRANSPORTS)[number]

/** What a Phoenix socket is opened with, besides who is asking. */
export interface PhoenixHello {
  /** The serializer. */
  readonly vsn: 1 | 2
  readonly roles: readonly string[]
  /** What others are shown of this connection: the claims that PRESENCE_CLAIMS names. */
  readonly meta: Readonly<Record<string, unknown>>
}

/** What a shard needs to know to open a connection: stamped by the edge, read by the shard, never taken from a client. */
export interface ConnectRequest {
  readonly transport: Transport
  readonly principal: Principal
  readonly subscriptions: readonly Subscription[]
  /** Those of them that the token implies. */
  readonly inferred?: readonly Subscription[] | undefined
  /** The position to resume from, as the client gave it; null: from now on. */
  readonly lastEventId: string | null
  /** WebSockets only: the subprotocol that was agreed on. */
  readonly protocol: 'rigel.v1' | 'phoenix' | null
  /** What the answer carries for CORS. */
  readonly allowOrigin: string
  /** Transport `phoenix` only. */
  readonly phoenix?: PhoenixHello | undefined
}

/** What a client says of its connection: flat, as JSON. */
export type Metadata = Readonly<Record<string, string | number | boolean>>
