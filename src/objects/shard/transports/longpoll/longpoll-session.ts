// A long-polling session: the client sends its position with each poll, so the shard keeps nothing per poll. A poll reads the
// log from there; if there is no event, it waits for the next one that passes the filter, or for its timeout. Rigel's own
// events for the session are kept beside the log, so that one client's actions take no space from other events.
import type { ConnectionProgress } from '../../../../core/explain/explain-connection.ts'
import type { Filter } from '../../../../core/subscriptions/filter.ts'
import type { RigelError } from '../../../../core/errors.ts'
import { fail, ok, type Result } from '../../../../core/result.ts'
import type { PollAnswer } from '../../../../rpc/shard.ts'
import { BaseConnection } from '../../connections/connection.ts'
import { filterOf, type ConnectionState } from '../../connections/connection-state.ts'
import { markOf, tablesFor } from '../../connections/table-view.ts'
import type { TableReader } from '../../tables/table-reader.ts'
import type { OldShardReplay } from '../../old-shard/old-shard-replay.ts'
import type { Position } from '../../../../core/identity/position.ts'
import type { SystemEvent } from '../../system-events.ts'
import { MAX_RESPONSE_CHARS, PollReader, type Rewind } from './poll-reader.ts'
import type { SessionEvents } from './session-events.ts'
import type { TransportParts } from '../transport.ts'
import { TablePages, type PollPlace } from './table-pages.ts'
import { WaitingPolls } from './waiting-polls.ts'

/** A client that still polls is back within this time after a response. */
const MAX_PAUSE_MS = 30_000

export class LongpollSession extends BaseConnection {
  /** When the client was last heard of, in milliseconds since the epoch. */
  seenAtMs: number
  /** The client has polled since the session was opened or restored. */
  hasPolled: boolean
  readonly bufferedBytes = 0
  /** The client polled from here, and has everything up to here. */
  #polledSeq: number
  readonly #parts: TransportParts
  readonly #ownEvents: SessionEvents
  readonly #reader: PollReader
  readonly #onRemoved: () => void
  readonly #waiting: WaitingPolls
  /** Tables that are sent when the client has everything before. */
  #tables: TablePages | undefined
  /** Kept until the client polls from after it: a response may be lost on its way. */
  #rewind: Rewind | undefined
  /** What the client missed at its old shard, of subscriptions that it made since. Kept like `#rewind`. */
  #late: { readonly replay: OldShardReplay; readonly atSeq: number } | undefined

  constructor(
    state: ConnectionState,
    parts: TransportParts,
    ownEvents: SessionEvents,
    onRemoved: () => void,
    hasPolled: boolean,
  ) {
    super(state, filterOf(state, parts.context.config.typeRules))
    this.hasPolled = hasPolled
    this.#polledSeq = state.startSeq
    this.#parts = parts
    this.#waiting = new WaitingPolls(parts.timers, parts.context.config.connections.longpollingWaitMs)
    this.#ownEvents = ownEvents
    this.#reader = new PollReader(this, parts, ownEvents, () => this.#sendTablesAnew())
    this.#onRemoved = onRemoved
    this.seenAtMs = parts.context.now()
  }

  get progress(): ConnectionProgress {
    return {
      writtenSeq: Math.max(this.#polledSeq, this.#reader.answeredSeq),
      acknowledgedSeq: this.#polledSeq,
      needsPoll: true,
    }
  }

  get isPolled(): boolean {
    return this.#waiting.size > 0
  }

  /** `recovered`: what to tell the client. */
  async poll(from: PollPlace, recovered: boolean): Promise<Result<PollAnswer, RigelError>> {
    const { seq } = from
    if (!recovered) this.#sendTablesAnew()
    // A response to be read again has to reach the event that tells of the change, which may not be committed yet.
    if (this.#late !== undefined || this.#rewind !== undefined) await this.#parts.log.settle()
    this.#polledSeq = seq
    const late = this.#late
    if (late !== undefined && seq <= late.atSeq) return ok(await this.#reader.readLate(seq, recovered, late.replay))
    this.#late = undefined
    const rewind = this.#rewind
    if (rewind !== undefined && seq <= rewind.atSeq) return ok(this.#reader.readAgain(seq, recovered, rewind))
    this.#rewind = undefined
    const page = this.#tablePageFor(from)
    if (page !== undefined) return ok({ ...page, recovered })
    const found = this.#reader.read(seq, recovered)
    if (found.events.length > 0 || !recovered) return ok(found)
    const first = this.#tables?.next(from)
    if (first !== undefined) return ok(first)
    const reason = await this.#waiting.wait()
    if (reason !== null) return fail(reason)
    const later = this.#reader.read(seq, recovered)
    // The next poll reads the log again: a table must not come before the events that it has newer rows of.
    const mayHaveTables = later.events.length === 0 && this.#rewind === undefined && this.#late === undefined
    return ok((mayHaveTables ? this.#tables?.next(from) : undefined) ?? later)
  }

  readTables(reader: TableReader): void {
    this.#tables = new TablePages(reader, {
      maxChars: MAX_RESPONSE_CHARS,
      committedSeq: () => this.#parts.log.committedSeq,
      filter: () => this.filter,
      position: (seq) => this.#reader.position(seq),
    })
    this.#waiting.wakeAll(null)
  }

  /** Returns the page of the tables that the client gets before anything else. One that has lost its place is sent all tables anew. */
  #tablePageFor(from: PollPlace): PollAnswer | undefined {
    const { state } = this
    if (state.tables === undefined) return undefined
    const page = this.#tables?.pageFor(from)
    if (page !== undefined) return page
    const hasBegun = this.#tables?.hasBegun === true
    if (hasBegun) this.#tables = undefined
    const hasAll = from.mark === null || from.mark === markOf(state)
    if (!hasAll && this.#tables === undefined) this.#sendTablesAnew()
    return undefined
  }

  /** After a gap, too: changes and removals may be missing. */
  #sendTablesAnew(): void {
    const { subscriptions, tables } = this.state
    if (tables === undefined) return
    this.#parts.lifecycle.update(this, { tables: tablesFor(subscriptions, false) })
    this.#parts.tables.serveSoon(this)
  }

  /** Rigel's own events have a sequence number of the log: they are in order with all others. */
  override hasBeenSent(seq: number): boolean {
    return seq <= this.#parts.log.committedSeq
  }

  deliver(): void {
    this.#waiting.wakeAll(null)
  }

  /** The client has the position: its next poll reads from `seq`. */
  rewind(seq: number, before: Filter): void {
    this.#rewind = { seq, before, atSeq: this.#parts.log.committedSeq }
    this.#waiting.wakeAll(null)
  }

  /** What it missed first is read by the first poll, from the client's position. */
  replayOldShard(replay: OldShardReplay): void {
    if (!replay.isLate) return
    this.#late = { replay, atSeq: this.#parts.log.committedSeq }
    this.#waiting.wakeAll(null)
  }

  /** A poll from a position of the client's old shard. Undefined: there would be a gap. Rejects if that does not answer. */
  pollOld(position: Position, isFirst: boolean): Promise<PollAnswer | undefined> {
    return this.#reader.readOld(position, isFirst)
  }

  send(event: SystemEvent): void {
    this.greet([event])
  }

  override greet(events: readonly SystemEvent[]): void {
    this.#ownEvents.add(events)
    this.#parts.context.background(this.#parts.log.settle().then(() => this.#waiting.wakeAll(null)))
  }

  /** A session that is not polled may have been replaced by a reload. If it is ended by mistake, its client opens a new one. */
  override probe(): void {
    const { longpollingWaitMs } = this.#parts.context.config.connections
    const isSilent = this.#parts.context.now() - this.seenAtMs > longpollingWaitMs + MAX_PAUSE_MS
    if (!this.isPolled && isSilent) this.#parts.lifecycle.remove(this)
  }

  end(reason: RigelError): void {
    this.#waiting.wakeAll(reason)
  }

  override save(): void {
    this.#parts.store.put(this.state)
  }

  removed(): void {
    this.#waiting.wakeAll({ kind: 'connection_gone' })
    this.#parts.store.delete(this.state.id)
    this.#ownEvents.delete()
    this.#onRemoved()
  }
}
