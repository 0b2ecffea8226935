// Decodes a Kafka record into a CloudEvent by the Kafka protocol binding 1.0: binary mode if the header `ce_specversion` is
// there, else structured mode. Values of a registry's schema become JSON first. Pure: the schemas were prefetched by
// following/prefetch-schemas.ts. A record that is no CloudEvent returns the reason, for the dead-letter topic.
import { fromBinary, parseStructured } from '../core/events/cloud-event.ts'
import type { CloudEvent } from '../core/events/stored-event.ts'
import type { LogRecord } from '../core/events/kafka-record.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { decodeUtf8 } from '../core/text.ts'
import type { Schemas } from '../schema-registry/schema-cache.ts'
import { readFrame, readSchemaHeader, SCHEMA_HEADER, type FramedValue } from '../schema-registry/wire-format.ts'
import type { DecodeError } from './decode-error.ts'
import { hasAttributes, headerText, readAttributes } from './record-headers.ts'

/** An event and its text as UTF-8: a view of the record's value where the event is forwarded unchanged. */
export interface DecodedEvent extends CloudEvent {
  readonly utf8: Uint8Array
}

const CLOUD_EVENTS = /^application\/cloudevents/i
const STRUCTURED_JSON = /^application\/cloudevents(\+json)?\s*(;|$)/i
/** Formats of a whole event that is encoded with a schema. */
const CLOUD_EVENTS_FORMAT = /^application\/cloudevents(\+[\w.-]+)?\s*(;|$)/i
const AVRO = /^(avro\/|application\/([^;]*[+.])?avro)/i
/** Content types whose data may be in the wire format. Other data, such as an image, may begin with a zero byte too. */
const SCHEMA_CONTENT = /avro|protobuf|json/i
/** Replaced, because data with a schema becomes JSON. */
const CONTENT_TYPE_ATTRIBUTES = new Set(['contenttype', 'datacontenttype'])

const encoder = new TextEncoder()

/** `schemas` has at least those that the record names; null if no registry is configured. */
export function decodeRecord(
  record: LogRecord,
  limitBytes: number,
  schemas: Schemas | null,
): Result<DecodedEvent, DecodeError> {
  const framed = framedBySchema(record)
  if (framed !== undefined && !framed.ok) return framed
  const decoded = framed === undefined ? decodePlain(record) : decodeFramed(record, framed.value, schemas, limitBytes)
  if (decoded.ok && decoded.value.utf8.length > limitBytes) return fail({ kind: 'too_large', limitBytes })
  return decoded
}

/**
 * Returns the schema that the record names and the encoded value, or undefined if it names none. The schema is named by the
 * wire format, or by the header `__value_schema_id`, which Confluent's serializers of 2025 write beside a bare value.
 */
export function framedBySchema(record: LogRecord): Result<FramedValue, DecodeError> | undefined {
  const header = record.headers.find(({ key }) => key === SCHEMA_HEADER)
  if (header !== undefined && record.value !== null) {
    const framed = readSchemaHeader(header.value, record.value)
    return framed.ok ? framed : fail({ kind: 'invalid_schema_id', message: framed.reason })
  }
  const framed = readFrame(record.value)
  if (framed === undefined) return undefined
  const contentType = headerText(record, 'content-type')
  const isEncoded = contentType === undefined || CLOUD_EVENTS.test(contentType) || SCHEMA_CONTENT.test(contentType)
  return isEncoded ? ok(framed) : undefined
}

/**
 * Returns the value as JSON text, decoded with the schema that the record names if it names one. For the whole event
 * (`isWholeEvent`) and for the rules of TOPICS, whose records are plain data.
 */
export function schemaToJson(
  { body, schemaId }: FramedValue,
  schemas: Schemas | null,
  limitBytes: number,
  isWholeEvent: boolean,
): Result<string, DecodeError> {
  if (schemas === null) return fail({ kind: 'no_schema_registry', schemaId })
  const codec = schemas.get(schemaId)
  if (codec === undefined) throw new TypeError(`schema ${schemaId} was not prefetched`)
  if (!codec.ok) return fail({ schemaId, ...codec.reason })
  const json = codec.value.toJson(body, limitBytes, isWholeEvent)
  if (json.ok) return json
  if (json.reason.kind === 'too_large') return fail({ kind: 'too_large', limitBytes })
  return fail({ kind: 'not_by_its_schema', schemaId, message: json.reason.message })
}

/**
 * The content type of structured mode wins over `ce_` headers, as the binding says. Without `ce_specversion` a record cannot be
 * in binary mode: RIG's producer writes a structured event with the single header `ce_contenttype`.
 */
function isBinaryMode(record: LogRecord): boolean {
  const contentType = headerText(record, 'content-type')
  if (contentType !== undefined && CLOUD_EVENTS.test(contentType)) return false
  return record.headers.some(({ key }) => /^ce[_-](specversion|cloudeventsversion)$/i.test(key))
}

/** Returns whether the headers say that the record is a CloudEvent, in either mode. */
export function isEventRecord(record: LogRecord): boolean {
  const contentType = record.headers.length === 0 ? undefined : headerText(record, 'content-type')
  return isBinaryMode(record) || (contentType !== undefined && CLOUD_EVENTS.test(contentType))
}

/** Many producers write `application/json` with structured events; without `ce_specversion` it is structured mode. */
function decodePlain(record: LogRecord): Result<DecodedEvent, DecodeError> {
  if (record.headers.length === 0) return decodeStructured(record)
  const contentType = headerText(record, 'content-type')
  if (isBinaryMode(record)) return decodeBinary(record, contentType)
  const isOtherFormat =
    contentType !== undefined && CLOUD_EVENTS.test(contentType) && !STRUCTURED_JSON.test(contentType)
  return isOtherFormat ? fail({ kind: 'unsupported_content_type', contentType }) : decodeStructured(record)
}

function decodeFramed(
  record: LogRecord,
  framed: FramedValue,
  schemas: Schemas | null,
  limitBytes: number,
): Result<DecodedEvent, DecodeError> {
  const contentType = headerText(record, 'content-type')
  const isWhole = !isBinaryMode(record)
  const isOtherFormat =
    contentType !== undefined && CLOUD_EVENTS.test(contentType) && !CLOUD_EVENTS_FORMAT.test(contentType)
  if (isOtherFormat) return fail({ kind: 'unsupported_content_type', contentType })
  const json = schemaToJson(framed, schemas, limitBytes, isWhole)
  if (!json.ok) return json
  if (isWhole) return toDecoded(parseStructured(json.value))
  const attributes = readAttributes(record)
  if (!attributes.ok) return attributes
  const others = Object.entries(attributes.value).filter(([name]) => !CONTENT_TYPE_ATTRIBUTES.has(name))
  return toDecoded(fromBinary(Object.fromEntries(others), 'application/json', encoder.encode(json.value)))
}

function decodeStructured(record: LogRecord): Result<DecodedEvent, DecodeError> {
  const { value } = record
  if (value === null) return fail({ kind: 'tombstone' })
  const text = decodeUtf8(value)
  if (text === undefined) return fail({ kind: 'not_utf8' })
  const event = parseStructured(text)
  if (event.ok || !hasAttributes(record)) return toDecoded(event, stripBom(value))
  return fail({ kind: 'not_a_cloud_event', message: `${event.reason}; binary mode needs the header ce_specversion` })
}

/** The decoder drops a byte order mark from the text, so it is not part of the event. */
function stripBom(value: Uint8Array): Uint8Array {
  return value[0] === 0xef && value[1] === 0xbb && value[2] === 0xbf ? value.subarray(3) : value
}

/** A record without a value is an event without data. */
function decodeBinary(record: LogRecord, contentType: string | undefined): Result<DecodedEvent, DecodeError> {
  const data = record.value ?? new Uint8Array()
  if (contentType !== undefined && AVRO.test(contentType) && data.length > 0) {
    return fail({ kind: 'no_schema_id', contentType })
  }
  const attributes = readAttributes(record)
  return attributes.ok ? toDecoded(fromBinary(attributes.value, contentType, data)) : attributes
}

function toDecoded(parsed: Result<CloudEvent, string>, utf8?: Uint8Array): Result<DecodedEvent, DecodeError> {
  if (!parsed.ok) return fail({ kind: 'not_a_cloud_event', message: parsed.reason })
  // Member by member: a spread takes longer, and the shape of its result is dropped with the last event (core/kept-shapes.ts).
  const { id, json, parsed: value, source, specversion, type } = parsed.value
  return ok({ specversion, id, type, source, json, parsed: value, utf8: utf8 ?? encoder.encode(json) })
}
