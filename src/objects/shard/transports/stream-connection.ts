// A connection over a streamed HTTP response, whatever its encoding. History is read as fast as the stream takes it, one step
// a turn; the stream has no `pull`, which the runtime would call for each, and keep a promise of, though most never read history. Live events are written at once; a reader with too many waiting bytes is cut and comes back with its position. The
// stream is one of values, not of bytes, so every connection of a group writes the same bytes: a write costs half of what a
// byte stream's costs, and what waits for many readers is held once.
import { logBug } from '../../../telemetry/incident-log.ts'
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import type { DeliveryGroup } from '../../../core/delivery/delivery-groups.ts'
import type { Filter } from '../../../core/subscriptions/filter.ts'
import { toClose, type RigelError } from '../../../core/errors.ts'
import type { ConnectRequest } from '../../../core/identity/principal.ts'
import { BaseConnection } from '../connections/connection.ts'
import { filterOf, type Opening } from '../connections/connection-state.ts'
import type { OldShardReplay } from '../old-shard/old-shard-replay.ts'
import { connectionClosed, envelope, sessionKilled, type SystemEvent } from '../system-events.ts'
import type { ShardContext } from '../shard-context.ts'
import type { TableReader } from '../tables/table-reader.ts'
import { LogCursor, type MovedReader } from './log-cursor.ts'
import type { PositionOf, StreamEncoding } from './stream-encoding.ts'
import type { TransportParts } from './transport.ts'

/** The positions of most connections. */
const PLAIN = '!'

/** Bytes that may wait in the stream while history is replayed. */
const HIGH_WATER_MARK_BYTES = 65_536

/** The pause after a step of history. A step that has nothing for this client fills no stream: only the pause slows it down. */
const NEXT_STEP_MS = 2
/** While the stream has no room, it is looked at again after pauses that double. A reader waits for no longer than it took. */
const FIRST_LOOK_MS = 4
const LAST_LOOK_MS = 1_024

/** One for all streams: of a ByteLengthQueuingStrategy the runtime makes a new function for each. */
const QUEUING_STRATEGY: QueuingStrategy<Uint8Array> = {
  highWaterMark: HIGH_WATER_MARK_BYTES,
  size: ({ byteLength }) => byteLength,
}

const encoder = new TextEncoder()

export class StreamConnection extends BaseConnection implements MovedReader {
  /** No gate holds back what is written to a stream that is open. */
  override readonly isGated = false
  readonly response: Response
  readonly #parts: TransportParts
  readonly #encoding: StreamEncoding
  readonly #onRemoved: (connection: StreamConnection) => void
  readonly #cursor: LogCursor
  #isStarted = false
  /** What greets the client leaves as one chunk: each chunk is read and written to the network by itself. */
  #greeting: string
  /** Set while the next step waits for its turn. */
  #cancelStep: (() => void) | undefined
  /** The pause after which the stream is looked at again if it has no room. */
  #lookMs = FIRST_LOOK_MS
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
    this.#cursor = new LogCursor(this, { behindSeq: state.startSeq }, parts)
    this.response = new Response(this.#openStream(), { headers: responseHeaders(connect, encoding) })
    this.#greeting = encoding.preamble(reconnectMsOf(parts.context))
  }

  get bufferedBytes(): number {
    return this.#controller === undefined ? 0 : HIGH_WATER_MARK_BYTES - (this.#controller.desiredSize ?? 0)
  }

  get progress() {
    return { writtenSeq: this.#cursor.writtenSeq, acknowledgedSeq: null }
  }

  /** History may be read from now on: the client has been greeted. */
  start(): void {
    this.#isStarted = true
    this.#write(encoder.encode(this.#greeting))
    this.#greeting = ''
    this.readOn()
  }

  deliver(group: DeliveryGroup): void {
    if (!this.#cursor.isLive) return
    const key = `${this.#encoding.name} ${this.#parts.positions.variantOf(this.state)}`
    this.#write(group.encode(key, (events) => this.#encoding.events(events, this.#cursor.positionOf)))
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

  writeMissed(events: readonly StoredEvent[], position: PositionOf): void {
    this.#write(this.#encoding.events(events, position))
  }

  readOn(): void {
    try {
      this.#sendNext()
    } catch (error) {
      // Its client comes back with its position: it must not wait for what it has missed.
      logBug('a stream cannot read the log', {}, error)
      const controller = this.#controller
      this.#gone()
      controller?.error(error)
    }
  }

  send(event: SystemEvent): void {
    const text = this.#encoding.systemEvent(event, this.#cursor.position)
    if (this.#isStarted) this.#write(encoder.encode(text))
    else this.#greeting += text
  }

  /** `live` is the heartbeat for connections that have everything: one encoding for all of them. */
  heartbeat(live: Uint8Array): void {
    const isLive = this.#cursor.isLive && this.#parts.positions.variantOf(this.state) === PLAIN
    if (isLive) this.#write(live)
    else this.probe()
  }

  /** Heartbeats have the position too, but a small log may be full before the next one. */
  override sendPosition(): void {
    if (this.#cursor.isLive) this.probe()
  }

  override probe(): void {
    this.#write(this.#encoding.heartbeat(this.#cursor.position))
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
    this.#cancelStep?.()
    this.#cursor.stop()
    this.#onRemoved(this)
  }

  #openStream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        cancel: () => this.#gone(),
      },
      QUEUING_STRATEGY,
    )
  }

  /** Writes the next step. Further ones have turns of their own, so that live events and other readers come in between. */
  #sendNext(): void {
    if (!this.#isStarted || this.#controller === undefined || this.#cancelStep !== undefined || !this.#cursor.hasNext)
      return
    if ((this.#controller.desiredSize ?? 0) <= 0) {
      this.#stepAfter(this.#lookMs)
      this.#lookMs = Math.min(LAST_LOOK_MS, this.#lookMs * 2)
      return
    }
    this.#lookMs = FIRST_LOOK_MS
    const next = this.#cursor.next()
    if (next.kind === 'trimmed') return this.#parts.lifecycle.endSlow(this)
    if (this.#cursor.hasNext) this.#stepAfter(NEXT_STEP_MS)
    if (next.kind === 'events' && next.events.length > 0) this.#write(this.#encoding.events(next.events, next.position))
  }

  #stepAfter(ms: number): void {
    this.#cancelStep = this.#parts.timers.after(ms, () => {
      this.#cancelStep = undefined
      this.readOn()
    })
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
    if (this.#waitsAtMostBytes > this.#limitBytes) this.#parts.lifecycle.endSlow(this)
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
