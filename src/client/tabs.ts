// One connection for all tabs of a browser: a browser opens six HTTP/1.1 connections to a host at most, so six tabs with a
// stream each would hang. One tab holds the connection (Web Locks); it hands its events to the others (BroadcastChannel).
// When it is closed, the next tab goes on from the position that itself has handled, so nothing is lost. Tabs share only if
// URL, user and subscriptions are equal.
import { AwaitedOffsets } from './awaited-offsets.ts'
import { EventQueue } from './event-queue.ts'
import { toRigel, type ConnectionSource } from './facade.ts'
import { TabGroup } from './tab-group.ts'
import type {
  ConnectionState,
  EventTypes,
  FilterTypes,
  Problem,
  ReceivedEvent,
  Rigel,
  SharedOptions,
  Subscription,
  TypedOptions,
} from './types.ts'

export type { SharedOptions } from './types.ts'

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
  readonly #awaited = new AwaitedOffsets(crypto.randomUUID())
  readonly #stateListeners = new Set<(state: ConnectionState) => void>()
  /** Newest last. */
  readonly #seen = new Set<string>()
  #subscriptions: readonly Subscription[]
  #group: TabGroup | null = null
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

  async passed(offsets: string): Promise<void> {
    if (this.state === 'closed') throw new Error('the connection is closed')
    await this.#awaited.add(offsets)
  }

  close(): void {
    this.#group?.leave()
    this.#finish({ code: 1000, reason: 'closed by the application', willRetry: false })
  }

  #join(): void {
    if (this.state === 'closed') return
    const options = { ...this.#options, subscriptions: this.#subscriptions }
    const group = new TabGroup(options, {
      position: () => this.position,
      receive: (event) => this.#receive(event),
      state: (state) => {
        this.#setState(state)
        // Also if another tab has taken over, which knows nothing of earlier questions.
        if (group === this.#group) this.#awaited.opened(state === 'open' ? group : null)
      },
      told: (ref, refusal) =>
        refusal === null ? this.#awaited.answered(ref) : this.#awaited.refused(ref, new Error(refusal)),
      passed: (position) => this.#pass(position),
      closed: (problem) => this.#finish(problem),
    })
    this.#group = group
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
    this.#awaited.closed(problem.reason)
    this.#settleClosed(problem)
  }
}
