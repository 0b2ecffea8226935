// Reads the header of a NATS message from its bytes: status and headers. The client's own reader throws for a name that it would
// not write, which breaks its connection at the same message again and again; takes quadratic time; and makes two values of
// bytes that are no UTF-8 one. A publisher may write any bytes. Pure.
import type { Msg } from '@nats-io/nats-core'
import type { MsgImpl } from '@nats-io/nats-core/internal'
import type { RecordHeader } from '../../core/events/kafka-record.ts'

/** More than a hundred times what services write. */
const MAX_HEADERS = 10_000

const CR = 13
const LF = 10
const COLON = 58
const SPACE = 32
const TAB = 9

const decoder = new TextDecoder()

/** The status of a message that the server writes itself: `NATS/1.0 404 No Messages`. */
export interface NatsStatus {
  readonly code: number
  readonly description: string
}

/** Returns the bytes of the message's header. Empty if it has none. */
export function headerBytes(message: Msg): Uint8Array {
  // The class of all messages that a connection gives to a callback.
  const { _msg: from, _rdata: bytes } = message as MsgImpl
  return from.hdr > 0 ? bytes.subarray(0, from.hdr) : new Uint8Array()
}

/** Returns undefined for the header of a message that has been published: its first line has no status. */
export function readStatus(header: Uint8Array): NatsStatus | undefined {
  const line = decoder.decode(header.subarray(0, endOfLine(header, 0)))
  const [, code, description = ''] = /^NATS\/1\.0\s+(\d{3})\b\s*(.*)$/.exec(line) ?? []
  return code === undefined ? undefined : { code: Number(code), description }
}

/** Returns undefined if there are more than can be held. Lines without a colon are left out; values are views of `header`. */
export function readHeaders(header: Uint8Array): readonly RecordHeader[] | undefined {
  const headers: RecordHeader[] = []
  for (let start = endOfLine(header, 0) + 2; start < header.length;) {
    const end = endOfLine(header, start)
    const colon = header.subarray(start, end).indexOf(COLON)
    if (colon !== -1) {
      if (headers.length === MAX_HEADERS) return undefined
      const key = decoder.decode(header.subarray(start, start + colon))
      headers.push({ key, value: trim(header.subarray(start + colon + 1, end)) })
    }
    start = end + 2
  }
  return headers
}

/** Returns the index of the next CR LF, or of the end. */
function endOfLine(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(CR, from); at !== -1; at = bytes.indexOf(CR, at + 1)) if (bytes[at + 1] === LF) return at
  return bytes.length
}

function trim(bytes: Uint8Array): Uint8Array {
  let start = 0
  let end = bytes.length
  while (start < end && isBlank(bytes[start])) start += 1
  while (end > start && isBlank(bytes[end - 1])) end -= 1
  return bytes.subarray(start, end)
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB
}
