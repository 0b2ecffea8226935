// An SSE connection: a stream written by the shard itself. History is read as fast as the stream takes it; live events
// are written at once, and a reader for whom too much waits is cut: it comes back with its Last-Event-ID. The stream is
// one of values, not of bytes: it lets every connection of a group write the same bytes, where a byte stream would take
// them away from the others. A write costs half of what it costs there, and what waits for many readers is held once.
import type { Filter } from '../../../core/subscriptions/filter.ts'
import type { DeliveryGroup } from '../../../core/delivery/delivery-groups.ts'
import { toClose, type RigelError } from '../../../core/errors.ts'
import type { Connection } from '../connection.ts'
import { readNextChunk, type DeliveredRange, type History } from '../log/replay.ts'
import { Lasting } from '../lasting.ts'
import type { Terms } from '../connection-state.ts'
import { connectionClosed, sessionKilled, type SystemEvent, type EventEnvelope } from '../system-events.ts'
import { encodeEvents, encodeHeartbeat, encodeOwn, encodeRetry, SSE_HEADERS, type PositionOf } from './sse-frames.ts'

/** What may wait in the stream while history is replayed. */
const HIGH_WATER_MARK_BYTES = 65_536

export interface SseOptions {
  readonly terms: Terms
  readonly history: History
  /** Where to read on from. */
  readonly seq: number
  readonly waitingBytes: number
  readonly reconnectMs: number
  readonly allowOrigin: string
  readonly allowCredentials: boolean
  /** The client is gone, was cut, or the stream broke: called once. */
  readonly onGone: (connection: SseConnection) => void
  /** For what the connection itself has to tell. */
  readonly stamp: () => EventEnvelope
}

export class SseConnection extends Lasting implements Connection {
  readonly transport = 'sse'
  readonly response: Response
  readonly #options: SseOptions
  readonly #position: PositionOf
  /** Everything up to here has been written; null: live, every settled event has. */
  #behindSeq: number | null
  #had: DeliveredRange | undefined
  #started = false
  /** Lets the stream ask for more again. */
  #askAgain: () => void = () => undefined
  /** Never less than what waits in the stream: written since it was last asked, plus what it said then. */
  #waitsAtMostBytes = 0
  /** Set synchronously by the stream's start(); undefined again once the stream has ended. */
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined

  constructor(options: SseOptions) {
    super(options.terms)
    this.#options = options
    this.#position = (seq) => options.history.position(seq)
    this.#behindSeq = options.seq
    this.response = new Response(this.#openStream(), { headers: streamHeaders(options) })
    this.#write(encodeRetry(options.reconnectMs))
  }

  /** History may be read from now on: what greets the client has been written. */
  start(): void {
    this.#started = true
    this.#replay()
  }

  deliver(group: DeliveryGroup): void {
    if (this.#behindSeq !== null) return
    this.#write(group.encode('sse', (events) => encodeEvents(events, this.#position)))
  }

  rewind(seq: number, before: Filter): void {
    this.#had = { filter: before, untilSeq: this.#behindSeq ?? this.#options.history.committedSeq }
    this.#behindSeq = seq
    this.#replay()
    this.#askAgain()
  }

  tell(event: SystemEvent): void {
    this.#write(encodeOwn(event, this.#position(this.#behindSeq ?? this.#options.history.committedSeq)))
  }

  heartbeat(encoded: { readonly live: Uint8Array }): void {
    this.#write(this.#behindSeq === null ? encoded.live : encodeHeartbeat(this.#position(this.#behindSeq)))
  }

  end(reason: RigelError): void {
    if (reason.kind === 'session_killed') this.tell(sessionKilled(this.#options.stamp()))
    this.tell(connectionClosed(this.#options.stamp(), toClose(reason)))
    const controller = this.#controller
    this.#controller = undefined
    controller?.close()
  }

  #openStream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => this.#pull(),
        cancel: () => this.#gone(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_MARK_BYTES }),
    )
  }

  /**
   * The stream asks whenever it has room. Once live there is nothing to ask for: a promise that stays open keeps the
   * stream from asking again after every write, which would nearly double what a write costs.
   */
  #pull(): Promise<void> | undefined {
    this.#replay()
    return this.#behindSeq === null ? new Promise((resolve) => (this.#askAgain = resolve)) : undefined
  }

  #replay(): void {
    while (this.#started && this.#behindSeq !== null && (this.#controller?.desiredSize ?? 0) > 0) {
      const chunk = readNextChunk(this.#options.history, this.filter, this.#behindSeq, this.#had)
      if (chunk.kind === 'trimmed') return this.#cut()
      this.#behindSeq = chunk.atEnd ? null : chunk.seq
      if (chunk.events.length > 0) this.#write(encodeEvents(chunk.events, this.#position))
    }
  }

  #write(bytes: Uint8Array): void {
    const controller = this.#controller
    if (controller === undefined) return
    controller.enqueue(bytes)
    this.#waitsAtMostBytes += bytes.length
    if (this.#waitsAtMostBytes > this.#options.waitingBytes) this.#checkWaiting(controller)
  }

  /** The stream is asked only when the estimate says that the bound may be passed: asking costs as much as writing. */
  #checkWaiting(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#waitsAtMostBytes = HIGH_WATER_MARK_BYTES - (controller.desiredSize ?? 0)
    if (this.#waitsAtMostBytes > this.#options.waitingBytes) this.#cut()
  }

  /** Errors the stream, which drops what waits in it: the reader gets it from the log when it comes back. */
  #cut(): void {
    const controller = this.#controller
    this.#controller = undefined
    const { reason } = toClose({ kind: 'slow_reader', limitBytes: this.#options.waitingBytes })
    // workerd takes a retryable error for a lost connection, and does not report it as a bug of ours.
    controller?.error(Object.assign(new Error(reason), { retryable: true }))
    this.#options.onGone(this)
  }

  #gone(): void {
    this.#controller = undefined
    this.#options.onGone(this)
  }
}

function streamHeaders({ allowCredentials, allowOrigin }: SseOptions): HeadersInit {
  return {
    ...SSE_HEADERS,
    'access-control-allow-origin': allowOrigin,
    ...(allowCredentials ? { 'access-control-allow-credentials': 'true' } : {}),
    vary: 'Origin',
  }
}
