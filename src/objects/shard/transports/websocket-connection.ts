// A WebSocket connection: RIG's plain frames, one event each, or `rigel.v1`, whose acknowledgements are a window. It goes on
// after hibernation from its stored state and the socket's attachment.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import type { DeliveryGroup } from '../../../core/delivery/delivery-groups.ts'
import type { Filter } from '../../../core/subscriptions/filter.ts'
import { parsePosition } from '../../../core/identity/position.ts'
import type { RigelError } from '../../../core/errors.ts'
import { BaseConnection } from '../connections/connection.ts'
import { filterOf, positionVariantOf, type ConnectionState } from '../connections/connection-state.ts'
import type { OldShardReplay } from '../old-shard/old-shard-replay.ts'
import { OldShardReplayer } from '../old-shard/old-shard-replayer.ts'
import { createReplayTarget } from '../old-shard/replay-target.ts'
import { readNextChunk, type DeliveredRange } from '../log/replay.ts'
import { envelope, heartbeat, type SystemEvent } from '../system-events.ts'
import { encodeEventsFrame, encodePositionFrame, encodeSystemEventFrame } from './rigel-v1.ts'
import { toFilter } from '../../../rpc/moved-history.ts'
import { ReplayPump } from './replay-pump.ts'
import type { TableReader } from '../tables/table-reader.ts'
import type { PositionOf } from './stream-encoding.ts'
import { SocketWriter, type SocketOwner } from './socket.ts'
import type { SocketRecord } from './socket-record.ts'
import type { TransportParts } from './transport.ts'

export class WebSocketConnection extends BaseConnection implements SocketOwner {
  readonly #parts: TransportParts
  readonly #record: SocketRecord
  readonly #writer: SocketWriter
  /** These three are made when they are first needed: a shard that wakes makes thousands of connections. */
  #pump: ReplayPump | undefined
  #oldShardReplayer: OldShardReplayer | undefined
  readonly #onRemoved: (connection: WebSocketConnection) => void
  /** Tables that are sent once everything before has been. Lost in hibernation, after which they are read anew. */
  #tables: TableReader | undefined
  /** Lost in hibernation: if the window is closed during a rewind then, the client gets events that were sent before once more. */
  #delivered: DeliveredRange | undefined
  /** `rigel.v1`: frames that are not acknowledged, oldest first. Lost in hibernation, which opens the window anew. */
  #unacknowledged: { readonly seq: number; readonly size: number }[] | undefined
  #unacknowledgedSize = 0
  /** The client has handled everything up to here. Lost in hibernation: then it is where the connection began. */
  #acknowledgedSeq: number
  /** Size of the events that passed the filter since the window closed. They wait in the log. */
  #waitingSize = 0

  constructor(
    socket: WebSocket,
    record: SocketRecord,
    state: ConnectionState,
    parts: TransportParts,
    onRemoved: (connection: WebSocketConnection) => void,
  ) {
    super(state, filterOf(state, parts.context.config.typeRules))
    this.#parts = parts
    this.#record = record
    this.#acknowledgedSeq = state.startSeq
    this.#onRemoved = onRemoved
    this.#writer = new SocketWriter(socket, this.#limitBytes, parts.buffers, this)
  }

  onSlow(): void {
    this.#cut()
  }

  onClosing(): void {
    this.#parts.lifecycle.remove(this)
  }

  get isRigelV1(): boolean {
    return this.#record.protocol === 'rigel.v1'
  }

  /** What a check service is asked with: see `keptAuthorization`. */
  get authorization(): string | null | undefined {
    return this.#record.authorization
  }

  override keepAuthorization(authorization: string | null | undefined): void {
    this.#record.setAuthorization(authorization)
  }

  get bufferedBytes(): number {
    return this.#writer.bufferedBytes
  }

  get progress() {
    const writtenSeq = this.#record.behindSeq ?? this.#parts.log.committedSeq
    return { writtenSeq, acknowledgedSeq: this.isRigelV1 ? this.#acknowledgedSeq : null }
  }

  /** Everything up to here has been sent. */
  get position(): string {
    return this.#positionOf(this.progress.writtenSeq)
  }

  get #isReplayingOldShard(): boolean {
    return this.#oldShardReplayer?.isActive ?? false
  }

  get #limitBytes(): number {
    return this.#parts.context.config.connections.waitingBytes
  }

  get #isWindowClosed(): boolean {
    return this.#unacknowledgedSize > this.#limitBytes
  }

  deliver(group: DeliveryGroup): void {
    if (this.#record.behindSeq !== null) return this.#wait(group.size)
    if (!this.isRigelV1) return this.#sendPlain(group.events)
    const key = `rigel.v1 ${positionVariantOf(this.state, this.#parts.context.now)}`
    const frame = group.encode(key, (events) => encodeEventsFrame(events, this.#position))
    this.#sendWithinWindow(frame, group.events.at(-1)?.seq ?? 0)
  }

  rewind(seq: number, before: Filter): void {
    this.#delivered = { filter: before, untilSeq: this.#record.behindSeq ?? this.#parts.log.committedSeq }
    this.#record.setBehind(seq)
    this.replay()
  }

  /** Nothing of this shard's log is sent meanwhile: the connection is behind. */
  replayOldShard(replay: OldShardReplay): void {
    const seq = this.#record.behindSeq ?? this.#parts.log.committedSeq
    this.#record.setBehind(seq)
    this.#oldShardReplayer ??= this.#createReplayer()
    this.#oldShardReplayer.start(replay, seq)
  }

  #oldShardReplayed(seq: number, { delivered, isLate }: OldShardReplay): void {
    if (!isLate) this.#record.setBehind(seq)
    else if (delivered !== null) this.#delivered = { filter: toFilter(delivered.filter), untilSeq: seq, others: true }
    this.replay()
  }

  /** A client does not acknowledge positions of another log: these frames do not count for the window. */
  #sendMissed(events: readonly StoredEvent[], position: PositionOf): void {
    if (this.isRigelV1) this.#writer.send(encodeEventsFrame(events, position))
    else this.#sendPlain(events)
  }

  readTables(reader: TableReader): void {
    this.#tables = reader
    this.replay()
  }

  send(event: SystemEvent): void {
    const seq = this.#record.behindSeq ?? this.#parts.log.committedSeq
    this.#writer.send(this.isRigelV1 ? encodeSystemEventFrame(event, this.#positionOf(seq)) : event.json)
  }

  /** Sends a frame of the subprotocol that is no event. */
  sendFrame(frame: string): void {
    this.#writer.send(frame)
  }

  override sendPosition(): void {
    if (this.isRigelV1 && this.#record.behindSeq === null) this.probe()
  }

  /** Sends a heartbeat that has the connection's position. */
  override probe(): void {
    const { position } = this
    const event = heartbeat(envelope(this.#parts.context), position)
    this.#writer.send(this.isRigelV1 ? encodePositionFrame(position) : event.json)
  }

  /** Sends history in steps until the end of the log, or until the window is closed. Does nothing on a live connection. */
  replay(): void {
    const hasAll = this.#record.behindSeq === null && this.#tables === undefined
    if (hasAll || this.#isReplayingOldShard) return
    this.#pump ??= this.#createPump()
    this.#pump.run()
  }

  /** The client has handled everything up to this position. A position that is not of this log changes nothing. */
  acknowledge(id: string): void {
    const position = parsePosition(id)
    if (position === undefined || !this.#parts.log.owns(position)) return
    this.#acknowledgedSeq = Math.max(this.#acknowledgedSeq, position.seq)
    const unacknowledged = this.#unacknowledged ?? []
    while (unacknowledged[0] !== undefined && unacknowledged[0].seq <= position.seq) {
      this.#unacknowledgedSize -= unacknowledged.shift()?.size ?? 0
    }
    this.replay()
  }

  end(reason: RigelError): void {
    this.#writer.close(reason)
  }

  override save(): void {
    this.#record.save(this.state)
  }

  removed(): void {
    this.#pump?.stop()
    this.#oldShardReplayer?.stop()
    this.#record.delete()
    this.#onRemoved(this)
  }

  #createPump(): ReplayPump {
    return new ReplayPump({
      bufferedBytes: () => this.bufferedBytes,
      step: () => this.#replayStep(),
      onStalled: () => this.#cut(),
      after: (ms, act) => this.#parts.timers.after(ms, act),
    })
  }

  #createReplayer(): OldShardReplayer {
    const target = createReplayTarget(this, this.#parts, {
      write: (events, position) => this.#sendMissed(events, position),
      done: (seq, replay) => this.#oldShardReplayed(seq, replay),
    })
    return new OldShardReplayer(this.#parts.oldShards, target)
  }

  #positionOf(seq: number): string {
    return this.#parts.lifecycle.positionFor(this.state, seq)
  }

  /** A function, made when it is needed. */
  get #position(): PositionOf {
    return (seq) => this.#positionOf(seq)
  }

  /** Returns whether there is more to send now. */
  #replayStep(): boolean {
    if (this.#isWindowClosed || this.#isReplayingOldShard) return false
    if (this.#sendTables()) return true
    if (this.#record.behindSeq === null) return false
    const chunk = readNextChunk(this.#parts.log, this.filter, this.#record.behindSeq, this.#delivered)
    if (chunk.kind === 'trimmed') {
      this.#cut()
      return false
    }
    this.#sendHistory(chunk.events)
    if (chunk.atEnd) this.#waitingSize = 0
    this.#record.setBehind(chunk.atEnd ? null : chunk.seq)
    return !chunk.atEnd || this.#tables !== undefined
  }

  /** Returns whether something was sent. What comes meanwhile waits in the log. */
  #sendTables(): boolean {
    const reader = this.#tables
    const isNext = reader !== undefined && (this.#record.behindSeq === null || reader.untilSeq !== undefined)
    if (!isNext) return false
    const seq = this.#record.behindSeq ?? this.#parts.log.committedSeq
    this.#record.setBehind(seq)
    if (reader.untilSeq === undefined) reader.begin(seq)
    const events = reader.next(this.filter)
    if (events !== undefined) this.#sendRows(events, seq)
    else {
      this.#tables = undefined
      for (const { event } of this.#parts.tables.finish(this, reader)) this.send(event)
    }
    return true
  }

  #sendRows(events: readonly StoredEvent[], seq: number): void {
    if (events.length === 0) return
    if (!this.isRigelV1) return this.#sendPlain(events)
    const position = this.#position(seq)
    const frame = encodeEventsFrame(events, () => position)
    this.#countUnacknowledged(frame.length, seq)
    this.#writer.send(frame)
  }

  #sendHistory(events: readonly StoredEvent[]): void {
    const last = events.at(-1)
    if (last === undefined) return
    if (!this.isRigelV1) return this.#sendPlain(events)
    const frame = encodeEventsFrame(events, this.#position)
    this.#countUnacknowledged(frame.length, last.seq)
    this.#writer.send(frame)
  }

  #sendPlain(events: readonly StoredEvent[]): void {
    for (const event of events) this.#writer.send(event.json)
  }

  #sendWithinWindow(frame: string, seq: number): void {
    this.#countUnacknowledged(frame.length, seq)
    this.#writer.send(frame)
    if (this.#isWindowClosed) this.#record.setBehind(this.#parts.log.committedSeq)
  }

  #countUnacknowledged(size: number, seq: number): void {
    if (!this.isRigelV1) return
    this.#unacknowledged ??= []
    this.#unacknowledged.push({ seq, size })
    this.#unacknowledgedSize += size
  }

  /** A window that stays closed while as much again has come is a reader that is too slow. */
  #wait(size: number): void {
    if (!this.#isWindowClosed) return
    this.#waitingSize += size
    if (this.#waitingSize > this.#limitBytes) this.#cut()
  }

  #cut(): void {
    this.#parts.lifecycle.end(this, { kind: 'slow_reader', limitBytes: this.#limitBytes })
  }
}
