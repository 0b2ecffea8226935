// Reads what a poll of a long-polling session is answered with: from the shard's log, from that of its client's old shard, and
// Rigel's own events of the session. Used by longpoll-session.ts, which decides what is read.
import type { Position } from '../../../../core/identity/position.ts'
import type { Filter } from '../../../../core/subscriptions/filter.ts'
import { toFilter } from '../../../../rpc/moved-history.ts'
import type { PollAnswer } from '../../../../rpc/shard.ts'
import type { Connection } from '../../connections/connection.ts'
import { readNextChunk, type DeliveredRange } from '../../log/replay.ts'
import type { OldShardReplay } from '../../old-shard/old-shard-replay.ts'
import { planReplay, specOf } from '../../old-shard/plan-replay.ts'
import type { TransportParts } from '../transport.ts'
import type { SessionEvent } from './session-event-store.ts'
import type { SessionEvents } from './session-events.ts'

/** Limit of one response: a longer history comes in several. */
export const MAX_RESPONSE_CHARS = 262_144

/** Limit of a response that reads the log again: all events that a client had skipped must come in one response. */
const MAX_REWIND_CHARS = 16 * MAX_RESPONSE_CHARS

/** Polls from before `atSeq` read from `seq` on, without the events that passed the filter `before`. */
export interface Rewind {
  readonly seq: number
  readonly atSeq: number
  readonly before: Filter
}

interface Page extends Omit<PollAnswer, 'recovered'> {
  readonly seq: number
}

export class PollReader {
  readonly #session: Pick<Connection, 'filter' | 'state'>
  readonly #parts: TransportParts
  readonly #ownEvents: SessionEvents
  readonly #onGap: () => void
  /** Everything up to here was in a response. */
  #answeredSeq: number
  /** The session's own events up to here were in a response that was read from the old shard. */
  #ownSentSeq: number

  /** `onGap`: called before the client is told of a gap. */
  constructor(
    session: Pick<Connection, 'filter' | 'state'>,
    parts: TransportParts,
    ownEvents: SessionEvents,
    onGap: () => void,
  ) {
    this.#onGap = onGap
    this.#session = session
    this.#parts = parts
    this.#ownEvents = ownEvents
    this.#answeredSeq = session.state.startSeq
    this.#ownSentSeq = session.state.startSeq
  }

  get answeredSeq(): number {
    return this.#answeredSeq
  }

  /** Returns what comes after `seq`; nothing may. `recovered`: what to tell the client. */
  read(seq: number, recovered: boolean): PollAnswer {
    const { events, lastEventId } = this.#read(seq, MAX_RESPONSE_CHARS)
    return { lastEventId, events, recovered }
  }

  /** Skipped events come before later ones. If they exceed the limit, the response reports a gap. */
  readAgain(seq: number, recovered: boolean, rewind: Rewind): PollAnswer {
    const again = this.#read(rewind.seq, MAX_REWIND_CHARS, { filter: rewind.before, untilSeq: seq })
    if (again.seq <= rewind.atSeq) return this.#readBehindGap(Math.max(seq, rewind.atSeq))
    return { lastEventId: again.lastEventId, events: again.events, recovered }
  }

  /** Missed events come before later ones, in one response. If they exceed the limit, the response reports a gap. */
  async readLate(seq: number, recovered: boolean, replay: OldShardReplay): Promise<PollAnswer> {
    const { delivered } = replay
    const missed = await this.#parts.oldShards.readAll(replay, () => this.#spec, MAX_REWIND_CHARS)
    if (missed === undefined) return this.#readBehindGap(seq)
    const before =
      delivered === null ? undefined : { filter: toFilter(delivered.filter), untilSeq: missed.seq, others: true }
    const { events, lastEventId } = this.#read(seq, MAX_RESPONSE_CHARS, before)
    return { lastEventId, events: [...missed.events.map(({ json }) => json), ...events], recovered }
  }

  /** A poll from a position of the client's old shard. Undefined: there would be a gap. Rejects if that does not answer. */
  async readOld(position: Position, isFirst: boolean): Promise<PollAnswer | undefined> {
    const { oldShards, positions, log } = this.#parts
    const replay = planReplay(this.#session.state, position)
    const { delivered } = replay
    const chunk = await oldShards.next(replay, this.#spec, replay.from)
    if (chunk.kind === 'trimmed') return undefined
    const end = chunk.atEnd === null ? null : await oldShards.end(chunk.atEnd, this.#spec, delivered)
    const ownUntilSeq = end?.seq ?? log.committedSeq
    const ownFromSeq = isFirst ? this.#session.state.startSeq : this.#ownSentSeq
    const own = this.#ownEvents.between(ownFromSeq, ownUntilSeq)
    this.#ownSentSeq = ownUntilSeq
    const { epoch } = position
    // What is skipped up to the client's position is skipped by the next poll too.
    const old =
      chunk.seq < position.seq
        ? positions.ofOldShard(this.#session.state, position, chunk.seq)
        : positions.ofOldShard(this.#session.state, { epoch, seq: chunk.seq })
    const lastEventId = end === null ? old : this.position(end.seq)
    const events = [...own, ...chunk.events, ...(end?.events ?? [])].map(({ json }) => json)
    return { lastEventId, events, recovered: true }
  }

  /** The response, not the session, says where its client is. */
  position(seq: number): string {
    return this.#parts.positions.of({ ...this.#session.state, pinned: null }, seq)
  }

  #readBehindGap(seq: number): PollAnswer {
    this.#onGap()
    return this.read(seq, false)
  }

  get #spec() {
    return { ...specOf(this.#session.state), rights: this.#session.filter.rights }
  }

  #read(from: number, maxChars: number, delivered?: DeliveredRange): Page {
    const { log } = this.#parts
    const events: SessionEvent[] = []
    let seq = from
    for (let chars = 0; chars < maxChars;) {
      const chunk = readNextChunk(log, this.#session.filter, seq, delivered)
      if (chunk.kind === 'trimmed') break
      seq = chunk.seq
      events.push(...chunk.events)
      chars += chunk.events.reduce((sum, { json }) => sum + json.length, 0)
      if (chunk.atEnd) break
    }
    this.#answeredSeq = Math.max(this.#answeredSeq, seq)
    const sentSeq = delivered === undefined || delivered.others === true ? from : delivered.untilSeq
    const own = this.#ownEvents.between(sentSeq, seq)
    const all = own.length === 0 ? events : [...events, ...own].toSorted((a, b) => a.seq - b.seq)
    return { lastEventId: this.position(seq), events: all.map(({ json }) => json), seq }
  }
}
