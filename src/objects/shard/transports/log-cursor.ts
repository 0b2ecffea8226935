// How far one connection has been sent its shard's log, and what it is sent next: what it missed at its old shard, then
// history, then its tables. A connection that has all of it is live: it is sent each event when it is committed. The
// connections of streams and WebSockets have one each, and only frame and write. A Phoenix connection has such a place for
// each of its channels, a long-polling session gets one with each poll.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import type { Filter } from '../../../core/subscriptions/filter.ts'
import { toFilter } from '../../../rpc/moved-history.ts'
import type { Connection } from '../connections/connection.ts'
import { readNextChunk, type DeliveredRange } from '../log/replay.ts'
import type { OldShardReplay } from '../old-shard/old-shard-replay.ts'
import { OldShardReplayer } from '../old-shard/old-shard-replayer.ts'
import { createReplayTarget } from '../old-shard/replay-target.ts'
import type { TableReader } from '../tables/table-reader.ts'
import type { PositionOf } from './stream-encoding.ts'
import type { TransportParts } from './transport.ts'

/** What is kept of a cursor: in memory, or where it survives hibernation. */
export interface CursorPlace {
  /** Everything up to here has been sent. Null if the connection is live: every committed event has been. */
  behindSeq: number | null
}

/** What a connection is sent next. */
interface NextEvents {
  readonly kind: 'events'
  /** There may be none. */
  readonly events: readonly StoredEvent[]
  readonly position: PositionOf
  /** The sequence number of the last position. */
  readonly lastSeq: number
}

/** A connection that the events of an old shard are written to as they arrive. */
export interface MovedReader extends Connection {
  /** The positions are of the old shard's log. */
  writeMissed(events: readonly StoredEvent[], position: PositionOf): void
  /** There is more to send now. */
  readOn(): void
}

const NOTHING = { kind: 'nothing' } as const
const TRIMMED = { kind: 'trimmed' } as const

export class LogCursor {
  readonly #connection: MovedReader
  readonly #place: CursorPlace
  readonly #parts: TransportParts
  /**
   * Lost in hibernation: if a `rigel.v1` window is closed during a rewind then, the client gets events that were sent before
   * once more.
   */
  #delivered: DeliveredRange | undefined
  /** Tables that are sent once everything before has been. Lost in hibernation, after which they are read anew. */
  #tables: TableReader | undefined
  /** Made when it is first needed: few clients come from another shard. */
  #oldShardReplayer: OldShardReplayer | undefined

  constructor(connection: MovedReader, place: CursorPlace, parts: TransportParts) {
    this.#connection = connection
    this.#place = place
    this.#parts = parts
  }

  get isLive(): boolean {
    return this.#place.behindSeq === null
  }

  /** Everything up to here has been sent. */
  get writtenSeq(): number {
    return this.#place.behindSeq ?? this.#parts.log.committedSeq
  }

  /** What its client resumes from, if it drops now. */
  get position(): string {
    return this.#positionAt(this.writtenSeq)
  }

  /** A function, made when it is needed. */
  get positionOf(): PositionOf {
    return (seq) => this.#positionAt(seq)
  }

  /** Whether `next` has something. */
  get hasNext(): boolean {
    return (!this.isLive || this.#tables !== undefined) && this.#oldShardReplayer?.isActive !== true
  }

  /** What comes meanwhile waits in the log. `trimmed`: retention has overtaken the connection. */
  next(): NextEvents | typeof NOTHING | typeof TRIMMED {
    if (!this.hasNext) return NOTHING
    const tables = this.#tables
    if (tables !== undefined && (this.isLive || tables.untilSeq !== undefined)) return this.#nextOfTables(tables)
    const chunk = readNextChunk(this.#parts.log, this.#connection.filter, this.writtenSeq, this.#delivered)
    if (chunk.kind === 'trimmed') return TRIMMED
    // Before they are written: a stream asks for more events while it is written to.
    this.#place.behindSeq = chunk.atEnd ? null : chunk.seq
    const { events, seq } = chunk
    return { kind: 'events', events, position: this.positionOf, lastSeq: events.at(-1)?.seq ?? seq }
  }

  /** Goes back to `seq`, for events that did not pass the filter `before`. */
  rewind(seq: number, before: Filter): void {
    this.#delivered = { filter: before, untilSeq: this.writtenSeq }
    this.#place.behindSeq = seq
  }

  setTables(reader: TableReader): void {
    this.#tables = reader
  }

  /** Has the connection written what it missed at its old shard. Nothing of this shard's log is sent meanwhile. */
  replayOldShard(replay: OldShardReplay): void {
    const seq = this.writtenSeq
    this.#place.behindSeq = seq
    this.#oldShardReplayer ??= this.#createReplayer()
    this.#oldShardReplayer.start(replay, seq)
  }

  stop(): void {
    this.#oldShardReplayer?.stop()
  }

  /** The events of one step have one position: until all rows have been sent, its client resumes from before the tables. */
  #nextOfTables(tables: TableReader): NextEvents {
    const seq = this.writtenSeq
    this.#place.behindSeq = seq
    tables.begin(seq)
    const events = tables.next(this.#connection.filter).flatMap((part) => part.events)
    if (tables.isRead) this.#tables = undefined
    const position = this.#positionAt(seq)
    return { kind: 'events', events, position: () => position, lastSeq: seq }
  }

  #createReplayer(): OldShardReplayer {
    const target = createReplayTarget(this.#connection, this.#parts, {
      write: (events, position) => this.#connection.writeMissed(events, position),
      done: (seq, replay) => this.#oldShardReplayed(seq, replay),
    })
    return new OldShardReplayer(this.#parts.oldShards, target)
  }

  #oldShardReplayed(seq: number, { delivered, isLate }: OldShardReplay): void {
    if (!isLate) this.#place.behindSeq = seq
    else if (delivered !== null) this.#delivered = { filter: toFilter(delivered.filter), untilSeq: seq, others: true }
    this.#connection.readOn()
    // It may have missed nothing, and nothing may come: its client must not keep a position of the old log, which ends.
    this.#connection.sendPosition()
  }

  #positionAt(seq: number): string {
    return this.#parts.positions.of(this.#connection.state, seq)
  }
}
