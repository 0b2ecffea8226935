// Server-Sent Events (WHATWG HTML, 9.2) as an encoding of a stream. Pure.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import type { SystemEvent } from '../system-events.ts'
import { UNBUFFERED, type StreamEncoding } from './stream-encoding.ts'

const encoder = new TextEncoder()

/** Ends a line for an EventSource. The text of an event must never end a field. */
const LINE_BREAKS = /\r\n|\r|\n/
const LINE_BREAK_CHARS = /[\r\n]/g

export const SSE_HEADERS = { 'content-type': 'text/event-stream; charset=utf-8', ...UNBUFFERED } as const

/** EventSource fires its own listeners by these names: events of these types come as `message`. */
const RESERVED_TYPES = new Set(['open', 'error'])

/** Frames are named by the type of their event. */
export const sse: StreamEncoding = {
  name: 'sse',
  headers: SSE_HEADERS,
  /** The time that an EventSource waits before it comes back. */
  preamble: (reconnectMs) => `retry: ${reconnectMs}\n\n`,
  events: (events, position) => encoder.encode(events.map((event) => namedFrame(event, position(event.seq))).join('')),
  systemEvent: (event, position) => namedFrame(event, position),
  /** A block without data dispatches nothing, but moves the last event id: a quiet connection's position stays fresh. */
  heartbeat: (position) => encoder.encode(`: heartbeat\nid: ${position}\n\n`),
}

/** Frames have no name: all events come as `message`, whatever their type. */
export const sseUnnamed: StreamEncoding = {
  ...sse,
  name: 'sse-unnamed',
  events: (events, position) => encoder.encode(events.map((event) => frame(event, position(event.seq))).join('')),
  systemEvent: (event, position) => frame(event, position),
}

/** A whole stream for a client that is refused for the moment. Without an `id`, so that it keeps its position. */
export function encodeRefusal(event: SystemEvent, retryMs: number, isNamed: boolean): string {
  return `retry: ${retryMs}\n\n${isNamed ? `event: ${event.type}\n` : ''}data: ${event.json}\n\n`
}

function namedFrame(event: Pick<StoredEvent, 'json' | 'type'>, id: string): string {
  const name = RESERVED_TYPES.has(event.type) ? '' : `event: ${event.type.replace(LINE_BREAK_CHARS, ' ')}\n`
  return name + frame(event, id)
}

function frame({ json }: Pick<StoredEvent, 'json'>, id: string): string {
  const data = LINE_BREAKS.test(json) ? json.split(LINE_BREAKS).join('\ndata: ') : json
  return `data: ${data}\nid: ${id}\n\n`
}
