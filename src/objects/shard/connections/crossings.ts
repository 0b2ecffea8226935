// The new shard's side of a client that comes with a position of its old shard: it first gets what the old shard's log
// has after its position, with positions of that log; then what this log has beyond it, which is at most the batch
// under way of each topic-partition (core/shard-map/routing.ts says why); then it reads on here. Used by the
// transports.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import type { RigelError } from '../../../core/errors.ts'
import { shardOfPosition, withOpenBefore, type LogPlace } from '../../../core/identity/position.ts'
import type { SeenRange, SeenRanges } from '../../../core/shard-map/coverage.ts'
import { matchesFilter } from '../../../core/subscriptions/filter.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import {
  toFilter,
  type FilterSpec,
  type MovedDelivered,
  type MovedPosition,
  type SeenPlace,
} from '../../../rpc/moved-history.ts'
import { shardStub } from '../../../rpc/shard.ts'
import type { CommittedLog } from '../log/committed-log.ts'
import type { ShardLogEnd, LogStore } from '../log/log-store.ts'
import type { Waits } from '../waits.ts'
import type { ShardContext } from '../shard-context.ts'
import type { ConnectionLifecycle } from './connection-lifecycle.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import type { Connection } from './connection.ts'
import type { Crossing } from './crossing.ts'
import { specOf } from './crossing-plan.ts'

/** The next chunk is requested only while at most this many bytes wait for the client. */
const HIGH_WATER_MARK_BYTES = 131_072
const LOOK_AGAIN_MS = 10
const STALLED_AFTER_MS = 30_000

/** The old log has been read to its end. */
interface OldLogEnd {
  /** What it had stored then. */
  readonly seen: SeenRanges
  /** The end of this log before the old shard was asked. */
  readonly before: ShardLogEnd
}

type CrossingChunk =
  | {
      readonly kind: 'events'
      readonly events: readonly StoredEvent[]
      readonly seq: number
      /** Null: the old log has more. */
      readonly atEnd: OldLogEnd | null
    }
  | { readonly kind: 'trimmed' }

/** The end of a crossing: what this log has beyond the old one, and from where on the client reads here. */
interface CrossingEnd {
  readonly events: readonly StoredEvent[]
  readonly seq: number
}

/** How a connection takes what comes from its old shard. */
export interface CrossingTarget {
  filter(): FilterSpec
  bufferedBytes(): number
  /** A late crossing begins: the connection has everything up to `seq` of this log. */
  pin(seq: number, crossing: Crossing): void
  write(events: readonly StoredEvent[], position: (seq: number) => string): void
  /** Everything up to this place of the old log has been written. */
  reached(place: LogPlace, crossing: Crossing): void
  /** Returns the position of a place in the old log, as the client gets it. */
  oldPosition(place: LogPlace, crossing: Crossing): string
  /** Returns the position of a sequence number of this log. */
  position(seq: number): string
  /** Everything up to `seq` of this log has been written, too. */
  done(seq: number, crossing: Crossing): void
  failed(reason: RigelError): void
}

export class Crossings {
  readonly #context: Pick<ShardContext, 'env'>
  readonly #log: CommittedLog
  readonly #store: LogStore
  readonly #waits: Waits

  constructor(context: Pick<ShardContext, 'env'>, log: CommittedLog, store: LogStore, waits: Waits) {
    this.#waits = waits
    this.#context = context
    this.#log = log
    this.#store = store
  }

  /** Null: the position is too old, or of a log that is gone. Rejects if the old shard does not answer. */
  find(place: LogPlace, position: string, subscriptions: readonly Subscription[]): Promise<MovedPosition | null> {
    return shardStub(this.#context.env, shardOfPosition(place)).findMovedPosition(position, subscriptions)
  }

  /** Returns the next events of the old log. Rejects if the old shard does not answer. */
  async next(from: LogPlace, filter: FilterSpec, delivered: MovedDelivered | null): Promise<CrossingChunk> {
    const before = this.#store.end
    const chunk = await shardStub(this.#context.env, shardOfPosition(from)).readMoved({ from, filter, delivered })
    if (chunk.kind === 'trimmed') return chunk
    const { events, seen, seq } = chunk
    return { kind: 'events', events, seq, atEnd: seen === null ? null : { seen: toRanges(seen), before } }
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#waits.after(ms, resolve))
  }

  /**
   * To be called when the old log has been read to its end. Nothing may be awaited between its result and reading on.
   */
  async end(reached: OldLogEnd, filter: FilterSpec, delivered: MovedDelivered | null): Promise<CrossingEnd> {
    await this.#log.settle()
    const seq = this.#log.committedSeq
    const wanted = toFilter(filter)
    const given = delivered?.untilSeq === Infinity ? toFilter(delivered.filter) : null
    const events = this.#store
      .readUncovered(reached.seen, reached.before)
      .filter((event) => event.seq <= seq && matchesFilter(wanted, event))
      .filter((event) => given === null || !matchesFilter(given, event))
    return { events, seq }
  }
}

function toRanges(seen: readonly SeenPlace[]): SeenRanges {
  return Object.fromEntries(
    seen.map(({ key, generation, nextOffset }): [string, SeenRange] => [key, [generation, nextOffset]]),
  )
}

/** Brings one connection across, in steps. */
export class CrossingReader {
  readonly #crossings: Crossings
  readonly #target: CrossingTarget
  /** The crossing under way. */
  #current: Crossing | null = null
  /** The old log has been sent up to here. */
  #sentSeq = 0

  constructor(crossings: Crossings, target: CrossingTarget) {
    this.#crossings = crossings
    this.#target = target
  }

  get isActive(): boolean {
    return this.#current !== null
  }

  /**
   * A crossing that is wanted during another one takes its place, without what the other has sent. `seq`: the
   * connection has everything up to there of this log.
   */
  start(wanted: Crossing, seq: number): void {
    const current = this.#current
    const crossing =
      current === null || current.isLate || wanted.delivered === null
        ? wanted
        : { ...wanted, delivered: { ...wanted.delivered, untilSeq: this.#sentSeq }, isLate: false }
    this.#current = crossing
    if (crossing.isLate) this.#target.pin(seq, crossing)
    this.#sentSeq = crossing.from.seq
    void this.#run(crossing)
  }

  stop(): void {
    this.#current = null
  }

  async #run(crossing: Crossing): Promise<void> {
    try {
      await this.#readOld(crossing)
    } catch (error) {
      console.warn({ message: 'the old shard of a client did not answer', error: String(error) })
      this.#fail(crossing, { kind: 'unavailable', message: 'Temporarily unavailable, come back.' })
    }
  }

  async #readOld(crossing: Crossing): Promise<void> {
    const { delivered } = crossing
    let { from } = crossing
    for (;;) {
      const filter = this.#target.filter()
      const chunk = await this.#crossings.next(from, filter, delivered)
      if (this.#current !== crossing) return
      // The client reconnects, and is then told of the gap.
      if (chunk.kind === 'trimmed') return this.#fail(crossing, { kind: 'moved' })
      const { epoch } = from
      const position = (seq: number) => this.#target.oldPosition({ epoch, seq }, crossing)
      if (chunk.events.length > 0) this.#target.write(chunk.events, position)
      from = { epoch, seq: chunk.seq }
      this.#sentSeq = chunk.seq
      this.#target.reached(from, crossing)
      if (chunk.atEnd !== null) return this.#finish(crossing, from, chunk.atEnd)
      if (!(await this.#hasRoom(crossing))) return
    }
  }

  async #finish(crossing: Crossing, reached: LogPlace, atEnd: OldLogEnd): Promise<void> {
    const { events, seq } = await this.#crossings.end(atEnd, this.#target.filter(), crossing.delivered)
    if (this.#current !== crossing) return
    const last = events.at(-1)?.seq
    const old = this.#target.oldPosition(reached, crossing)
    if (events.length > 0) this.#target.write(events, (at) => (at === last ? this.#target.position(seq) : old))
    // Only after `write`: a stream asks for more events while it is written to, and must not read this log yet.
    this.#current = null
    this.#target.done(seq, crossing)
  }

  async #hasRoom(crossing: Crossing): Promise<boolean> {
    for (let waitedMs = 0; this.#target.bufferedBytes() >= HIGH_WATER_MARK_BYTES; waitedMs += LOOK_AGAIN_MS) {
      if (waitedMs >= STALLED_AFTER_MS) this.#fail(crossing, { kind: 'moved' })
      await this.#crossings.wait(LOOK_AGAIN_MS)
      if (this.#current !== crossing) return false
    }
    return true
  }

  #fail(crossing: Crossing, reason: RigelError): void {
    if (this.#current !== crossing) return
    this.#current = null
    this.#target.failed(reason)
  }
}

interface CrossingParts {
  readonly connections: ConnectionRegistry
  readonly lifecycle: ConnectionLifecycle
  readonly log: CommittedLog
}

/** The target of a connection of any transport. `own`: how the transport writes, and where it reads on. */
export function targetOf(
  connection: Connection,
  { connections, lifecycle, log }: CrossingParts,
  own: Pick<CrossingTarget, 'write' | 'done'>,
): CrossingTarget {
  const pin = (pinned: string) => connections.update(connection, { ...connection.state, pinned })
  const oldPosition = (place: LogPlace, { isLate }: Crossing) =>
    isLate ? lifecycle.positionFor(connection.state, 0) : lifecycle.oldPositionFor(connection.state, place)
  return {
    ...own,
    filter: () => specOf(connection.state),
    bufferedBytes: () => connection.bufferedBytes,
    oldPosition,
    pin: (seq, crossing) => pin(withOpenBefore(log.position(seq), crossing.from)),
    reached: (place, crossing) => pin(oldPosition(place, crossing)),
    position: (seq) => lifecycle.positionFor({ ...connection.state, pinned: null }, seq),
    done: (seq, crossing) => {
      lifecycle.update(connection, { pinned: null })
      own.done(seq, crossing)
    },
    failed: (reason) => lifecycle.end(connection, reason),
  }
}
