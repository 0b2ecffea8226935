// One connection for all tabs of a browser: a browser opens six HTTP/1.1 connections to a host at most, so six tabs with a
// stream each would hang. One tab holds the connection (Web Locks); it hands its events to the others (BroadcastChannel).
// When it is closed, the next tab goes on from the position that itself has handled, so nothing is lost. Tabs share only if
// URL, user and subscriptions are equal.
import { EventQueue } from './event-queue.ts'
import { toRigel, type ConnectionSource } from './facade.ts'
import { connect } from './index.ts'
import type {
  ConnectionState,
  ConnectOptions,
  EventTypes,
  FilterTypes,
  Problem,
  ReceivedEvent,
  Rigel,
  Subscription,
  TypedOptions,
} from './types.ts'

export interface SharedOptions extends ConnectOptions {
  /** The user of the events, or the empty string without a token. Tabs of different users never share a connection. */
  readonly user: string
}

type Message =
  | { readonly kind: 'event'; readonly event: ReceivedEvent }
  | { readonly kind: 'state'; readonly state: ConnectionState }
  | { readonly kind: 'passed'; readonly position: string | null }
  | { readonly kind: 'closed'; readonly problem: Problem }
  | { readonly kind: 'hello' }

/** Events that come twice when another tab takes over are recognised by these many last positions. */
const MAX_REMEMBERED = 2_000

/** Like `connect`, with one connection for all tabs with the same options. A browser without Web Locks opens one per tab. */
export function connectShared<Events extends EventTypes = EventTypes, Filters extends FilterTypes = FilterTypes>(
  options: TypedOptions<SharedOptions, NoInfer<Events>, NoInfer<Filters>>,
): Rigel<Events, Filters> {
  return toRigel<Events, Filters>(new SharedConnection(options))
}

class SharedConnection implements ConnectionSource {
  readonly events = new EventQueue((error) => globalThis.reportError(error))
  readonly closed: Promise<Problem>
  state: ConnectionState = 'connecting'
  position: string | null
  readonly #options: SharedOptions
  readonly #stateListeners = new Set<(state: ConnectionState) => void>()
  /** Newest last. */
  readonly #seen = new Set<string>()
  #subscriptions: readonly Subscription[]
  #group: Group | null = null
  #settleClosed: (problem: Problem) => void = () => {}

  constructor(options: SharedOptions) {
    this.#options = options
    this.position = options.lastEventId || null
    this.#subscriptions = options.subscriptions ?? []
    this.closed = new Promise((resolve) => (this.#settleClosed = resolve))
    queueMicrotask(() => this.#join())
  }

  get transport(): Rigel['transport'] {
    return this.#group?.connection?.transport ?? 'websocket'
  }

  onState(listener: (state: ConnectionState) => void): () => void {
    this.#stateListeners.add(listener)
    return () => void this.#stateListeners.delete(listener)
  }

  /** Moves this tab to the group of tabs with the new subscriptions. */
  async subscribe(subscriptions: readonly Subscription[]): Promise<void> {
    this.#subscriptions = subscriptions
    this.#group?.leave()
    this.#setState('connecting')
    this.#join()
    await new Promise<void>((resolve, reject) => {
      const remove = this.onState((state) => {
        if (state === 'connecting' || state === 'waiting') return
        remove()
        if (state === 'open') resolve()
        else reject(new Error('the connection was closed'))
      })
    })
  }

  close(): void {
    this.#group?.leave()
    this.#finish({ code: 1000, reason: 'closed by the application', willRetry: false })
  }

  #join(): void {
    if (this.state === 'closed') return
    const options = { ...this.#options, subscriptions: this.#subscriptions }
    this.#group = new Group(options, {
      position: () => this.position,
      receive: (event) => this.#receive(event),
      state: (state) => this.#setState(state),
      passed: (position) => this.#pass(position),
      closed: (problem) => this.#finish(problem),
    })
  }

  async #receive(event: ReceivedEvent): Promise<void> {
    if (event.position !== null) {
      if (this.#seen.has(event.position) && !event.type.startsWith('rig.')) return
      this.#seen.add(event.position)
      if (this.#seen.size > MAX_REMEMBERED) this.#forgetOldest()
    }
    await this.events.dispatch(event)
  }

  #pass(position: string | null): void {
    this.position = position
    if (position !== null) this.#options.onPosition?.(position)
  }

  #forgetOldest(): void {
    const { value } = this.#seen.values().next()
    if (value !== undefined) this.#seen.delete(value)
  }

  #setState(state: ConnectionState): void {
    if (this.state === state || this.state === 'closed') return
    this.state = state
    for (const listener of this.#stateListeners) listener(state)
  }

  #finish(problem: Problem): void {
    if (this.state === 'closed') return
    this.#setState('closed')
    this.#settleClosed(problem)
  }
}

interface Member {
  readonly position: () => string | null
  readonly receive: (event: ReceivedEvent) => Promise<void>
  readonly passed: (position: string | null) => void
  readonly state: (state: ConnectionState) => void
  readonly closed: (problem: Problem) => void
}

/** The tabs that share a connection, as one of them sees it. */
class Group {
  /** Only in the tab that holds the connection. */
  connection: Rigel | null = null
  readonly #member: Member
  readonly #channel: BroadcastChannel
  readonly #leaving = new AbortController()
  /** Events of another tab are handled one after the other. */
  #handling = Promise.resolve()

  constructor(options: SharedOptions, member: Member) {
    this.#member = member
    const url = new URL(options.url ?? '/', globalThis.location.href).href
    const name = `rigel ${JSON.stringify([url, options.user, options.subscriptions])}`
    this.#channel = new BroadcastChannel(name)
    this.#channel.addEventListener('message', ({ data }: MessageEvent<Message>) => this.#hear(data))
    const lead = (): Promise<void> => this.#lead(options)
    if ('locks' in navigator) {
      // Rejects when this tab leaves before it was its turn.
      void navigator.locks.request(name, { signal: this.#leaving.signal }, lead).catch(() => {})
      this.#tell({ kind: 'hello' })
    } else void lead()
  }

  leave(): void {
    this.#leaving.abort()
    this.connection?.close()
    this.#channel.close()
  }

  /** Holds the lock, and the connection, until this tab leaves or the connection is closed for good. */
  async #lead(options: SharedOptions): Promise<void> {
    // What another tab has sent is handled first: the position then says where to go on.
    await this.#handling
    if (this.#leaving.signal.aborted) return
    const onPosition = (position: string): void => {
      this.#member.passed(position)
      this.#tell({ kind: 'passed', position })
    }
    const connection = connect({ ...options, lastEventId: this.#member.position(), onPosition })
    this.connection = connection
    connection.on('*', async (event: ReceivedEvent) => {
      this.#tell({ kind: 'event', event })
      await this.#member.receive(event)
    })
    connection.onState((state) => {
      this.#member.state(state)
      if (state !== 'closed') this.#tell({ kind: 'state', state })
    })
    const problem = await connection.closed
    if (this.#leaving.signal.aborted) return
    this.#tell({ kind: 'closed', problem })
    this.#member.closed(problem)
  }

  #hear(message: Message): void {
    if (message.kind === 'hello') return this.#welcome()
    if (this.connection !== null) return
    if (message.kind === 'event') this.#handling = this.#handling.then(() => this.#member.receive(message.event))
    if (message.kind === 'passed') this.#handling = this.#handling.then(() => this.#member.passed(message.position))
    if (message.kind === 'state') this.#member.state(message.state)
    if (message.kind === 'closed') this.#member.closed(message.problem)
  }

  /** A tab that joins late is told the state, and the position from which its events come. */
  #welcome(): void {
    if (this.connection === null) return
    this.#tell({ kind: 'state', state: this.connection.state })
    this.#tell({ kind: 'passed', position: this.connection.lastEventId })
  }

  #tell(message: Message): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    this.#channel.postMessage(message)
  }
}
