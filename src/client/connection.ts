// Keeps one connection to Rigel: chooses a transport, returns after every loss with the last handled position, renews the
// token before it expires, and stops where the same request would be refused again. For index.ts.
import { backoffMs } from './backoff.ts'
import { endedByError, type Ended } from './ended.ts'
import { EventQueue } from './event-queue.ts'
import type { ConnectionSource } from './facade.ts'
import type { Link, LinkCallbacks, LinkEvent, LinkRequest, OpenLink } from './link.ts'
import { openLongpolling } from './transports/longpolling.ts'
import { openSse } from './transports/sse.ts'
import { openWebSocket } from './transports/websocket.ts'
import type { CloudEvent, ConnectionState, ConnectOptions, Problem, Subscription, TransportName } from './types.ts'

const LINKS: Readonly<Record<TransportName, OpenLink>> = {
  websocket: openWebSocket,
  sse: openSse,
  longpolling: openLongpolling,
}
/** A transport that fails so often in a row before it opens, while the server answers, is blocked on the way. */
const FAILURES_UNTIL_BLOCKED = 2
/** A blocked transport is tried again after this time: the device may be in another network by then. */
const UNBLOCK_AFTER_MS = 600_000
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
  readonly #transports: readonly TransportName[]
  readonly #stateListeners = new Set<(state: ConnectionState) => void>()
  readonly #blockedUntilMs = new Map<TransportName, number>()
  #subscriptions: readonly Subscription[]
  #link: Link | null = null
  /** Attempts count up; what an earlier one still says is dropped. */
  #attempt = 0
  #transport: TransportName
  #failures = 0
  #openFailures = 0
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
    this.#transports = options.transports ?? ['websocket', 'sse', 'longpolling']
    this.#transport = this.#transports[0] ?? 'websocket'
    this.#subscriptions = options.subscriptions ?? []
    this.position = options.lastEventId || null
    this.closed = new Promise((resolve) => (this.#settleClosed = resolve))
    this.events = new EventQueue(reportError)
    // Deferred, so that handlers added right after `connect` see every event.
    queueMicrotask(() => void this.#open())
    for (const [target, type] of wakeEvents()) target.addEventListener(type, this.#wake)
  }

  get transport(): TransportName {
    return this.#transport
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
    this.#transport = this.#chooseTransport()
    this.#openedAtMs = null
    const request = this.#request()
    this.#link = LINKS[this.#transport](request, this.#callbacks(request, isCurrent))
  }

  #request(): LinkRequest {
    return {
      url: (path, parameters = {}) => {
        const url = new URL(path, this.#base)
        for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
        return url
      },
      token: this.#token,
      subscriptions: this.#subscriptions,
      position: this.position,
    }
  }

  #callbacks({ subscriptions }: LinkRequest, isCurrent: () => boolean): LinkCallbacks {
    return {
      receive: async (events) => {
        for (const item of events) if (isCurrent()) await this.#receive(item, isCurrent)
      },
      passed: (position) => {
        if (isCurrent()) this.#pass(position)
      },
      opened: () => {
        if (!isCurrent()) return
        this.#openedAtMs = Date.now()
        this.#openFailures = 0
        this.#refusedToken = undefined
        this.#setState('open')
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
    const { data } = event as CloudEvent<{ recovered?: boolean; last_event_id?: string }>
    if (event.type === 'rig.token_expires') void this.#renew()
    if (event.type === 'rig.connection.create' && data?.recovered === false) {
      await this.events.dispatch({ ...event, type: 'rig.gap', position })
    }
    await this.events.dispatch({ ...event, position })
    if (!isCurrent()) return
    // Long-polling and the first event of a connection: without a position, a loss now would lose what came between.
    const passed = position ?? (event.type === 'rig.connection.create' ? (data?.last_event_id ?? null) : null)
    if (passed !== null) this.#pass(passed)
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
    if (!wasOpen && (why.code === 0 || why.code === ABNORMAL_CLOSURE)) await this.#countOpenFailure()
    if (attempt === this.#attempt) this.#retry(why)
  }

  /** A transport is only held to be blocked while the server answers an ordinary request. */
  async #countOpenFailure(): Promise<void> {
    const health = this.#request().url('_rig/health')
    const isUp = await fetch(health, { cache: 'no-store' }).then(
      () => true,
      () => false,
    )
    if (!isUp) return
    this.#openFailures += 1
    if (this.#openFailures < FAILURES_UNTIL_BLOCKED) return
    this.#openFailures = 0
    this.#blockedUntilMs.set(this.#transport, Date.now() + UNBLOCK_AFTER_MS)
  }

  #chooseTransport(): TransportName {
    const nowMs = Date.now()
    const free = this.#transports.find((name) => (this.#blockedUntilMs.get(name) ?? 0) <= nowMs)
    if (free !== undefined) return free
    this.#blockedUntilMs.clear()
    return this.#transports[0] ?? this.#transport
  }

  #retry(why: Ended): void {
    this.#report(why, true)
    this.#link = null
    this.#failures += 1
    this.#setState('waiting')
    const waitMs = Math.max(backoffMs(this.#failures, Math.random()), why.afterMs ?? 0)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#open(), waitMs)
  }

  /** The network is back, or the page is seen again: a waiting client returns at once, an open one checks whether it still is. */
  readonly #wake = (): void => {
    if (this.state === 'open') return this.#link?.check()
    if (this.state !== 'waiting' || globalThis.document?.visibilityState === 'hidden') return
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
    for (const [target, type] of wakeEvents()) target.removeEventListener(type, this.#wake)
    this.#setState('closed')
    const problem = { code, reason, willRetry: false }
    if (code !== CLOSED_BY_APPLICATION) this.#options.onProblem?.(problem)
    this.#settleClosed(problem)
  }

  #setState(state: ConnectionState): void {
    if (this.state === state) return
    this.state = state
    for (const listener of this.#stateListeners) listener(state)
  }
}

/** Empty outside of a browser. */
function wakeEvents(): readonly (readonly [EventTarget, string])[] {
  return [
    ...('addEventListener' in globalThis ? [[globalThis as unknown as EventTarget, 'online'] as const] : []),
    ...('document' in globalThis ? [[globalThis.document, 'visibilitychange'] as const] : []),
  ]
}

/** Reports an uncaught error, with its stack, without ending the connection. Node has no reportError. */
function reportError(error: unknown): void {
  if ('reportError' in globalThis) globalThis.reportError(error)
  else
    queueMicrotask(() => {
      throw error
    })
}
