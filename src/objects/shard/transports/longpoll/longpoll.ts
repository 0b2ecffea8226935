// The long-polling transport: opens sessions, finds them again after hibernation or a crash, and answers polls.
import { logIncident } from '../../../../telemetry/incident-log.ts'
import type { RigelError } from '../../../../core/errors.ts'
import type { ConnectRequest } from '../../../../core/identity/principal.ts'
import { parsePosition, shardOfPosition } from '../../../../core/identity/position.ts'
import { planLateReplay } from '../../old-shard/plan-replay.ts'
import { fail, ok, type Result } from '../../../../core/result.ts'
import { stampError, type PollAnswer } from '../../../../rpc/shard.ts'
import type { ConnectionState, Opening } from '../../connections/connection-state.ts'
import { LongpollSession } from './longpoll-session.ts'
import { SessionEventStore, type SessionEvent } from './session-event-store.ts'
import { SessionEvents } from './session-events.ts'
import { PayerPace } from '../../payer-pace.ts'
import type { Transport, TransportParts } from '../transport.ts'

/**
 * Polls of a session. One that has something to get is answered at once, so that a client that stays at its position could poll without
 * end. Six tabs that share a session poll so often when there is always a new event after 60 ms.
 */
const POLL_PACE = { burst: 200, perSecond: 100 }

/** A session that is not polled within this time after it was opened is ended. */
const UNPOLLED_MS = 30_000

export class LongpollTransport implements Transport {
  readonly #parts: TransportParts
  readonly #events: SessionEventStore
  readonly #sessions = new Map<string, LongpollSession>()
  readonly #pace: PayerPace

  constructor(parts: TransportParts) {
    this.#parts = parts
    const { context, timers } = parts
    this.#pace = new PayerPace({ nowMs: context.now, after: (ms, act) => void timers.after(ms, act) })
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
      const session = this.#create(state, ownEvents.get(state.id) ?? [], true)
      this.#parts.connections.add(session)
      const { openBefore } = parsePosition(state.pinned ?? '') ?? { openBefore: null }
      const replay = openBefore === null ? null : planLateReplay(state, openBefore)
      if (replay !== null) session.replayOldShard(replay)
    }
  }

  async onMessage(): Promise<void> {}

  onClose(): void {}

  /**
   * Resolves when there are events after `lastEventId`, or without any after the wait. The first poll of a session, and one
   * without a position, reads from where the session was opened.
   */
  async poll(connectionId: string, lastEventId: string | null): Promise<Result<PollAnswer, RigelError>> {
    const { context, log } = this.#parts
    if (!this.#sessions.has(connectionId)) return fail({ kind: 'connection_gone' })
    if (!(await this.#pace.enter({ payer: connectionId, ...POLL_PACE }))) return fail({ kind: 'rate_limited' })
    const session = this.#sessions.get(connectionId)
    if (session === undefined) return fail({ kind: 'connection_gone' })
    if (!this.#parts.shardMap.isHome(session.state.owner.user)) {
      this.#parts.lifecycle.remove(session)
      return fail({ kind: 'moved' })
    }
    const isFirst = lastEventId === null || !session.hasPolled
    session.hasPolled = true
    session.seenAtMs = context.now()
    const { pinned, startSeq } = session.state
    const position = isFirst ? (pinned ?? log.position(startSeq)) : lastEventId
    const polled = (await this.#pollOld(session, position, isFirst)) ?? (await this.#poll(session, position, isFirst))
    session.seenAtMs = context.now()
    return polled
  }

  async #poll(session: LongpollSession, position: string, isFirst: boolean): Promise<Result<PollAnswer, RigelError>> {
    const { lifecycle, log } = this.#parts
    const seq = log.resumable(position)
    // Its client is past what it was to get from its old shard.
    const { pinned } = session.state
    if (pinned !== null && pinned !== position) lifecycle.update(session, { pinned: null })
    const mark = isFirst ? null : (parsePosition(position)?.mark ?? '')
    return session.poll({ seq: seq ?? log.committedSeq, mark }, seq !== undefined)
  }

  /** Undefined: the position is not of the client's old shard. */
  async #pollOld(
    session: LongpollSession,
    text: string,
    isFirst: boolean,
  ): Promise<Result<PollAnswer, RigelError> | undefined> {
    const { log, shardMap } = this.#parts
    const position = parsePosition(text)
    if (position === undefined || log.isOwn(position)) return undefined
    if (!(await shardMap.canResumeFrom(shardOfPosition(position), session.state.owner.user))) return undefined
    try {
      const answer = await session.pollOld(position, isFirst)
      return answer === undefined ? undefined : ok(answer)
    } catch (error) {
      logIncident('the old shard of a client did not answer', {}, { error: String(error) })
      return fail({ kind: 'unavailable', message: 'Temporarily unavailable, come back.' })
    }
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

  #create(state: ConnectionState, stored: readonly SessionEvent[], hasPolled: boolean): LongpollSession {
    const parts = this.#parts
    const count = (bytes: number) => parts.connections.count(bytes)
    const ownEvents = new SessionEvents(state.id, this.#events, () => parts.advanceLog(), stored, count)
    const onRemoved = () => {
      this.#parts.tokenless.ended(state)
      this.#sessions.delete(state.id)
    }
    const session = new LongpollSession(state, this.#parts, ownEvents, onRemoved, hasPolled)
    this.#sessions.set(state.id, session)
    return session
  }
}
