// LogRecord → CloudEvent, by the Kafka protocol binding 1.0: binary mode where `ce_` headers say so, else structured
// mode; data of a schema registry's schema becomes JSON first. Pure: prepare.ts has fetched the schemas. What is no
// CloudEvent comes back as a reason, for the dead-letter topic.
import { decodeUtf8 } from '../core/text.ts'
import { fromBinary, parseStructured } from '../core/events/cloud-event.ts'
import type { CloudEvent } from '../core/events/stored-event.ts'
import type { LogRecord } from '../core/events/kafka-record.ts'
import { fail, ok, type Result } from '../core/result.ts'
import type { Schemas } from '../schema-registry/schema-cache.ts'
import { readFrame, type FramedValue } from '../schema-registry/wire-format.ts'

export type DecodeError =
  | { readonly kind: 'tombstone' }
  | { readonly kind: 'not_utf8' }
  /** Confluent's wire format, and no registry is configured. */
  | { readonly kind: 'no_schema_registry'; readonly schemaId: number }
  /** Avro without the wire format, that would say by which schema. */
  | { readonly kind: 'no_schema_id'; readonly contentType: string }
  | { readonly kind: 'unknown_schema'; readonly schemaId: number }
  | { readonly kind: 'unusable_schema'; readonly schemaId: number; readonly message: string }
  | { readonly kind: 'not_by_its_schema'; readonly schemaId: number; readonly message: string }
  | { readonly kind: 'unsupported_content_type'; readonly contentType: string }
  | { readonly kind: 'not_a_cloud_event'; readonly message: string }
  | { readonly kind: 'too_large'; readonly limitBytes: number }
  /** Of a response topic: it answers no request. */
  | { readonly kind: 'not_an_answer'; readonly message: string }
  | { readonly kind: 'invalid_recipients'; readonly message: string }
  /** A bug of ours, met by this record: it must not block those behind it. */
  | { readonly kind: 'not_processable'; readonly message: string }

/** An event, and its text as bytes: the record's own where it came as it is forwarded. */
export interface DecodedEvent extends CloudEvent {
  readonly utf8: Uint8Array
}

type AttributeEntries = readonly (readonly [name: string, value: string])[]

const CLOUD_EVENTS = /^application\/cloudevents/i
const STRUCTURED_JSON = /^application\/cloudevents(\+json)?\s*(;|$)/i
/** RIG before 3.0 wrote `ce-`; the binding says `ce_`. */
const ATTRIBUTE_PREFIX = /^ce[_-]/i
/** An event that is written by a schema all through may be of any format. */
const CLOUD_EVENTS_FORMAT = /^application\/cloudevents(\+[\w.-]+)?\s*(;|$)/i
const AVRO = /^(avro\/|application\/([^;]*[+.])?avro)/i
/** What may be in the wire format in binary mode; other data, such as an image, may begin with a zero too. */
const SCHEMA_CONTENT = /avro|protobuf|json/i
/** What the data was, before it became JSON. */
const CONTENT_TYPE_ATTRIBUTES = new Set(['contenttype', 'datacontenttype'])

const encoder = new TextEncoder()

/** `schemas`: at least those that the record names; null: there is no registry. */
export function decodeRecord(
  record: LogRecord,
  limitBytes: number,
  schemas: Schemas | null,
): Result<DecodedEvent, DecodeError> {
  const framed = framedBySchema(record)
  const decoded = framed === undefined ? decodePlain(record) : decodeFramed(record, framed, schemas, limitBytes)
  if (decoded.ok && decoded.value.utf8.length > limitBytes) return fail({ kind: 'too_large', limitBytes })
  return decoded
}

/** Undefined: the record does not name a schema. */
export function framedBySchema(record: LogRecord): FramedValue | undefined {
  const framed = readFrame(record.value)
  if (framed === undefined) return undefined
  const contentType = headerOf(record, 'content-type')
  return contentType === undefined || CLOUD_EVENTS.test(contentType) || SCHEMA_CONTENT.test(contentType)
    ? framed
    : undefined
}

/** For the dead letter's header and the log: one line. */
export function describeDecodeError(reason: DecodeError): string {
  switch (reason.kind) {
    case 'tombstone':
      return 'tombstone: the record has no value'
    case 'not_utf8':
      return 'the value, or a ce_ header, is not UTF-8'
    case 'no_schema_registry':
      return `written by schema ${reason.schemaId}, and KAFKA_SCHEMA_REGISTRY_URL is not set`
    case 'no_schema_id':
      return `content type ${reason.contentType} must come in Confluent's wire format, which names the schema`
    case 'unknown_schema':
      return `the schema registry has no schema ${reason.schemaId}`
    case 'unusable_schema':
      return `schema ${reason.schemaId} cannot be used: ${reason.message}`
    case 'not_by_its_schema':
      return `the value is not by its schema ${reason.schemaId}: ${reason.message}`
    case 'unsupported_content_type':
      return `content type ${reason.contentType} is not supported`
    case 'not_a_cloud_event':
      return `not a CloudEvent: ${reason.message}`
    case 'too_large':
      return `larger than ${reason.limitBytes} bytes`
    case 'not_an_answer':
      return `not an answer: ${reason.message}`
    case 'invalid_recipients':
      return reason.message
    case 'not_processable':
      return `could not be processed: ${reason.message}`
  }
}

/** Where the record says what it is: the content type of structured mode wins over `ce_` headers, as the binding has it. */
function isBinary({ headers }: LogRecord, contentType: string | undefined): boolean {
  if (contentType !== undefined && CLOUD_EVENTS.test(contentType)) return false
  return headers.some(({ key }) => ATTRIBUTE_PREFIX.test(key))
}

/**
 * Without `ce_` headers an event cannot be in binary mode, so that a plain `application/json`, as many producers write, is
 * structured mode: as over HTTP.
 */
function decodePlain(record: LogRecord): Result<DecodedEvent, DecodeError> {
  const contentType = record.headers.length === 0 ? undefined : headerOf(record, 'content-type')
  if (isBinary(record, contentType)) return decodeBinary(record, contentType)
  const saysOther = contentType !== undefined && CLOUD_EVENTS.test(contentType) && !STRUCTURED_JSON.test(contentType)
  return saysOther ? fail({ kind: 'unsupported_content_type', contentType }) : decodeStructured(record)
}

/** As without a schema, once it is JSON. */
function decodeFramed(
  record: LogRecord,
  framed: FramedValue,
  schemas: Schemas | null,
  limitBytes: number,
): Result<DecodedEvent, DecodeError> {
  const contentType = headerOf(record, 'content-type')
  const isWhole = !isBinary(record, contentType)
  const saysOther =
    contentType !== undefined && CLOUD_EVENTS.test(contentType) && !CLOUD_EVENTS_FORMAT.test(contentType)
  if (saysOther) return fail({ kind: 'unsupported_content_type', contentType })
  const json = toJson(framed, schemas, limitBytes, isWhole)
  if (!json.ok) return json
  if (isWhole) return toDecoded(parseStructured(json.value))
  const attributes = readAttributes(record)
  if (!attributes.ok) return attributes
  const others = attributes.value.filter(([name]) => !CONTENT_TYPE_ATTRIBUTES.has(name))
  return toDecoded(fromBinary(Object.fromEntries(others), 'application/json', encoder.encode(json.value)))
}

function toJson(
  { body, schemaId }: FramedValue,
  schemas: Schemas | null,
  limitBytes: number,
  isWholeEvent: boolean,
): Result<string, DecodeError> {
  if (schemas === null) return fail({ kind: 'no_schema_registry', schemaId })
  const codec = schemas.get(schemaId)
  if (codec === undefined) throw new TypeError(`schema ${schemaId} was not prepared`)
  if (!codec.ok) return fail({ schemaId, ...codec.reason })
  const json = codec.value.toJson(body, limitBytes, isWholeEvent)
  if (json.ok) return json
  if (json.reason.kind === 'too_large') return fail({ kind: 'too_large', limitBytes })
  return fail({ kind: 'not_by_its_schema', schemaId, message: json.reason.message })
}

function decodeStructured({ value }: LogRecord): Result<DecodedEvent, DecodeError> {
  if (value === null) return fail({ kind: 'tombstone' })
  const text = decodeUtf8(value)
  return text === undefined ? fail({ kind: 'not_utf8' }) : toDecoded(parseStructured(text), stripBom(value))
}

/** What the decoder drops from the text is no part of the event. */
function stripBom(value: Uint8Array): Uint8Array {
  return value[0] === 0xef && value[1] === 0xbb && value[2] === 0xbf ? value.subarray(3) : value
}

/** Without a value it is an event without data. */
function decodeBinary(record: LogRecord, contentType: string | undefined): Result<DecodedEvent, DecodeError> {
  const data = record.value ?? new Uint8Array()
  if (contentType !== undefined && AVRO.test(contentType) && data.length > 0) {
    return fail({ kind: 'no_schema_id', contentType })
  }
  const attributes = readAttributes(record)
  return attributes.ok ? toDecoded(fromBinary(Object.fromEntries(attributes.value), contentType, data)) : attributes
}

/**
 * Empty is not there: some clients write null, which is read as empty, for an attribute that an event does not have, and of
 * those that CloudEvents defines none may be empty.
 */
function readAttributes({ headers }: LogRecord): Result<AttributeEntries, DecodeError> {
  const attributes: [name: string, value: string][] = []
  for (const { key, value } of headers) {
    if (value.length === 0 || !ATTRIBUTE_PREFIX.test(key)) continue
    const text = decodeUtf8(value)
    if (text === undefined) return fail({ kind: 'not_utf8' })
    attributes.push([key.slice('ce_'.length).toLowerCase(), text])
  }
  return ok(attributes)
}

function headerOf(record: LogRecord, name: string): string | undefined {
  const header = record.headers.find(({ key }) => key.toLowerCase() === name)
  return header === undefined || header.value.length === 0 ? undefined : decodeUtf8(header.value)
}

function toDecoded(parsed: Result<CloudEvent, string>, utf8?: Uint8Array): Result<DecodedEvent, DecodeError> {
  if (!parsed.ok) return fail({ kind: 'not_a_cloud_event', message: parsed.reason })
  return ok({ ...parsed.value, utf8: utf8 ?? encoder.encode(parsed.value.json) })
}
