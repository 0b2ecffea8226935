// A WebSocket connection: RIG's plain frames, one event each, or `rigel.v1`, whose acknowledgements are a window. It goes on
// after hibernation from its stored state and the socket's attachment.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import type { DeliveryGroup } from '../../../core/delivery/delivery-groups.ts'
import type { Filter } from '../../../core/subscriptions/filter.ts'
import { parsePosition } from '../../../core/identity/position.ts'
import type { RigelError } from '../../../core/errors.ts'
import { BaseConnection } from '../connections/connection.ts'
import { filterOf, type ConnectionState } from '../connections/connection-state.ts'
import type { OldShardReplay } from '../old-shard/old-shard-replay.ts'
import { envelope, heartbeat, type SystemEvent } from '../system-events.ts'
import type { TableReader } from '../tables/table-reader.ts'
import { LogCursor, type MovedReader } from './log-cursor.ts'
import { encodeEventsFrame, encodePositionFrame, encodeSystemEventsFrame } from './rigel-v1.ts'
import { ReplayPump } from './replay-pump.ts'
import type { PositionOf } from './stream-encoding.ts'
import { SocketWriter, type SocketOwner } from './socket.ts'
import type { SocketRecord } from './socket-record.ts'
import type { TransportParts } from './transport.ts'

export class WebSocketConnection extends BaseConnection implements SocketOwner, MovedReader {
  readonly #parts: TransportParts
  readonly #record: SocketRecord
  readonly #cursor: LogCursor
  readonly #writer: SocketWriter
  readonly #onRemoved: (connection: WebSocketConnection) => void
  /** These two are made when they are first needed: a shard that wakes makes thousands of connections. */
  #pump: ReplayPump | undefined
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
    this.#cursor = new LogCursor(this, record, parts)
    this.#acknowledgedSeq = state.startSeq
    this.#onRemoved = onRemoved
    this.#writer = new SocketWriter(socket, this.#limitBytes, parts.buffers, this)
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
    const acknowledgedSeq = this.isRigelV1 ? this.#acknowledgedSeq : null
    return { writtenSeq: this.#cursor.writtenSeq, acknowledgedSeq }
  }

  /** Everything up to here has been sent. */
  get position(): string {
    return this.#cursor.position
  }

  deliver(group: DeliveryGroup): void {
    if (!this.#cursor.isLive) return this.#wait(group.size)
    if (!this.isRigelV1) return this.#sendPlain(group.events)
    const key = `rigel.v1 ${this.#parts.positions.variantOf(this.state)}`
    const frame = group.encode(key, (events) => encodeEventsFrame(events, this.#cursor.positionOf))
    this.#sendCounted(frame, group.events.at(-1)?.seq ?? 0)
    if (this.#isWindowClosed) this.#record.behindSeq = this.#parts.log.committedSeq
  }

  rewind(seq: number, before: Filter): void {
    this.#cursor.rewind(seq, before)
    this.readOn()
  }

  readTables(reader: TableReader): void {
    this.#cursor.setTables(reader)
    this.readOn()
  }

  replayOldShard(replay: OldShardReplay): void {
    this.#cursor.replayOldShard(replay)
  }

  /** A client does not acknowledge positions of another log: these frames do not count for the window. */
  writeMissed(events: readonly StoredEvent[], position: PositionOf): void {
    if (this.isRigelV1) this.#writer.send(encodeEventsFrame(events, position))
    else this.#sendPlain(events)
  }

  /** Sends what the connection has not been sent yet, in steps, or until the window is closed. */
  readOn(): void {
    if (!this.#cursor.hasNext) return
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
    this.readOn()
  }

  send(event: SystemEvent): void {
    this.#writer.send(this.isRigelV1 ? encodeSystemEventsFrame([event], this.position) : event.json)
  }

  /** Each frame is written to the network by itself. Plain ones have one event each. */
  override greet(events: readonly SystemEvent[]): void {
    if (this.isRigelV1) this.#writer.send(encodeSystemEventsFrame(events, this.position))
    else super.greet(events)
  }

  /** Sends a frame of the subprotocol that is no event. */
  sendFrame(frame: string): void {
    this.#writer.send(frame)
  }

  /** Plain frames have heartbeats only if WEBSOCKET_HEARTBEAT_SECONDS says so: RIG has none. */
  override sendPosition(): void {
    const { webSocketHeartbeatMs } = this.#parts.context.config.connections
    if (this.#cursor.isLive && (this.isRigelV1 || webSocketHeartbeatMs > 0)) this.probe()
  }

  /** Sends a heartbeat that has the connection's position. */
  override probe(): void {
    const { position } = this
    const event = heartbeat(envelope(this.#parts.context), position)
    this.#writer.send(this.isRigelV1 ? encodePositionFrame(position) : event.json)
  }

  end(reason: RigelError): void {
    this.#writer.close(reason)
  }

  override save(): void {
    this.#record.save(this.state)
  }

  removed(): void {
    this.#pump?.stop()
    this.#cursor.stop()
    this.#record.delete()
    this.#onRemoved(this)
  }

  onSlow(): void {
    this.#parts.lifecycle.endSlow(this)
  }

  onClosing(): void {
    this.#parts.lifecycle.remove(this)
  }

  #createPump(): ReplayPump {
    return new ReplayPump({
      bufferedBytes: () => this.bufferedBytes,
      step: () => this.#sendNext(),
      onStalled: () => this.#parts.lifecycle.endSlow(this),
      after: (ms, act) => this.#parts.timers.after(ms, act),
    })
  }

  /** Returns whether there is more to send now. */
  #sendNext(): boolean {
    if (this.#isWindowClosed) return false
    const next = this.#cursor.next()
    if (next.kind === 'trimmed') this.#parts.lifecycle.endSlow(this)
    if (next.kind !== 'events') return false
    const { events, lastSeq, position } = next
    if (!this.isRigelV1) this.#sendPlain(events)
    else if (events.length > 0) this.#sendCounted(encodeEventsFrame(events, position), lastSeq)
    if (this.#cursor.isLive) this.#waitingSize = 0
    return this.#cursor.hasNext
  }

  #sendPlain(events: readonly StoredEvent[]): void {
    for (const event of events) this.#writer.send(event.json)
  }

  #sendCounted(frame: string, seq: number): void {
    this.#unacknowledged ??= []
    this.#unacknowledged.push({ seq, size: frame.length })
    this.#unacknowledgedSize += frame.length
    this.#writer.send(frame)
  }

  get #isWindowClosed(): boolean {
    return this.#unacknowledgedSize > this.#limitBytes
  }

  get #limitBytes(): number {
    return this.#parts.context.config.connections.waitingBytes
  }

  /** A window that stays closed while as much again has come is a reader that is too slow. */
  #wait(size: number): void {
    if (!this.#isWindowClosed) return
    this.#waitingSize += size
    if (this.#waitingSize > this.#limitBytes) this.#parts.lifecycle.endSlow(this)
  }
}
