// A request of an HTTP sink connector → what it pushes. Connectors are configured, not programmed, so the format is read
// from the body as much as from its content type: a JSON array, lines of JSON, one event, or binary mode. One that is no
// event is an answer among others; only what cannot be taken apart at all refuses the request. Used by push.ts.
import { parseJson } from '../../core/json.ts'
import { decodeUtf8 } from '../../core/text.ts'
import {
  fromBinary,
  isLargerThan,
  parseElements,
  parseStructured,
  type Element,
} from '../../core/events/cloud-event.ts'
import type { CloudEvent } from '../../core/events/stored-event.ts'
import type { RecordHeader } from '../../core/events/kafka-record.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { readSourcePosition, type SourcePosition } from '../../core/events/source-position.ts'
import type { DecodeError } from '../../decoding/decode-record.ts'
import type { PushSender } from '../../publishing/idempotency-key.ts'
import type { PushItem } from '../../publishing/push.ts'
import { readBody } from '../../core/http-body.ts'
import { readAttributes } from './read-events.ts'
import { mediaTypeOf } from '../../core/media-type.ts'

/** Twice what Kafka Connect polls at a time, and Aiven's connector posts, by default. */
const MAX_EVENTS = 1_000
/** Brackets in brackets, the worst of JSON, take 30 times as much while they are parsed, of an isolate's 128 MB. */
const MAX_BYTES = 2_097_152
const NEWLINE = 0x0a

const CONNECTOR = /^[A-Za-z0-9._-]{1,100}$/
const STRUCTURED = /^application\/cloudevents(-batch)?(\+json)?$/
/** What has no name for lines of JSON calls them text, or nothing. */
const TAKEN =
  /^(application\/(.+\+)?json|application\/(x-)?(ndjson|jsonl|jsonlines)|text\/.+|application\/octet-stream)$/
const LINES = /(ndjson|jsonl)/

const encoder = new TextEncoder()

export interface PushRequest {
  /** Whether it is answered by a list. */
  readonly isBatch: boolean
  readonly pushed: readonly PushItem[]
}

/** As its URL describes it. */
export type Connector = Omit<PushSender, 'publisher'>

/**
 * Null: no connector, but a client that publishes. Only what its sender writes on purpose makes a request a push, and
 * unique ids something to rely on: events may have come a long way, and tell of others.
 */
export function connectorOf({ url, headers }: Request): Result<Connector | null, RigelError> {
  const { searchParams } = new URL(url)
  const [connector, dedupe] = [searchParams.get('connector'), searchParams.get('dedupe')]
  if (connector === null && positionHeader(headers, 'offset') === null) return ok(null)
  if (connector !== null && !CONNECTOR.test(connector)) {
    return badRequest('connector must be 1 to 100 of letters, digits, ".", "_" and "-": ?connector=orders')
  }
  if (dedupe !== null && dedupe !== 'id') {
    return badRequest('dedupe must be "id", for events of which no two have the same source and id, or left out')
  }
  return ok({ connector: connector ?? '', hasUniqueIds: dedupe === 'id' })
}

export async function readPush(request: Request, maxEventBytes: number): Promise<Result<PushRequest, RigelError>> {
  const type = mediaTypeOf(request.headers)
  const binary = binaryAttributes(request.headers, type)
  if (binary === null && type !== undefined && !STRUCTURED.test(type) && !TAKEN.test(type)) return unsupported(type)
  const body = await readBody(request, MAX_BYTES)
  if (!body.ok) return fail({ kind: 'body_too_large', limitBytes: MAX_BYTES })
  const read = binary ? ok(readBinary(binary, request.headers, body.bytes)) : readText(type, body.bytes)
  if (!read.ok) return read
  const { isBatch, found } = read.value
  if (found.length > MAX_EVENTS) return fail({ kind: 'too_many_events', limit: MAX_EVENTS })
  const fromHeaders = found.length === 1 ? request.headers : null
  return ok({ isBatch, pushed: found.map((one) => toPushed(one, fromHeaders, maxEventBytes)) })
}

interface Found {
  readonly value: Uint8Array
  readonly headers: readonly RecordHeader[]
  readonly event: Result<CloudEvent, DecodeError>
}

interface Read {
  readonly isBatch: boolean
  readonly found: readonly Found[]
}

function readText(type: string | undefined, bytes: Uint8Array): Result<Read, RigelError> {
  const lines = splitLines(bytes)
  if (lines.length === 0) return ok({ isBatch: true, found: [] })
  if (type !== undefined && LINES.test(type)) return ok({ isBatch: true, found: lines.map(readOne) })
  const first = lines[0] ?? bytes
  if (first[0] === '['.charCodeAt(0)) return readArray(bytes)
  const whole = readOne(bytes)
  // Aiven's batches are lines, unless told otherwise. One event over several lines is JSON as a whole; and lines are
  // lines whichever of them is wrong.
  const isLines = !whole.event.ok && lines.length > 1 && lines.some(isJsonObject)
  return isLines ? ok({ isBatch: true, found: lines.map(readOne) }) : ok({ isBatch: false, found: [whole] })
}

/** Not an array of JSON: there is no telling its elements apart, so that the connector has to. */
function readArray(bytes: Uint8Array): Result<Read, RigelError> {
  const text = decodeUtf8(bytes)
  const elements = text === undefined ? fail('it is not UTF-8') : parseElements(text, MAX_EVENTS + 1)
  if (elements.ok) return ok({ isBatch: true, found: elements.value.map(readElement) })
  const message = `The request body does not look like a batch: ${elements.reason}`
  return fail({ kind: 'not_a_cloud_event', message })
}

/** Confluent's connector makes JSON strings of values that it was told are strings. */
function readElement({ text, event }: Element): Found {
  const value = encoder.encode(text)
  if (text === 'null') return { value, headers: [], event: fail({ kind: 'tombstone' }) }
  return {
    value,
    headers: [],
    event: orReason(text.startsWith('"') ? parseStructured(JSON.parse(text) as string) : event),
  }
}

function readOne(value: Uint8Array): Found {
  const text = decodeUtf8(value)
  if (text === undefined) return { value, headers: [], event: fail({ kind: 'not_utf8' }) }
  return { value, headers: [], event: orReason(parseStructured(text)) }
}

function readBinary(attributes: Readonly<Record<string, string>>, headers: Headers, value: Uint8Array): Read {
  const event = fromBinary(attributes, headers.get('content-type') ?? undefined, value)
  const inHeaders = Object.entries(attributes).map(([name, text]) => ({
    key: `ce_${name}`,
    value: encoder.encode(text),
  }))
  return { isBatch: false, found: [{ value, headers: inHeaders, event: orReason(event) }] }
}

/** `ce_`: as they are in Kafka, where a connector forwards a record's headers. Null: not binary mode. */
function binaryAttributes(headers: Headers, type: string | undefined): Readonly<Record<string, string>> | null {
  if (type !== undefined && STRUCTURED.test(type)) return null
  const asInKafka = [...headers]
    .filter(([name]) => name.startsWith('ce_'))
    .map(([name, value]) => [name.slice(3), value])
  const attributes = { ...(Object.fromEntries(asInKafka) as Record<string, string>), ...readAttributes(headers) }
  return attributes['specversion'] === undefined ? null : attributes
}

function toPushed({ value, headers, event }: Found, request: Headers | null, maxEventBytes: number): PushItem {
  const position = positionOf(event.ok ? event.value : null, request)
  const known = position.ok ? position.value : null
  if (!event.ok) return { kind: 'no_event', value, headers, reason: event.reason, position: known }
  const reason = problemOf(event.value, position, maxEventBytes)
  if (reason !== undefined) return { kind: 'no_event', value, headers, reason, position: known }
  return { kind: 'event', event: event.value, position: known }
}

function problemOf(
  event: CloudEvent,
  position: Result<SourcePosition | null, string>,
  maxEventBytes: number,
): DecodeError | undefined {
  if (isLargerThan(event, maxEventBytes)) return { kind: 'too_large', limitBytes: maxEventBytes }
  return position.ok ? undefined : { kind: 'not_a_cloud_event', message: position.reason }
}

/** An event's own says more of it than its request. */
function positionOf(event: CloudEvent | null, request: Headers | null): Result<SourcePosition | null, string> {
  const { kafkatopic, kafkapartition, kafkaoffset } = event?.parsed ?? {}
  const own = readSourcePosition(kafkatopic, kafkapartition, kafkaoffset)
  if (!own.ok || own.value !== null || request === null) return own
  const [topic, partition, offset] = ['topic', 'partition', 'offset'].map((name) => positionHeader(request, name))
  return readSourcePosition(topic, partition, offset)
}

/** With underscores where the metadata of Redpanda Connect becomes headers as it is. */
function positionHeader(headers: Headers, name: string): string | null {
  return headers.get(`kafka-${name}`) ?? headers.get(`kafka_${name}`)
}

function badRequest(message: string): Result<never, RigelError> {
  return fail({ kind: 'bad_request', message })
}

function unsupported(type: string): Result<never, RigelError> {
  const message = `The content-type ${type} is not supported: send application/cloudevents-batch+json, application/x-ndjson or application/json.`
  return fail({ kind: 'unsupported_content_type', message })
}

function orReason(event: Result<CloudEvent, string>): Result<CloudEvent, DecodeError> {
  return event.ok ? event : fail({ kind: 'not_a_cloud_event', message: event.reason })
}

/** Those that are not blank, without the white space around them; the first of them, up to one more than is taken. */
function splitLines(bytes: Uint8Array): readonly Uint8Array[] {
  const lines: Uint8Array[] = []
  for (let start = 0; start < bytes.length && lines.length <= MAX_EVENTS;) {
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

function isJsonObject(bytes: Uint8Array): boolean {
  if (bytes[0] !== '{'.charCodeAt(0)) return false
  return parseJson(decodeUtf8(bytes) ?? '') !== undefined
}
