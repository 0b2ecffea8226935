// The durable part of a shard's log, and its delivery. Nothing leaves the object before storage has it. The runtime holds back
// WebSocket frames and answers by itself (output gate), also the answer that begins a stream, but not what is written to a stream
// that is open already: while there is one, the shard waits for storage itself, and appends that come during a commit share the
// next one. What is appended while a delivery to many connections is written, and for as long again, is delivered together, as one
// write a connection.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import type { AppendBatch } from '../../../core/delivery/batch-codec.ts'
import { formatPosition, parsePosition, type LogPlace, type Position } from '../../../core/identity/position.ts'
import { GroupCommit } from '../../../core/group-commit.ts'
import type { History } from './replay.ts'
import type { SystemEvent } from '../system-events.ts'
import type { LogSegment } from './log-segment.ts'
import type { LogStore } from './log-store.ts'

/** From so many connections on a delivery takes a millisecond or more: a write costs 10 to 30 µs. */
const MANY_CONNECTIONS = 50

/**
 * The pause after a delivery to n connections is at least n / CONNECTIONS_PER_MS milliseconds, also where the runtime writes
 * elsewhere, so that the shard does not notice how long it takes.
 */
const CONNECTIONS_PER_MS = 200

/** The longest pause between the writes of a delivery and the next delivery. */
const MAX_PAUSE_MS = 10

export interface CommittedLogDeps {
  /** Resolves when everything written before the call is durable. */
  sync(): Promise<void>
  /** Whether the runtime holds back what is delivered until everything written before is durable. */
  isGated(): boolean
  /** Delivers to live connections. Returns their number. */
  deliver(segments: readonly LogSegment[]): number
  /** Milliseconds since the epoch. */
  now(): number
  /** Calls `act` after `ms`. */
  schedule(ms: number, act: () => void): void
  /** Resolves in another turn of the event loop. */
  pause(): Promise<void>
}

export class CommittedLog implements History {
  readonly #log: LogStore
  readonly #deps: CommittedLogDeps
  readonly #appends: GroupCommit<readonly AppendBatch[], null>
  /**
   * Sequence number of the newest event that was delivered, and is durable or held back until it is. No client is told a
   * newer position.
   */
  #committedSeq: number
  /** Sequence number of the newest event that is durable, or held back until it is. */
  #durableSeq: number
  /** Appended and not delivered yet, in order. */
  #pending: LogSegment[] = []
  /** The soonest time of the next delivery, in milliseconds since the epoch. */
  #nextDeliveryMs = 0
  #isScheduled = false
  /** The runtime writes the frames of a delivery: it does so after the turn that sends them. */
  #isWriting = false

  constructor(log: LogStore, deps: CommittedLogDeps) {
    this.#log = log
    this.#deps = deps
    this.#committedSeq = log.head
    this.#durableSeq = log.head
    this.#appends = new GroupCommit({
      commit: (groups) => this.#commit(groups.flat(), groups.length),
      pause: () => deps.pause(),
    })
  }

  get committedSeq(): number {
    return this.#committedSeq
  }

  get floorSeq(): number {
    return this.#log.floor
  }

  /** Returns whether the place is in this log. */
  isOwn({ epoch }: LogPlace): boolean {
    return epoch === this.#log.epoch
  }

  position(seq: number): string {
    return this.#log.position(seq)
  }

  /** Returns whether the position is of this log, and written as this log writes it. */
  owns({ epoch, seq }: Position): boolean {
    return this.position(seq) === formatPosition(epoch, seq)
  }

  /** The same of a position as a client sends it; null: it sent none. */
  ownsText(text: string | null): boolean {
    const position = parsePosition(text ?? '')
    return position !== undefined && this.owns(position)
  }

  read(seq: number, maxBytes: number): readonly StoredEvent[] {
    return this.#log.read(seq, maxBytes)
  }

  /** Returns the sequence number to read on from, or undefined if there would be a gap. Nothing past its retention is replayed. */
  resumable(lastEventId: string): number | undefined {
    this.#log.trim(this.#deps.now())
    const seq = this.#log.resumable(lastEventId)
    return seq === undefined ? undefined : Math.min(seq, this.#committedSeq)
  }

  /**
   * Resolves when the events that were not stored yet are durable. They are delivered then, or soon after. Returns undefined if
   * nothing has to be waited for: the runtime then holds back the caller's answer.
   */
  append(batches: readonly AppendBatch[]): Promise<unknown> | undefined {
    if (this.#appends.isCommitting || !this.#deps.isGated()) return this.#appends.add(batches)
    this.#pending.push(...this.#log.append(batches, this.#deps.now()))
    this.#stored(this.#log.head)
    return undefined
  }

  /** Appends one of Rigel's own events. The caller settles afterwards, once for several. */
  appendOwn(connectionId: string, event: SystemEvent, nowMs: number): void {
    this.#pending.push(...this.#log.appendOwn(connectionId, event.type, event.json, nowMs))
  }

  /** Resolves when all appended events are durable and delivered. Delivery is in order, whichever caller comes first. */
  async settle(): Promise<void> {
    const upTo = this.#log.head
    if (upTo <= this.#committedSeq) return
    await this.#deps.sync()
    this.#durableSeq = Math.max(this.#durableSeq, upTo)
    this.#deliver()
  }

  async #commit(batches: readonly AppendBatch[], count: number): Promise<readonly null[]> {
    this.#pending.push(...this.#log.append(batches, this.#deps.now()))
    const upTo = this.#log.head
    // A stream that opens from now on begins with an answer, which is held back until this is durable.
    if (!this.#deps.isGated()) await this.#deps.sync()
    this.#stored(upTo)
    return Array.from({ length: count }, () => null)
  }

  /** Events up to `upTo` are durable, or held back until they are. */
  #stored(upTo: number): void {
    this.#durableSeq = Math.max(this.#durableSeq, upTo)
    this.#deliverSoon()
  }

  #deliverSoon(): void {
    if (this.#isWriting || this.#isScheduled || this.#durableSeq <= this.#committedSeq) return
    const waitMs = Math.floor(this.#nextDeliveryMs - this.#deps.now())
    if (waitMs <= 0) return this.#deliver()
    this.#isScheduled = true
    this.#deps.schedule(waitMs, () => {
      this.#isScheduled = false
      this.#deliverSoon()
    })
  }

  #deliver(): void {
    if (this.#durableSeq <= this.#committedSeq) return
    const later = this.#pending.findIndex(({ lastSeq }) => lastSeq > this.#durableSeq)
    const segments = this.#pending.splice(0, later === -1 ? this.#pending.length : later)
    this.#committedSeq = this.#durableSeq
    if (segments.length === 0) return
    const startedMs = this.#deps.now()
    const connections = this.#deps.deliver(segments)
    if (connections >= MANY_CONNECTIONS) this.#pauseAfterWrites(startedMs, connections)
  }

  /**
   * Pauses deliveries for as long as this one takes, from when it has been written: what others send comes only then, where one
   * thread writes and reads. So a busy shard spends at most half of its time on writes, and these are fewer and larger the more comes.
   */
  #pauseAfterWrites(startedMs: number, connections: number): void {
    if (this.#isWriting) return
    this.#isWriting = true
    this.#deps.schedule(0, () => {
      this.#isWriting = false
      const nowMs = this.#deps.now()
      const pauseMs = Math.max(nowMs - startedMs, connections / CONNECTIONS_PER_MS)
      this.#nextDeliveryMs = nowMs + Math.min(MAX_PAUSE_MS, pauseMs)
      this.#deliverSoon()
    })
  }
}
