// The long-polling transport: opens sessions, finds them again after hibernation or a crash, and answers polls.
import type { RigelError } from '../../../core/errors.ts'
import type { ConnectRequest } from '../../../core/identity/principal.ts'
import { shardOf } from '../../../core/delivery/shard-hash.ts'
import { fail, type Result } from '../../../core/result.ts'
import { stampError, type PollAnswer } from '../../../rpc/shard.ts'
import type { ConnectionState, Opening } from '../connections/connection-state.ts'
import type { SystemEvent } from '../system-events.ts'
import { LongpollSession } from './longpoll-session.ts'
import { newestOf, SessionEventStore, type SessionEvent } from './session-event-store.ts'
import type { Transport, TransportParts } from './transport.ts'

/** A session that is not polled within this time after it was opened is ended. */
const UNPOLLED_MS = 30_000

export class LongpollTransport implements Transport {
  readonly #parts: TransportParts
  readonly #events: SessionEventStore
  readonly #sessions = new Map<string, LongpollSession>()

  constructor(parts: TransportParts) {
    this.#parts = parts
    this.#events = new SessionEventStore(parts.context.storage.sql)
  }

  /** The response is empty: the caller reads the session from its state. The first poll returns the events that greet the client. */
  open(opening: Opening): Response {
    const { context, lifecycle, tokenless } = this.#parts
    const session = this.#create(opening.state, [], false)
    tokenless.opened(opening.state, context.now())
    lifecycle.add(session)
    lifecycle.greet(session, opening)
    context.wakeBy(context.now() + UNPOLLED_MS)
    return new Response(null, { status: 204 })
  }

  refuse(_connect: ConnectRequest, reason: RigelError): Response {
    return stampError(reason)
  }

  restore(stored: readonly ConnectionState[]): void {
    const ownEvents = this.#events.all()
    for (const state of stored) {
      this.#parts.tokenless.restored(state)
      this.#parts.connections.add(this.#create(state, ownEvents.get(state.id) ?? [], true))
    }
  }

  async onMessage(): Promise<void> {}

  onClose(): void {}

  /** Resolves when there are events after `lastEventId` (null: from the session's start), or without any after the wait. */
  async poll(connectionId: string, lastEventId: string | null): Promise<Result<PollAnswer, RigelError>> {
    const { context, log } = this.#parts
    const session = this.#sessions.get(connectionId)
    if (session === undefined) return fail({ kind: 'connection_gone' })
    if (this.#hasMoved(session)) {
      this.#parts.lifecycle.remove(session)
      return fail({ kind: 'connection_gone' })
    }
    session.hasPolled = true
    session.seenAtMs = context.now()
    const seq = log.resumable(lastEventId ?? log.position(session.state.startSeq))
    const polled = await session.poll(seq ?? log.committedSeq, seq !== undefined)
    session.seenAtMs = context.now()
    return polled
  }

  /** Ends sessions that are not polled any more. */
  sweep(nowMs: number): number | null {
    let nextMs: number | null = null
    for (const session of this.#sessions.values()) {
      const idleMs = session.hasPolled ? this.#idleMs : Math.min(UNPOLLED_MS, this.#idleMs)
      const dueMs = (session.isPolled ? nowMs : session.seenAtMs) + idleMs
      if (dueMs <= nowMs) this.#parts.lifecycle.remove(session)
      else nextMs = Math.min(nextMs ?? Infinity, dueMs)
    }
    return nextMs
  }

  get #idleMs(): number {
    return this.#parts.context.config.connections.longpollingIdleMs
  }

  /** SHARDS has changed, and the user's events go to another shard now: the client has to open a session there. */
  #hasMoved({ state }: LongpollSession): boolean {
    const { config, shard } = this.#parts.context
    const { user } = state.owner
    return user !== null && shard < config.shards && shardOf(user, config.shards) !== shard
  }

  #create(state: ConnectionState, ownEvents: readonly SessionEvent[], hasPolled: boolean): LongpollSession {
    const onRemoved = () => {
      this.#parts.tokenless.ended(state)
      this.#sessions.delete(state.id)
      this.#events.delete(state.id)
    }
    const session = new LongpollSession(state, this.#parts, ownEvents, this.#storeEvent, onRemoved, hasPolled)
    this.#sessions.set(state.id, session)
    return session
  }

  readonly #storeEvent = (connectionId: string, earlier: readonly SessionEvent[], { json }: SystemEvent) => {
    const event = { seq: this.#parts.advanceLog(), json }
    this.#events.add(connectionId, event)
    const kept = newestOf([...earlier, event])
    const [oldest] = kept
    if (kept.length <= earlier.length && oldest !== undefined) this.#events.deleteBefore(connectionId, oldest.seq)
    return kept
  }
}
