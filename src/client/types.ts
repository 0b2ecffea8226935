// The public types of the client: events, subscriptions, options, and the connection that `connect` returns.

/** A CloudEvent in JSON, CloudEvents 1.0. */
export interface CloudEvent<T = unknown> {
  readonly specversion: string
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject?: string
  readonly time?: string
  readonly datacontenttype?: string
  readonly data?: T
  readonly [extension: string]: unknown
}

/** Event type → type of `data`. `npx rigel-types` generates one; without it every `data` is `any`. */
// oxlint-disable-next-line typescript/no-explicit-any -- an untyped connection hands out data as it comes
export type EventTypes = Record<string, any>

/** An event with its position: what to pass as `lastEventId` to continue behind it. Null where the transport has none. */
export type ReceivedEvent<T = unknown> = CloudEvent<T> & { readonly position: string | null }

type Scalar = string | number | boolean | null

/** See docs/protocol.md, "Subscriptions". */
export interface Subscription {
  /** An event type, a pattern such as `order.*`, or `*`. */
  readonly eventType: string
  /** An event passes if any clause matches; a clause matches if all its fields do. Absent: every event of the type passes. */
  readonly oneOf?: readonly Readonly<Record<string, Scalar | Readonly<Record<string, unknown>>>>[]
}

export type TransportName = 'websocket' | 'sse' | 'longpolling'

/**
 * `connecting`: before the first connection, and while one is opened. `open`: events come. `waiting`: the connection was
 * lost, and the next attempt has a time. `closed`: for good, by `close()` or because the same request would be refused again.
 */
export type ConnectionState = 'connecting' | 'open' | 'waiting' | 'closed'

export interface ConnectOptions {
  /** Where Rigel is: an origin, with the path in front of `/_rig` if there is one. Default: the page's origin. */
  readonly url?: string | URL
  /**
   * Returns the JSON Web Token, or null for an anonymous connection. Called for every attempt to connect, and again shortly
   * before the token expires; it should return a fresh one each time.
   */
  readonly token?: () => string | null | undefined | Promise<string | null | undefined>
  readonly subscriptions?: readonly Subscription[]
  /** The position to continue from, e.g. the `position` of the last event of an earlier visit. Default: from now on. */
  readonly lastEventId?: string | null
  /** In order of preference. A transport that a network blocks is skipped. Default: all three. */
  readonly transports?: readonly TransportName[]
  /** Called with each new `lastEventId`, to keep it where a reload finds it. */
  readonly onPosition?: (position: string) => void
  /** Called for every refusal and failed attempt, for logs. */
  readonly onProblem?: (problem: Problem) => void
}

export interface Problem {
  /** A WebSocket close code of docs/protocol.md, an HTTP status, or 0 if there was no answer. */
  readonly code: number
  readonly reason: string
  /** False: the connection is closed for good. */
  readonly willRetry: boolean
}

export type Handler<T = unknown> = (event: ReceivedEvent<T>) => unknown

export interface Rigel<Events extends EventTypes = EventTypes> extends AsyncIterable<ReceivedEvent> {
  readonly state: ConnectionState
  /** The position up to which every event has been handled. */
  readonly lastEventId: string | null
  /** The transport in use. */
  readonly transport: TransportName
  /** Resolves when the connection is closed for good, with the reason; never rejects. */
  readonly closed: Promise<Problem>
  /**
   * Calls `handler` for each event of this type; `type` may be a pattern (`order.*`, `*`). The next event waits until the
   * handler's promise has settled. Type `rig.gap` tells that events were missed: reload your state. Returns a function that removes the handler.
   */
  on<T extends keyof Events & string>(type: T, handler: Handler<Events[T]>): () => void
  on(type: string, handler: Handler): () => void
  /** Calls `listener` at each change of `state`. Returns a function that removes it. */
  onState(listener: (state: ConnectionState) => void): () => void
  /** Replaces the subscriptions. Resolves when they are in force; rejects if they are refused, and the old ones stay. */
  subscribe(subscriptions: readonly Subscription[]): Promise<void>
  close(): void
}
