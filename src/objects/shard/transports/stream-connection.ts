// A connection over a streamed HTTP response, whatever its encoding. History is read as fast as the stream takes it. Live
// events are written at once; a reader with too many waiting bytes is cut and comes back with its position. The stream is one
// of values, not of bytes, so every connection of a group writes the same bytes: a write costs half of what a byte stream's
// costs, and what waits for many readers is held once.
import type { DeliveryGroup } from '../../../core/delivery/delivery-groups.ts'
import type { Filter } from '../../../core/subscriptions/filter.ts'
import { toClose, type RigelError } from '../../../core/errors.ts'
import type { ConnectRequest } from '../../../core/identity/principal.ts'
import { toFilter } from '../../../rpc/moved-history.ts'
import { BaseConnection } from '../connections/connection.ts'
import { filterOf, positionVariantOf, type Opening } from '../connections/connection-state.ts'
import type { OldShardReplay } from '../old-shard/old-shard-replay.ts'
import { OldShardReplayer } from '../old-shard/old-shard-replayer.ts'
import { createReplayTarget } from '../old-shard/replay-target.ts'
import { readNextChunk, type DeliveredRange } from '../log/replay.ts'
import { connectionClosed, envelope, sessionKilled, type SystemEvent } from '../system-events.ts'
import type { ShardContext } from '../shard-context.ts'
import type { TableReader } from '../tables/table-reader.ts'
import type { PositionOf, StreamEncoding } from './stream-encoding.ts'
import type { TransportParts } from './transport.ts'

/** The positions of most connections. */
const PLAIN = '!'

/** Bytes that may wait in the stream while history is replayed. */
const HIGH_WATER_MARK_BYTES = 65_536

/** One for all streams: of a ByteLengthQueuingStrategy the runtime makes a new function for each. */
const QUEUING_STRATEGY: QueuingStrategy<Uint8Array> = {
  highWaterMark: HIGH_WATER_MARK_BYTES,
  size: ({ byteLength }) => byteLength,
}

const encoder = new TextEncoder()

export class StreamConnection extends BaseConnection {
  readonly response: Response
  readonly #parts: TransportParts
  readonly #encoding: StreamEncoding
  readonly #onRemoved: (connection: StreamConnection) => void
  /** Everything up to here has been written. Null if the connection is live: every committed event has been. */
  #behindSeq: number | null
  #delivered: DeliveredRange | undefined
  /** Made when it is first needed: few clients come from another shard. */
  #oldShardReplayer: OldShardReplayer | undefined
  #isStarted = false
  /** Tables that are sent once everything before has been. */
  #tables: TableReader | undefined
  /** What greets the client leaves as one chunk: each chunk is read and written to the network by itself. */
  #greeting: string
  /** Lets the stream ask for more again. */
  #askAgain: () => void = () => undefined
  /** Upper bound of the bytes that wait in the stream: the last measured size plus everything written since. */
  #waitsAtMostBytes = 0
  /** Set synchronously by the stream's start(); undefined once the stream has ended. */
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined

  constructor(
    { connect, state }: Opening,
    parts: TransportParts,
    encoding: StreamEncoding,
    onRemoved: (connection: StreamConnection) => void,
  ) {
    super(state, filterOf(state, parts.context.config.typeRules))
    this.#parts = parts
    this.#encoding = encoding
    this.#onRemoved = onRemoved
    this.#behindSeq = state.startSeq
    this.response = new Response(this.#openStream(), { headers: responseHeaders(connect, encoding) })
    this.#greeting = encoding.preamble(reconnectMsOf(parts.context))
  }

  get bufferedBytes(): number {
    return this.#controller === undefined ? 0 : HIGH_WATER_MARK_BYTES - (this.#controller.desiredSize ?? 0)
  }

  get progress() {
    return { writtenSeq: this.#behindSeq ?? this.#parts.log.committedSeq, acknowledgedSeq: null }
  }

  /** History may be read from now on: the client has been greeted. */
  start(): void {
    this.#isStarted = true
    this.#write(encoder.encode(this.#greeting))
    this.#greeting = ''
    this.#replay()
  }

  deliver(group: DeliveryGroup): void {
    if (this.#behindSeq !== null) return
    const key = `${this.#encoding.name} ${positionVariantOf(this.state, this.#parts.context.now)}`
    this.#write(group.encode(key, (events) => this.#encoding.events(events, this.#position)))
  }

  rewind(seq: number, before: Filter): void {
    this.#delivered = { filter: before, untilSeq: this.#behindSeq ?? this.#parts.log.committedSeq }
    this.#behindSeq = seq
    this.#replay()
    this.#askAgain()
  }

  /** Nothing of this shard's log is written meanwhile: the connection is behind. */
  replayOldShard(replay: OldShardReplay): void {
    this.#behindSeq ??= this.#parts.log.committedSeq
    this.#oldShardReplayer ??= this.#createReplayer()
    this.#oldShardReplayer.start(replay, this.#behindSeq)
  }

  #createReplayer(): OldShardReplayer {
    const target = createReplayTarget(this, this.#parts, {
      write: (events, position) => this.#write(this.#encoding.events(events, position)),
      done: (seq, replay) => this.#oldShardReplayed(seq, replay),
    })
    return new OldShardReplayer(this.#parts.oldShards, target)
  }

  #oldShardReplayed(seq: number, { delivered, isLate }: OldShardReplay): void {
    if (!isLate) this.#behindSeq = seq
    else if (delivered !== null) this.#delivered = { filter: toFilter(delivered.filter), untilSeq: seq, others: true }
    this.#replay()
    this.#askAgain()
  }

  readTables(reader: TableReader): void {
    this.#tables = reader
    this.#replay()
    this.#askAgain()
  }

  send(event: SystemEvent): void {
    const text = this.#encoding.systemEvent(event, this.#position(this.#behindSeq ?? this.#parts.log.committedSeq))
    if (this.#isStarted) this.#write(encoder.encode(text))
    else this.#greeting += text
  }

  /** `live` is the heartbeat for connections that have everything: one encoding for all of them. */
  heartbeat(live: Uint8Array): void {
    const isLive = this.#behindSeq === null && positionVariantOf(this.state, this.#parts.context.now) === PLAIN
    if (isLive) this.#write(live)
    else this.probe()
  }

  override probe(): void {
    this.#write(this.#encoding.heartbeat(this.#position(this.#behindSeq ?? this.#parts.log.committedSeq)))
  }

  end(reason: RigelError): void {
    if (reason.kind === 'slow_reader') return this.#fail(reason)
    const { context } = this.#parts
    if (reason.kind === 'session_killed') this.send(sessionKilled(envelope(context)))
    this.send(connectionClosed(envelope(context), toClose(reason)))
    const controller = this.#controller
    this.#controller = undefined
    controller?.close()
  }

  removed(): void {
    this.#oldShardReplayer?.stop()
    this.#onRemoved(this)
  }

  readonly #position: PositionOf = (seq) => this.#parts.lifecycle.positionFor(this.state, seq)

  #openStream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => this.#pull(),
        cancel: () => this.#gone(),
      },
      QUEUING_STRATEGY,
    )
  }

  /**
   * The stream asks whenever it has room. A live connection has nothing to answer: a promise that stays open keeps the
   * stream from asking after every write, which would nearly double what a write costs.
   */
  #pull(): Promise<void> | undefined {
    this.#replay()
    return this.#behindSeq === null && this.#tables === undefined
      ? new Promise((resolve) => (this.#askAgain = resolve))
      : undefined
  }

  #replay(): void {
    if (!this.#isStarted || this.#oldShardReplayer?.isActive === true) return
    while ((this.#controller?.desiredSize ?? 0) > 0) {
      if (this.#sendTables()) continue
      if (this.#behindSeq === null) return
      const chunk = readNextChunk(this.#parts.log, this.filter, this.#behindSeq, this.#delivered)
      if (chunk.kind === 'trimmed') return this.#cut()
      this.#behindSeq = chunk.atEnd ? null : chunk.seq
      if (chunk.events.length > 0) this.#write(this.#encoding.events(chunk.events, this.#position))
    }
  }

  /** Returns whether something was sent. What comes meanwhile waits in the log. */
  #sendTables(): boolean {
    const reader = this.#tables
    const isNext = reader !== undefined && (this.#behindSeq === null || reader.untilSeq !== undefined)
    if (!isNext) return false
    this.#behindSeq ??= this.#parts.log.committedSeq
    if (reader.untilSeq === undefined) reader.begin(this.#behindSeq)
    const events = reader.next(this.filter)
    const position = this.#position(this.#behindSeq)
    if (events !== undefined && events.length > 0) this.#write(this.#encoding.events(events, () => position))
    if (events === undefined) {
      this.#tables = undefined
      for (const { event } of this.#parts.tables.finish(this, reader)) this.send(event)
    }
    return true
  }

  #write(bytes: Uint8Array): void {
    const controller = this.#controller
    if (controller === undefined) return
    controller.enqueue(bytes)
    this.#parts.buffers.wrote(bytes.length)
    this.#waitsAtMostBytes += bytes.length
    if (this.#waitsAtMostBytes > this.#limitBytes) this.#checkBuffer()
  }

  get #limitBytes(): number {
    return this.#parts.context.config.connections.waitingBytes
  }

  /** The stream is asked only when the bound says that the limit may be passed: asking costs as much as writing. */
  #checkBuffer(): void {
    this.#waitsAtMostBytes = this.bufferedBytes
    if (this.#waitsAtMostBytes > this.#limitBytes) this.#cut()
  }

  #cut(): void {
    this.#parts.lifecycle.end(this, { kind: 'slow_reader', limitBytes: this.#limitBytes })
  }

  /** Fails the stream, which drops what waits in it: the reader gets it from the log when it comes back. */
  #fail(reason: RigelError): void {
    const controller = this.#controller
    this.#controller = undefined
    // workerd takes a retryable error for a lost connection and does not report it as an uncaught exception.
    controller?.error(Object.assign(new Error(toClose(reason).reason), { retryable: true }))
  }

  #gone(): void {
    this.#controller = undefined
    this.#parts.lifecycle.remove(this)
  }
}

function responseHeaders({ allowCredentials, allowOrigin }: ConnectRequest, { headers }: StreamEncoding): HeadersInit {
  return {
    ...headers,
    'access-control-allow-origin': allowOrigin,
    ...(allowCredentials === true ? { 'access-control-allow-credentials': 'true' } : {}),
    vary: 'Origin',
  }
}

/** RECONNECT_MS, from half of it to twice of it at random: clients that lose their streams together come back one by one. */
function reconnectMsOf({ config, random }: ShardContext): number {
  return Math.round(config.connections.reconnectMs * (0.5 + 1.5 * random()))
}
