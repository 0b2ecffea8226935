// The public types of the client: events, subscriptions, options, and the connection that `connect` returns.

/** A CloudEvent in JSON, CloudEvents 1.0. */
export interface CloudEvent<T = unknown, Type extends string = string> {
  readonly specversion: string
  readonly id: string
  readonly source: string
  readonly type: Type
  readonly subject?: string
  readonly time?: string
  readonly datacontenttype?: string
  readonly data?: T
  readonly [extension: string]: unknown
}

/** Event type → type of `data`. `npx rigel-types` generates one; without it every `data` is `any`. */
// oxlint-disable-next-line typescript/no-explicit-any -- an untyped connection hands out data as it comes
export type EventTypes = Record<string, any>

/** Event type, or pattern → the fields that a subscription may constrain, with their types. `npx rigel-types` generates one. */
// oxlint-disable-next-line typescript/no-explicit-any -- an untyped connection sends constraints as they are
export type FilterTypes = Record<string, any>

/** An event with its position: what to pass as `lastEventId` to continue behind it. Null where the transport has none. */
export type ReceivedEvent<T = unknown, Type extends string = string> = CloudEvent<T, Type> & {
  readonly position: string | null
}

type Pattern = '*' | `${string}.*`

/** Rigel's own, see docs/protocol.md, and `rig.gap`. */
type OwnType = `rig.${string}`

/** What `on` takes: an event type, a pattern of them, or one of Rigel's own types. */
export type TypeOrPattern<Events extends EventTypes> = (keyof Events & string) | Pattern | OwnType

/** An event of one of these types: a union that `event.type` tells apart. */
export type EventOf<Events extends EventTypes, Type = keyof Events> = {
  [T in Extract<Type, keyof Events & string>]: ReceivedEvent<Events[T], T>
}[Extract<Type, keyof Events & string>]

/** The events that a type or pattern matches. Without generated types, every type is a key of `Events`: patterns come first. */
export type EventMatching<Events extends EventTypes, P extends string> = P extends '*'
  ? EventOf<Events> | ReceivedEvent<unknown, OwnType>
  : P extends `${infer Prefix}*`
    ? EventOf<Events, `${Prefix}${string}` & keyof Events>
    : P extends keyof Events
      ? ReceivedEvent<Events[P], P>
      : ReceivedEvent<unknown, P>

/** See docs/protocol.md, "Subscriptions". */
export interface Subscription {
  /** An event type, a pattern such as `order.*`, or `*`. */
  readonly eventType: string
  /** An event passes if any clause matches; a clause matches if all its fields do. Absent: every event of the type passes. */
  readonly oneOf?: readonly Readonly<Record<string, unknown>>[]
  /** The table of the type comes first: see the module `rigel-client/table`. */
  readonly state?: boolean
}

/** A value, or operators which must all hold. */
export type Condition<T> =
  | T
  | null
  | {
      readonly gt?: T
      readonly gte?: T
      readonly lt?: T
      readonly lte?: T
      readonly ne?: T | null
      readonly in?: readonly T[]
      readonly prefix?: T & string
    }

interface SubscriptionTo<Type extends string, Fields> {
  readonly eventType: Type
  readonly oneOf?: readonly { readonly [Name in keyof Fields]?: Condition<NonNullable<Fields[Name]>> }[]
  readonly state?: boolean
}

interface SubscriptionToAll<Type extends string> {
  readonly eventType: Type
  /** EXTRACTORS names no fields of these. */
  readonly oneOf?: never
  readonly state?: boolean
}

/** A subscription whose event type and fields are known. Without generated types: any. */
export type TypedSubscription<Events extends EventTypes, Filters extends FilterTypes> = string extends keyof Events
  ? Subscription
  : string extends keyof Filters
    ? Subscription & { readonly eventType: (keyof Events & string) | Pattern }
    : | { [T in keyof Filters & string]: SubscriptionTo<T, Filters[T]> }[keyof Filters & string]
      | SubscriptionToAll<Exclude<keyof Events & string, keyof Filters> | Pattern>

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
  /** Begins with what was stored from this time on. `lastEventId: 'earliest'` begins with everything that is stored. */
  readonly since?: string | Date | null
  /** The position to continue from, e.g. the `position` of the last event of an earlier visit. Default: from now on. */
  readonly lastEventId?: string | null
  /** The offsets of the page's state, from the header `Rigel-As-Of` of the answer that it loaded: what follows it comes, once. */
  readonly asOf?: string | null
  /** In order of preference. A transport that a network blocks is skipped. Default: all three. */
  readonly transports?: readonly TransportName[]
  /** Called with each new `lastEventId`, to keep it where a reload finds it. */
  readonly onPosition?: (position: string) => void
  /** Called for every refusal and failed attempt, for logs. */
  readonly onProblem?: (problem: Problem) => void
}

/** With subscriptions to known types and fields only. */
export type TypedOptions<Options extends ConnectOptions, Events extends EventTypes, Filters extends FilterTypes> = Omit<
  Options,
  'subscriptions'
> & { readonly subscriptions?: readonly TypedSubscription<Events, Filters>[] }

export interface Problem {
  /** A WebSocket close code of docs/protocol.md, an HTTP status, or 0 if there was no answer. */
  readonly code: number
  readonly reason: string
  /** False: the connection is closed for good. */
  readonly willRetry: boolean
}

/**
 * Where what a page has sent was stored: the answer itself with its header `Rigel-Produced`, the header's text, or the body
 * of the answer of `POST /_rig/v1/events`.
 */
export type Produced =
  | string
  | { readonly headers: Pick<Headers, 'get'> }
  | { readonly topic: string; readonly partition: number; readonly offset: number }

/** What `connectShared` of the module for tabs takes. */
export interface SharedOptions extends ConnectOptions {
  /** The user of the events, or the empty string without a token. Tabs of different users never share a connection. */
  readonly user: string
}

export type Handler<T = unknown> = (event: ReceivedEvent<T>) => unknown

export interface Rigel<
  Events extends EventTypes = EventTypes,
  Filters extends FilterTypes = FilterTypes,
> extends AsyncIterable<EventOf<Events> | ReceivedEvent<unknown, 'rig.gap'>> {
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
  on<P extends TypeOrPattern<Events>>(type: P, handler: (event: EventMatching<Events, P>) => unknown): () => void
  /** Calls `listener` at each change of `state`. Returns a function that removes it. */
  onState(listener: (state: ConnectionState) => void): () => void
  /** Replaces the subscriptions. Resolves when they are in force; rejects if they are refused, and the old ones stay. */
  subscribe(subscriptions: readonly TypedSubscription<Events, Filters>[]): Promise<void>
  /**
   * Resolves when every event up to where `answer` was stored has been handled: what the page has written is then in what it
   * shows. Goes on after a reconnect. Rejects if the answer names no offsets of a followed topic, or the connection is closed.
   */
  passed(answer: Produced): Promise<void>
  close(): void
}
