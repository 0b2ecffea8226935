// Server-Sent Events on the wire (WHATWG HTML, 9.2): frames as bytes. Pure; the stream is sse.ts's.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import type { SystemEvent } from '../system-events.ts'

const encoder = new TextEncoder()

/** Whatever ends a line for an EventSource. What is inside of an event must never end a field. */
const LINE_BREAKS = /\r\n|\r|\n/
const LINE_BREAK_CHARS = /[\r\n]/g

/**
 * What makes proxies pass a stream on as it comes: nginx buffers a response unless `X-Accel-Buffering` says no, and
 * proxies that compress hold it back, which `no-transform` forbids (RFC 9111, 5.2.2.6).
 */
export const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
} as const

export type PositionOf = (seq: number) => string

export function encodeEvents(events: readonly StoredEvent[], position: PositionOf): Uint8Array {
  return encoder.encode(events.map((event) => frame(event.type, event.json, position(event.seq))).join(''))
}

export function encodeOwn(event: SystemEvent, id: string): Uint8Array {
  return encoder.encode(frame(event.type, event.json, id))
}

/** All of a stream that is refused for the moment. Without an `id`, so that the client keeps its position. */
export function encodeRefusal(event: SystemEvent, retryMs: number): string {
  return `retry: ${retryMs}\n\nevent: ${event.type}\ndata: ${event.json}\n\n`
}

/** How long an EventSource waits before it comes back. */
export function encodeRetry(retryMs: number): Uint8Array {
  return encoder.encode(`retry: ${retryMs}\n\n`)
}

/** A block without data dispatches nothing, but moves the last event id: a quiet connection's position stays fresh. */
export function encodeHeartbeat(id: string): Uint8Array {
  return encoder.encode(`: heartbeat\nid: ${id}\n\n`)
}

function frame(type: string, json: string, id: string): string {
  const data = LINE_BREAKS.test(json) ? json.split(LINE_BREAKS).join('\ndata: ') : json
  return `event: ${type.replace(LINE_BREAK_CHARS, ' ')}\ndata: ${data}\nid: ${id}\n\n`
}
