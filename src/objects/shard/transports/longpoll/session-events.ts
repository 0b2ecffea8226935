// Rigel's own events of one long-polling session: the newest ones, in memory and in storage. They are kept after a poll, because
// tabs may share the session. Used by longpoll-session.ts.
import { heapBytesOf } from '../../../../core/text.ts'
import type { SystemEvent } from '../../system-events.ts'
import type { SessionEvent, SessionEventStore } from './session-event-store.ts'

/** What is kept for a session. Newer events say what older ones said: subscriptions in force, metadata, a near expiry. */
const MAX_EVENTS = 32
const MAX_CHARS = 131_072
/** What every session may keep: opening it takes about half of it. */
const FREE_BYTES = 2_048

export class SessionEvents {
  readonly #connectionId: string
  readonly #store: SessionEventStore
  readonly #advanceLog: () => number
  /** Is told by how many bytes the memory of the events has changed, of that beyond what every session may keep. */
  readonly #count: (bytes: number) => void
  /** Oldest first. */
  #kept: readonly SessionEvent[] = []
  #counted = 0
  /** The session has ended. */
  #isDeleted = false

  /** `stored`: its events in storage. `advanceLog`: returns a sequence number that no event has. */
  constructor(
    connectionId: string,
    store: SessionEventStore,
    advanceLog: () => number,
    stored: readonly SessionEvent[],
    count: (bytes: number) => void,
  ) {
    this.#connectionId = connectionId
    this.#store = store
    this.#advanceLog = advanceLog
    this.#count = count
    this.#keep(stored)
  }

  /** Stores new events as one row. */
  add(added: readonly SystemEvent[]): void {
    if (this.#isDeleted) return
    const seq = this.#advanceLog()
    const events = added.map(({ json }) => ({ seq, json }))
    this.#store.add(this.#connectionId, seq, events)
    const all = [...this.#kept, ...events]
    this.#keep(newestOf(all))
    const [oldest] = this.#kept
    if (this.#kept.length < all.length && oldest !== undefined) this.#store.deleteBefore(this.#connectionId, oldest.seq)
  }

  /** Returns those after `seq` up to `untilSeq`, oldest first. */
  between(seq: number, untilSeq: number): readonly SessionEvent[] {
    return this.#kept.filter((event) => event.seq > seq && event.seq <= untilSeq)
  }

  delete(): void {
    this.#isDeleted = true
    this.#store.delete(this.#connectionId)
    this.#keep([])
  }

  #keep(events: readonly SessionEvent[]): void {
    this.#kept = events
    const bytes = Math.max(0, events.reduce((sum, { json }) => sum + heapBytesOf(json), 0) - FREE_BYTES)
    this.#count(bytes - this.#counted)
    this.#counted = bytes
  }
}

/** Returns the newest events, at least one, within what is kept for a session. `events` are oldest first. */
function newestOf(events: readonly SessionEvent[]): readonly SessionEvent[] {
  let chars = 0
  const isWithin = ({ json }: SessionEvent, index: number) => {
    chars += json.length
    return index === 0 || (index < MAX_EVENTS && chars <= MAX_CHARS)
  }
  const kept = events.toReversed().findIndex((event, index) => !isWithin(event, index))
  return kept === -1 ? events : events.slice(events.length - kept)
}
