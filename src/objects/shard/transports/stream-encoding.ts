// How a streamed response is written: sse.ts and ndjson.ts are encodings. An encoding is pure functions from events to bytes or text;
// stream-connection.ts does the rest.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import type { SystemEvent } from '../system-events.ts'

export type PositionOf = (seq: number) => string

/**
 * Headers that make proxies pass a stream on at once: nginx buffers a response unless `X-Accel-Buffering` says no, and
 * proxies that compress hold it back, which `no-transform` forbids (RFC 9111, 5.2.2.6).
 */
export const UNBUFFERED = { 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' } as const

/** How a stream is written. The functions are pure. */
export interface StreamEncoding {
  /** Identifies the encoding: all connections that share it write the same bytes. */
  readonly name: string
  readonly headers: Readonly<Record<string, string>>
  /** The start of every stream. */
  preamble(reconnectMs: number): string
  events(events: readonly StoredEvent[], position: PositionOf): Uint8Array
  /** Text, because several of them are written as one chunk. */
  systemEvent(event: SystemEvent, position: string): string
  heartbeat(position: string): Uint8Array
}
