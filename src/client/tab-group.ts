// The tabs of a browser that share one connection, as one of them sees it: who holds it (Web Locks), and what it tells the
// others (BroadcastChannel). For tabs.ts.
import { connect } from './index.ts'
import type { ConnectionState, Problem, ReceivedEvent, Rigel, SharedOptions } from './types.ts'

type Message =
  | { readonly kind: 'event'; readonly event: ReceivedEvent }
  | { readonly kind: 'state'; readonly state: ConnectionState }
  | { readonly kind: 'passed'; readonly position: string | null }
  | { readonly kind: 'closed'; readonly problem: Problem }
  /** Another tab waits for offsets; `told` is the answer of the tab that holds the connection. */
  | { readonly kind: 'asked'; readonly offsets: string; readonly ref: string }
  | { readonly kind: 'told'; readonly ref: string; readonly refusal: string | null }
  | { readonly kind: 'hello' }

interface Member {
  readonly position: () => string | null
  readonly receive: (event: ReceivedEvent) => Promise<void>
  readonly passed: (position: string | null) => void
  readonly state: (state: ConnectionState) => void
  /** `refusal`: why the question would be refused again; null: everything up to the offsets has been handled. */
  readonly told: (ref: string, refusal: string | null) => void
  readonly closed: (problem: Problem) => void
}

export class TabGroup {
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

  /** Rejects never: a tab that takes over is asked again. */
  async askPassed(offsets: string, ref: string): Promise<void> {
    if (this.connection === null) this.#tell({ kind: 'asked', offsets, ref })
    else this.#member.told(ref, await refusalOf(this.connection, offsets))
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
    if (this.connection !== null)
      return message.kind === 'asked' ? void this.#answer(this.connection, message) : undefined
    if (message.kind === 'told')
      this.#handling = this.#handling.then(() => this.#member.told(message.ref, message.refusal))
    if (message.kind === 'event') this.#handling = this.#handling.then(() => this.#member.receive(message.event))
    if (message.kind === 'passed') this.#handling = this.#handling.then(() => this.#member.passed(message.position))
    if (message.kind === 'state') this.#member.state(message.state)
    if (message.kind === 'closed') this.#member.closed(message.problem)
  }

  /** Another tab handles what it was told of before this answer first. */
  async #answer(connection: Rigel, { offsets, ref }: Message & { kind: 'asked' }): Promise<void> {
    this.#tell({ kind: 'told', ref, refusal: await refusalOf(connection, offsets) })
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

/** Resolves to null when everything up to the offsets has been handled. */
function refusalOf(connection: Rigel, offsets: string): Promise<string | null> {
  return connection.passed(offsets).then(
    () => null,
    (error: unknown) => String(error),
  )
}
