// A WebSocket connection, hibernatable: all it needs to go on after the object slept stands in storage and in the
// socket's attachment. RIG's plain frames (one event each), or `rigel.v1`, whose acknowledgements show a slow reader;
// plain frames cannot show one, for workerd has no bufferedAmount (cloudflare/workerd#988).
import { z } from 'zod'
import type { Filter } from '../../../core/subscriptions/filter.ts'
import type { DeliveryGroup } from '../../../core/delivery/delivery-groups.ts'
import { parsePosition } from '../../../core/identity/position.ts'
import { toClose, type RigelError } from '../../../core/errors.ts'
import type { Connection } from '../connection.ts'
import { readNextChunk, type DeliveredRange, type History } from '../log/replay.ts'
import { Lasting } from '../lasting.ts'
import type { Terms } from '../connection-state.ts'
import type { SystemEvent } from '../system-events.ts'
import { encodeEventsFrame, encodeOwnFrame, encodePositionFrame } from './rigel-v1.ts'

const attachmentSchema = z.object({
  id: z.string(),
  protocol: z.enum(['plain', 'rigel.v1']),
  /** Everything up to here has been sent; null: live, every settled event has. */
  behindSeq: z.number().int().min(0).nullable(),
})

export type Attachment = z.infer<typeof attachmentSchema>

/** Undefined for a socket that is not one of ours. */
export function readAttachment(socket: WebSocket): Attachment | undefined {
  return attachmentSchema.safeParse(socket.deserializeAttachment()).data
}

export function closeSocket(socket: WebSocket, reason: RigelError): void {
  const close = toClose(reason)
  socket.close(close.code, close.reason)
}

export interface WebSocketOptions {
  readonly socket: WebSocket
  readonly attachment: Attachment
  readonly terms: Terms
  readonly history: History
  /** The window: what may be sent and not acknowledged; and the bound: what may wait in the log for a closed window. */
  readonly waitingBytes: number
  readonly onGone: (connection: WebSocketConnection) => void
}

export class WebSocketConnection extends Lasting implements Connection {
  readonly transport = 'ws'
  readonly #options: WebSocketOptions
  readonly #position: (seq: number) => string
  /** As in the attachment, which is written only when this changes: never per event. */
  #behindSeq: number | null
  /** Forgotten in hibernation: what a closed window still held back of a rewind then comes with what was sent before. */
  #had: DeliveredRange | undefined
  /** Frames sent and not acknowledged, oldest first; forgotten in hibernation, which opens the window anew. */
  #unacknowledged: { readonly seq: number; readonly size: number }[] = []
  #unacknowledgedSize = 0
  /** What has passed the filter since the window closed, and waits in the log. */
  #waitingSize = 0

  constructor(options: WebSocketOptions) {
    super(options.terms)
    this.#options = options
    this.#position = (seq) => options.history.position(seq)
    this.#behindSeq = options.attachment.behindSeq
  }

  get isRigelV1(): boolean {
    return this.#options.attachment.protocol === 'rigel.v1'
  }

  deliver(group: DeliveryGroup): void {
    if (this.#behindSeq !== null) return this.#wait(group.size)
    if (!this.isRigelV1) {
      for (const event of group.events) this.#send(event.json)
      return
    }
    const frame = group.encode('rigel.v1', (events) => encodeEventsFrame(events, this.#position))
    this.#sendWithinWindow(frame, group.events.at(-1)?.seq ?? 0)
  }

  rewind(seq: number, before: Filter): void {
    this.#had = { filter: before, untilSeq: this.#behindSeq ?? this.#options.history.committedSeq }
    this.#behind(seq)
    this.replay()
  }

  tell(event: SystemEvent): void {
    const seq = this.#behindSeq ?? this.#options.history.committedSeq
    this.#send(this.isRigelV1 ? encodeOwnFrame(event, this.#position(seq)) : event.json)
  }

  /** A frame of the subprotocol that is no event. */
  send(frame: string): void {
    this.#send(frame)
  }

  /** Tells where the log is to a client that has everything. */
  mark(): void {
    if (this.isRigelV1 && this.#behindSeq === null)
      this.#send(encodePositionFrame(this.#position(this.#options.history.committedSeq)))
  }

  /** Sends history until the end of the log, or until the window is closed. */
  replay(): void {
    let seq = this.#behindSeq
    while (seq !== null && this.#unacknowledgedSize <= this.#options.waitingBytes) {
      const chunk = readNextChunk(this.#options.history, this.filter, seq, this.#had)
      if (chunk.kind === 'trimmed') return this.#cut()
      this.#sendHistory(chunk.events)
      seq = chunk.atEnd ? null : chunk.seq
    }
    if (seq === null) this.#waitingSize = 0
    this.#behind(seq)
  }

  /** The client has everything up to this position. A position that is not of this log changes nothing. */
  acknowledge(id: string): void {
    const position = parsePosition(id)
    if (position === undefined || this.#position(position.seq) !== id) return
    while (this.#unacknowledged[0] !== undefined && this.#unacknowledged[0].seq <= position.seq) {
      this.#unacknowledgedSize -= this.#unacknowledged.shift()?.size ?? 0
    }
    if (this.#behindSeq !== null) this.replay()
  }

  end(reason: RigelError): void {
    closeSocket(this.#options.socket, reason)
  }

  #sendHistory(events: Parameters<typeof encodeEventsFrame>[0]): void {
    const last = events.at(-1)
    if (last === undefined) return
    if (!this.isRigelV1) {
      for (const event of events) this.#send(event.json)
      return
    }
    const frame = encodeEventsFrame(events, this.#position)
    this.#count(frame.length, last.seq)
    this.#send(frame)
  }

  #sendWithinWindow(frame: string, seq: number): void {
    this.#count(frame.length, seq)
    this.#send(frame)
    if (this.#unacknowledgedSize > this.#options.waitingBytes) this.#behind(this.#options.history.committedSeq)
  }

  #count(size: number, seq: number): void {
    this.#unacknowledged.push({ seq, size })
    this.#unacknowledgedSize += size
  }

  #wait(size: number): void {
    this.#waitingSize += size
    if (this.#waitingSize > this.#options.waitingBytes) this.#cut()
  }

  #behind(seq: number | null): void {
    if (seq === this.#behindSeq) return
    this.#behindSeq = seq
    this.#options.socket.serializeAttachment({ ...this.#options.attachment, behindSeq: seq })
  }

  #cut(): void {
    this.end({ kind: 'slow_reader', limitBytes: this.#options.waitingBytes })
    this.#options.onGone(this)
  }

  /** A socket that is closing throws on send: its close event is on the way, and the log keeps what it misses. */
  #send(frame: string): void {
    try {
      this.#options.socket.send(frame)
    } catch {
      this.#options.onGone(this)
    }
  }
}
