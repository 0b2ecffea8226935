// Newline-delimited JSON as an encoding of a stream, for curl, servers and mobile apps: one line an event,
// `{"id": position, "event": …}`. A heartbeat is `{"id": position}`. Pure.
import { UNBUFFERED, type StreamEncoding } from './stream-encoding.ts'

const encoder = new TextEncoder()

/** Between two tokens of JSON a line break means nothing. Inside of a string it is escaped already. */
const LINE_BREAK_CHARS = /[\r\n]+/g

export const ndjson: StreamEncoding = {
  name: 'ndjson',
  headers: { 'content-type': 'application/x-ndjson', ...UNBUFFERED },
  preamble: () => '',
  events: (events, position) => encoder.encode(events.map(({ json, seq }) => line(position(seq), json)).join('')),
  systemEvent: ({ json }, position) => line(position, json),
  heartbeat: (position) => encoder.encode(`{"id":"${position}"}\n`),
}

function line(id: string, json: string): string {
  return `{"id":"${id}","event":${json.replace(LINE_BREAK_CHARS, ' ')}}\n`
}
