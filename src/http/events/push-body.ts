// The body of a push → its elements, each an event or what is wrong with it. Connectors are configured, not programmed, so
// the format is read from the body as much as from its content type: a JSON array, lines of JSON, events joined by commas,
// or one event. Only a body that cannot be split into elements is refused. Pure; used by read-push.ts.
import { fail, ok, type Result } from '../../core/result.ts'
import { isObject, parseJson, sliceObjects } from '../../core/json.ts'
import { decodeUtf8 } from '../../core/text.ts'
import { parseElements, parseStructured, type Element } from '../../core/events/cloud-event.ts'
import type { CloudEvent } from '../../core/events/stored-event.ts'
import type { RecordHeader } from '../../core/events/kafka-record.ts'
import type { RigelError } from '../../core/errors.ts'
import type { DecodeError } from '../../decoding/decode-error.ts'

/** Twice what Kafka Connect polls at a time, and Aiven's connector posts, by default. */
export const MAX_PUSH_EVENTS = 1_000

const NEWLINE = 0x0a
const BOM = [0xef, 0xbb, 0xbf]
/** Content types whose lines are JSON. */
const LINES = /(ndjson|jsonl)/

const encoder = new TextEncoder()

/** One element: its bytes, and the event in them. */
export interface PushElement {
  readonly value: Uint8Array
  readonly headers: readonly RecordHeader[]
  readonly event: Result<CloudEvent, DecodeError>
}

export interface PushBody {
  /** Whether the answer is a list. */
  readonly isBatch: boolean
  readonly elements: readonly PushElement[]
}

export function readPushBody(type: string | undefined, body: Uint8Array): Result<PushBody, RigelError> {
  const bytes = withoutBom(body)
  const lines = splitLines(bytes)
  if (lines.length === 0) return ok({ isBatch: true, elements: [] })
  if (type !== undefined && LINES.test(type)) return ok(toBatch(lines))
  const first = lines[0] ?? bytes
  if (first[0] === '['.charCodeAt(0)) return readArray(decodeUtf8(bytes))
  const whole = toElement(bytes)
  // One event over several lines is JSON as a whole.
  if (whole.event.ok || !lines.some(startsObject)) return ok({ isBatch: false, elements: [whole] })
  return readSeveral(whole, lines, decodeUtf8(bytes))
}

/** Splits several events that are not an array. One wrong line leaves the others valid, as in Aiven's batches. */
function readSeveral(
  whole: PushElement,
  lines: readonly Uint8Array[],
  text: string | undefined,
): Result<PushBody, RigelError> {
  const areLines = lines.length > 1 && lines.some(isJsonObject)
  if (text === undefined) return ok(areLines ? toBatch(lines) : { isBatch: false, elements: [whole] })
  if (parseJson(text) !== undefined) return ok({ isBatch: false, elements: [whole] })
  // Comes before the split into lines: events that are separated by a comma and a line break are not lines of JSON.
  const joined = `[${text}]`
  if (parseJson(joined) !== undefined) return readArray(joined)
  if (areLines) return ok(toBatch(lines))
  const objects = sliceObjects(text)
  if (objects.length < 2 || !objects.every((object) => isObject(parseJson(object)))) {
    return ok({ isBatch: false, elements: [whole] })
  }
  const message =
    'The request body has several JSON objects that are neither an array, nor lines, nor joined by single commas: send a JSON array, or a line for each.'
  return fail({ kind: 'bad_request', message })
}

function toBatch(lines: readonly Uint8Array[]): PushBody {
  return { isBatch: true, elements: lines.map(toElement) }
}

/** A body that begins like an array and is not JSON cannot be split into elements: it is refused, and sent again. */
function readArray(text: string | undefined): Result<PushBody, RigelError> {
  const found = text === undefined ? fail('it is not UTF-8') : parseElements(text, MAX_PUSH_EVENTS + 1)
  if (found.ok) return ok({ isBatch: true, elements: found.value.map(toArrayElement) })
  return fail({ kind: 'not_a_cloud_event', message: `The request body does not look like a batch: ${found.reason}` })
}

/** Confluent's connector makes JSON strings of values that are configured as strings. */
function toArrayElement({ text, event }: Element): PushElement {
  const value = encoder.encode(text)
  if (text === 'null') return { value, headers: [], event: fail({ kind: 'tombstone' }) }
  const parsed = text.startsWith('"') ? parseStructured(JSON.parse(text) as string) : event
  return { value, headers: [], event: orDecodeError(parsed) }
}

function toElement(value: Uint8Array): PushElement {
  const text = decodeUtf8(value)
  if (text === undefined) return { value, headers: [], event: fail({ kind: 'not_utf8' }) }
  return { value, headers: [], event: orDecodeError(parseStructured(text)) }
}

export function orDecodeError(event: Result<CloudEvent, string>): Result<CloudEvent, DecodeError> {
  return event.ok ? event : fail({ kind: 'not_a_cloud_event', message: event.reason })
}

function withoutBom(bytes: Uint8Array): Uint8Array {
  return BOM.every((byte, index) => bytes[index] === byte) ? bytes.subarray(BOM.length) : bytes
}

/** Returns the lines that are not blank, without the white space around them; at most one more than is taken. */
function splitLines(bytes: Uint8Array): readonly Uint8Array[] {
  const lines: Uint8Array[] = []
  for (let start = 0; start < bytes.length && lines.length <= MAX_PUSH_EVENTS;) {
    const end = bytes.indexOf(NEWLINE, start)
    const line = trim(bytes.subarray(start, end < 0 ? bytes.length : end))
    if (line.length > 0) lines.push(line)
    start = end < 0 ? bytes.length : end + 1
  }
  return lines
}

function trim(line: Uint8Array): Uint8Array {
  const isBlank = (byte: number | undefined) => byte === 0x20 || byte === 0x09 || byte === 0x0d
  let [start, end] = [0, line.length]
  while (start < end && isBlank(line[start])) start += 1
  while (end > start && isBlank(line[end - 1])) end -= 1
  return line.subarray(start, end)
}

function startsObject(bytes: Uint8Array): boolean {
  return bytes[0] === '{'.charCodeAt(0)
}

function isJsonObject(bytes: Uint8Array): boolean {
  return startsObject(bytes) && isObject(parseJson(decodeUtf8(bytes) ?? ''))
}
