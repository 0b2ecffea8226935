// Keeps one connection to Rigel: returns after every loss with the last handled position, renews the token before it expires,
// and stops where the same request would be refused again. For index.ts.
import { AwaitedOffsets } from './awaited-offsets.ts'
import { backoffMs } from './backoff.ts'
import { endedByError, type Ended } from './ended.ts'
import { EventQueue } from './event-queue.ts'
import type { ConnectionSource } from './facade.ts'
import { toTime, withoutTables } from './link.ts'
import type { Link, LinkCallbacks, LinkEvent, LinkRequest, OpenLink } from './link.ts'
import { isPageHidden, onWake, reportError } from './page-events.ts'
import { TransportChoice } from './transport-choice.ts'
import { openLongpolling } from './transports/longpolling.ts'
import { openSse } from './transports/sse.ts'
import { openWebSocket } from './transports/websocket.ts'
import type { CloudEvent, ConnectionState, ConnectOptions, Problem, Subscription, TransportName } from './types.ts'

const LINKS: Readonly<Record<TransportName, OpenLink>> = {
  websocket: openWebSocket,
  sse: openSse,
  longpolling: openLongpolling,
}
const CLOSED_BY_APPLICATION = 1000
/** What a browser reports when a WebSocket handshake fails, whatever the answer was (RFC 6455, 7.1.5). */
const ABNORMAL_CLOSURE = 1006
/** A connection that lasted this long starts the backoff anew. */
const STABLE_MS = 5_000

export class Connection implements ConnectionSource {
  readonly events: EventQueue
  readonly closed: Promise<Problem>
  position: string | null
  state: ConnectionState = 'connecting'
  readonly #options: ConnectOptions
  readonly #base: URL
  readonly #choice: TransportChoice
  readonly #awaited = new AwaitedOffsets()
  readonly #stateListeners = new Set<(state: ConnectionState) => void>()
  readonly #stopListening: () => void
  readonly #since: string | null
  #subscriptions: readonly Subscription[]
  #link: Link | null = null
  /** Attempts count up; what an earlier one still says is dropped. */
  #attempt = 0
  #failures = 0
  #openedAtMs: number | null = null
  /** The token that the last attempt used, to know whether `token()` has another one. */
  #token: string | null = null
  #refusedToken: string | null | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #settleClosed: (problem: Problem) => void = () => {}

  constructor(options: ConnectOptions) {
    this.#options = options
    this.#base = new URL(options.url ?? '/', globalThis.location?.href)
    if (!this.#base.pathname.endsWith('/')) this.#base.pathname += '/'
    this.#choice = new TransportChoice(options.transports ?? ['websocket', 'sse', 'longpolling'], () =>
      fetch(this.#url('_rig/health'), { cache: 'no-store' }).then(
        () => true,
        () => false,
      ),
    )
    this.#subscriptions = options.subscriptions ?? []
    this.position = withoutTables(options.lastEventId)
    this.#since = toTime(options.since)
    this.closed = new Promise((resolve) => (this.#settleClosed = resolve))
    this.events = new EventQueue(reportError)
    // Deferred, so that handlers added right after `connect` see every event.
    queueMicrotask(() => void this.#open())
    this.#stopListening = onWake(() => this.#wake())
  }

  get transport(): TransportName {
    return this.#choice.current
  }

  onState(listener: (state: ConnectionState) => void): () => void {
    this.#stateListeners.add(listener)
    return () => void this.#stateListeners.delete(listener)
  }

  /** While there is no connection, the next one is opened with the new set. */
  async subscribe(subscriptions: readonly Subscription[]): Promise<void> {
    if (this.state === 'open') await this.#link?.subscribe(subscriptions)
    this.#subscriptions = subscriptions
  }

  async passed(offsets: string): Promise<void> {
    if (this.state === 'closed') throw new Error('the connection is closed')
    await this.#awaited.add(offsets)
  }

  close(): void {
    this.#finish({ code: CLOSED_BY_APPLICATION, reason: 'closed by the application', willRetry: false })
  }

  async #open(): Promise<void> {
    if (this.state === 'closed') return
    this.#setState('connecting')
    this.#attempt += 1
    const attempt = this.#attempt
    const isCurrent = (): boolean => attempt === this.#attempt && this.state !== 'closed'
    try {
      this.#token = (await this.#options.token?.()) ?? null
    } catch (error) {
      if (isCurrent()) this.#retry(endedByError(error))
      return
    }
    if (!isCurrent()) return
    if (this.#refusedToken !== undefined && this.#refusedToken === this.#token) {
      return this.#finish({
        code: 4502,
        reason: 'the token was refused, and token() returned the same one again',
        willRetry: false,
      })
    }
    this.#openedAtMs = null
    const request = this.#request()
    this.#link = LINKS[this.#choice.choose()](request, this.#callbacks(request, isCurrent))
  }

  #request(): LinkRequest {
    const url: LinkRequest['url'] = (path, parameters) => this.#url(path, parameters)
    const { asOf = null } = this.#options
    return {
      url,
      token: this.#token,
      subscriptions: this.#subscriptions,
      position: this.position,
      asOf,
      since: this.#since,
    }
  }

  #url(path: string, parameters: Readonly<Record<string, string>> = {}): URL {
    const url = new URL(path, this.#base)
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
    return url
  }

  #callbacks({ subscriptions }: LinkRequest, isCurrent: () => boolean): LinkCallbacks {
    return {
      receive: async (events) => {
        for (const item of events) if (isCurrent()) await this.#receive(item, isCurrent)
      },
      passed: (position, ref) => {
        if (!isCurrent()) return
        this.#pass(position)
        if (ref !== undefined) this.#awaited.answered(ref)
      },
      opened: () => {
        if (!isCurrent()) return
        this.#openedAtMs = Date.now()
        this.#choice.opened()
        this.#refusedToken = undefined
        this.#setState('open')
        this.#awaited.opened(this.#link)
        if (subscriptions !== this.#subscriptions) {
          void this.#link
            ?.subscribe(this.#subscriptions)
            .catch((error: unknown) => this.#report(endedByError(error), true))
        }
      },
      ended: (why) => {
        if (isCurrent()) void this.#ended(why)
      },
    }
  }

  async #receive({ event, position }: LinkEvent, isCurrent: () => boolean): Promise<void> {
    const { data } = event as CloudEvent<{ recovered?: boolean; last_event_id?: string; ref?: string }>
    if (event.type === 'rig.token_expires') void this.#renew()
    if (event.type === 'rig.connection.create' && data?.recovered === false) {
      await this.events.dispatch({ ...event, type: 'rig.gap', position })
    }
    await this.events.dispatch({ ...event, position })
    if (!isCurrent()) return
    // Long-polling and the first event of a connection: without a position, a loss now would lose what came between.
    const passed = position ?? (event.type === 'rig.connection.create' ? (data?.last_event_id ?? null) : null)
    if (passed !== null) this.#pass(passed)
    if (event.type === 'rig.passed') this.#awaited.answered(data?.ref ?? '')
  }

  #pass(position: string): void {
    if (this.position === position) return
    this.position = position
    this.#options.onPosition?.(position)
  }

  /** A token that cannot be renewed ends the connection when it expires, and a new one is asked for then. */
  async #renew(): Promise<void> {
    try {
      const token = (await this.#options.token?.()) ?? null
      if (token === null || token === this.#token) return
      await this.#link?.renew(token)
      this.#token = token
    } catch (error) {
      this.#report(endedByError(error), true)
    }
  }

  async #ended(why: Ended): Promise<void> {
    const wasOpen = this.#openedAtMs !== null
    if (wasOpen && Date.now() - (this.#openedAtMs ?? 0) > STABLE_MS) this.#failures = 0
    if (why.next === 'stop') return this.#finish({ ...why, willRetry: false })
    if (why.next === 'new-token') this.#refusedToken = this.#token
    const attempt = this.#attempt
    if (!wasOpen && (why.code === 0 || why.code === ABNORMAL_CLOSURE)) await this.#choice.failedToOpen()
    if (attempt === this.#attempt) this.#retry(why)
  }

  #retry(why: Ended): void {
    this.#report(why, true)
    this.#link = null
    this.#awaited.opened(null)
    this.#failures += 1
    this.#setState('waiting')
    const waitMs = Math.max(backoffMs(this.#failures, Math.random()), why.afterMs ?? 0)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#open(), waitMs)
  }

  /** The network is back, or the page is seen again: a waiting client returns at once, an open one checks whether it still is. */
  #wake(): void {
    if (this.state === 'open') return this.#link?.check()
    if (this.state !== 'waiting' || isPageHidden()) return
    clearTimeout(this.#timer)
    void this.#open()
  }

  #report({ code, reason }: Ended, willRetry: boolean): void {
    this.#options.onProblem?.({ code, reason, willRetry })
  }

  #finish({ code, reason }: Problem): void {
    if (this.state === 'closed') return
    this.#attempt += 1
    clearTimeout(this.#timer)
    this.#link?.close()
    this.#link = null
    this.#stopListening()
    this.#setState('closed')
    const problem = { code, reason, willRetry: false }
    if (code !== CLOSED_BY_APPLICATION) this.#options.onProblem?.(problem)
    this.#awaited.closed(reason)
    this.#settleClosed(problem)
  }

  #setState(state: ConnectionState): void {
    if (this.state === state) return
    this.state = state
    for (const listener of this.#stateListeners) listener(state)
  }
}
