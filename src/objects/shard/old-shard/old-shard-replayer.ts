// Sends a moved client what it missed: first what the old shard's log has after the client's position, with positions of
// that log; then what this shard's log has beyond it; then the connection reads on here. One replayer per connection, or
// per Phoenix channel. A slow client is waited for, within a limit.
import { logIncident } from '../../../telemetry/incident-log.ts'
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import type { RigelError } from '../../../core/errors.ts'
import type { LogPlace } from '../../../core/identity/position.ts'
import type { OldLogEnd, OldShardReader, OwnFilterSpec } from './old-shard-reader.ts'
import type { OldShardReplay } from './old-shard-replay.ts'

/** The next chunk is requested only while at most this many bytes wait for the client. */
const HIGH_WATER_MARK_BYTES = 131_072
const LOOK_AGAIN_MS = 10
const STALLED_AFTER_MS = 30_000

/** The connection that events of an old shard are written to. */
export interface ReplayTarget {
  filter(): OwnFilterSpec
  bufferedBytes(): number
  /** A late replay begins: the connection has everything up to `seq` of this log. */
  pin(seq: number, replay: OldShardReplay): void
  write(events: readonly StoredEvent[], position: (seq: number) => string): void
  /** Everything up to this place of the old log has been written. */
  reached(place: LogPlace, replay: OldShardReplay): void
  /** Returns the position of a place in the old log, as the client gets it. */
  oldPosition(place: LogPlace, replay: OldShardReplay): string
  /** Returns the position of a sequence number of this log. */
  position(seq: number): string
  /** Everything up to `seq` of this log has been written, too. */
  done(seq: number, replay: OldShardReplay): void
  failed(reason: RigelError): void
}

/** Replays the old shard's log to one connection, chunk by chunk. */
export class OldShardReplayer {
  readonly #oldShards: OldShardReader
  readonly #target: ReplayTarget
  /** The replay under way. */
  #current: OldShardReplay | null = null
  /** Sequence number of the old log up to which everything has been sent. */
  #sentSeq = 0

  constructor(oldShards: OldShardReader, target: ReplayTarget) {
    this.#oldShards = oldShards
    this.#target = target
  }

  get isActive(): boolean {
    return this.#current !== null
  }

  /**
   * Starts a replay. It replaces the one under way, and leaves out what that one has sent. `seq`: the connection has
   * everything up to there of this log.
   */
  start(wanted: OldShardReplay, seq: number): void {
    const current = this.#current
    const replay =
      current === null || current.isLate || wanted.delivered === null
        ? wanted
        : { ...wanted, delivered: { ...wanted.delivered, untilSeq: this.#sentSeq }, isLate: false }
    this.#current = replay
    if (replay.isLate) this.#target.pin(seq, replay)
    this.#sentSeq = replay.from.seq
    void this.#run(replay)
  }

  stop(): void {
    this.#current = null
  }

  async #run(replay: OldShardReplay): Promise<void> {
    try {
      await this.#readOld(replay)
    } catch (error) {
      logIncident('the old shard of a client did not answer', {}, { error: String(error) })
      this.#fail(replay, { kind: 'unavailable', message: 'Temporarily unavailable, come back.' })
    }
  }

  async #readOld(replay: OldShardReplay): Promise<void> {
    let { from } = replay
    for (;;) {
      const filter = this.#target.filter()
      const chunk = await this.#oldShards.next(replay, filter, from)
      if (this.#current !== replay) return
      // The client reconnects, and is then told of the gap.
      if (chunk.kind === 'trimmed') return this.#fail(replay, { kind: 'moved' })
      const { epoch } = from
      const position = (seq: number) => this.#target.oldPosition({ epoch, seq }, replay)
      if (chunk.events.length > 0) this.#target.write(chunk.events, position)
      from = { epoch, seq: chunk.seq }
      this.#sentSeq = chunk.seq
      this.#target.reached(from, replay)
      if (chunk.atEnd !== null) return this.#finish(replay, from, chunk.atEnd)
      if (!(await this.#hasRoom(replay))) return
    }
  }

  async #finish(replay: OldShardReplay, reached: LogPlace, atEnd: OldLogEnd): Promise<void> {
    const { events, seq } = await this.#oldShards.end(atEnd, this.#target.filter(), replay.delivered)
    if (this.#current !== replay) return
    const last = events.at(-1)?.seq
    const old = this.#target.oldPosition(reached, replay)
    if (events.length > 0) this.#target.write(events, (at) => (at === last ? this.#target.position(seq) : old))
    // Only after `write`: a stream asks for more events while it is written to, and must not read this log yet.
    this.#current = null
    this.#target.done(seq, replay)
  }

  async #hasRoom(replay: OldShardReplay): Promise<boolean> {
    for (let waitedMs = 0; this.#target.bufferedBytes() >= HIGH_WATER_MARK_BYTES; waitedMs += LOOK_AGAIN_MS) {
      if (waitedMs >= STALLED_AFTER_MS) this.#fail(replay, { kind: 'moved' })
      await this.#oldShards.wait(LOOK_AGAIN_MS)
      if (this.#current !== replay) return false
    }
    return true
  }

  #fail(replay: OldShardReplay, reason: RigelError): void {
    if (this.#current !== replay) return
    this.#current = null
    this.#target.failed(reason)
  }
}
