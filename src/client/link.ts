// What a transport needs of the connection, and what the connection needs of a transport. One file a transport beside this.
import type { Ended } from './ended.ts'
import type { CloudEvent, Subscription } from './types.ts'

export interface LinkEvent {
  readonly event: CloudEvent
  /** Null where the transport gives no position with each event. */
  readonly position: string | null
}

/** One attempt to connect. */
export interface LinkRequest {
  /** The URL of a path below Rigel's base, e.g. `_rig/v1/connection/ws`, with these parameters. */
  readonly url: (path: string, parameters?: Readonly<Record<string, string>>) => URL
  readonly token: string | null
  readonly subscriptions: readonly Subscription[]
  /** The position to resume from; null: from now on. */
  readonly position: string | null
  /** RFC 3339: without a position, what was stored from then on comes first. */
  readonly since?: string | null
  /** The offsets of the page's state. Rigel ignores them once a position is behind them. */
  readonly asOf: string | null
}

/** Called by the link. After `ended`, and after `close()`, it calls nothing any more. */
export interface LinkCallbacks {
  /** Resolves when the events are handled: only then may they be acknowledged, or more be read. */
  readonly receive: (events: readonly LinkEvent[]) => Promise<void>
  /** Everything up to this position has been received. In order with `receive`. `ref`: it answers `askPassed`. */
  readonly passed: (position: string, ref?: string) => void
  readonly opened: () => void
  readonly ended: (why: Ended) => void
}

export interface Link {
  /** Resolves when the set is in force; rejects if it is refused. */
  readonly subscribe: (subscriptions: readonly Subscription[]) => Promise<void>
  /** Brings a new token of the same user, so that the connection outlives the old one. */
  readonly renew: (token: string) => Promise<void>
  /** Asks to be told when everything up to offsets has been sent: by `rig.passed`, or by `passed`, with `ref`. Rejects if refused. */
  readonly askPassed: (offsets: string, ref: string) => Promise<void>
  /** Finds out soon whether the connection is still alive; ends it if not. */
  readonly check: () => void
  readonly close: () => void
}

export type OpenLink = (request: LinkRequest, callbacks: LinkCallbacks) => Link

export function authorization(token: string | null): Record<string, string> {
  return token === null ? {} : { authorization: `Bearer ${token}` }
}

/** The parameters that every transport has in common. */
export function connectParameters({
  asOf,
  position,
  since = null,
  subscriptions,
}: LinkRequest): Record<string, string> {
  return {
    ...(subscriptions.length === 0 ? {} : { subscriptions: JSON.stringify(subscriptions) }),
    ...(position === null ? {} : { last_event_id: position }),
    ...(since !== null && position === null ? { since } : {}),
    ...(asOf === null ? {} : { as_of: asOf }),
  }
}

/** Returns the parameter of the option `since`. Throws if it is no time. */
export function toTime(since: string | Date | null | undefined): string | null {
  if (!since) return null
  const time = new Date(since)
  if (Number.isNaN(time.getTime())) throw new TypeError('since must be a Date, or a time such as 2026-11-27T08:00:00Z')
  return time.toISOString()
}

/** Returns a position of an earlier page without the mark of the tables that it had: this page does not have their rows. */
export function withoutTables(position: string | null | undefined): string | null {
  return position?.replace(/!.*/, '') || null
}

/** Rigel refused a request on an open connection. */
export class Refusal extends Error {
  /** The same request would be refused again. */
  readonly isFinal: boolean

  constructor(message: string, isFinal: boolean) {
    super(message)
    this.isFinal = isFinal
  }
}

/** Changes a connection by HTTP, for transports on which a client cannot send. */
export class ConnectionResource {
  /** From `rig.connection.create`, or from the first poll. */
  connectionToken = ''
  /** The newest token that Rigel has accepted. */
  token: string | null
  readonly #request: LinkRequest
  readonly #transport: 'sse' | 'longpolling'

  constructor(request: LinkRequest, transport: 'sse' | 'longpolling') {
    this.#request = request
    this.#transport = transport
    this.token = request.token
  }

  async subscribe(subscriptions: readonly Subscription[]): Promise<void> {
    const body = JSON.stringify({ subscriptions })
    await this.#put('subscriptions', { ...authorization(this.token), 'content-type': 'application/json' }, body)
  }

  async askPassed(offsets: string, ref: string): Promise<void> {
    await this.#put('passed', { 'content-type': 'application/json' }, JSON.stringify({ offsets, ref }))
  }

  async renew(token: string): Promise<void> {
    await this.#put('token', authorization(token))
    this.token = token
  }

  /** Rejects with Rigel's reason if it refuses. */
  async #put(what: string, headers: Record<string, string>, body: string | null = null): Promise<void> {
    const url = this.#request.url(`_rig/v1/connection/${this.#transport}/${this.connectionToken}/${what}`)
    const response = await fetch(url, { method: 'PUT', headers, body })
    if (response.ok) return
    throw new Refusal((await response.text()).slice(0, 200) || `status ${response.status}`, response.status === 400)
  }
}
