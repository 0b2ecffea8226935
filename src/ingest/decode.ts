// LogRecord → CloudEvent, by the Kafka protocol binding 1.0: binary mode where `ce_` headers say so, else structured
// mode. Pure. What is no CloudEvent comes back as a reason, for the dead-letter topic.
import { fromBinary, isLargerThan, parseStructured } from '../core/cloud-event.ts'
import type { CloudEvent } from '../core/event.ts'
import type { LogRecord } from '../core/log-record.ts'
import { fail, type Result } from '../core/result.ts'

export type DecodeReason =
  | { readonly kind: 'tombstone' }
  | { readonly kind: 'not_utf8' }
  /** Confluent's wire format: it would need the schema registry. */
  | { readonly kind: 'avro' }
  | { readonly kind: 'unsupported_content_type'; readonly contentType: string }
  | { readonly kind: 'not_a_cloud_event'; readonly message: string }
  | { readonly kind: 'too_large'; readonly limitBytes: number }
  /** Of a response topic: it answers no request. */
  | { readonly kind: 'not_an_answer'; readonly message: string }
  | { readonly kind: 'invalid_recipients'; readonly message: string }
  /** A bug of ours, met by this record: it must not block those behind it. */
  | { readonly kind: 'not_processable'; readonly message: string }

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
const CLOUD_EVENTS = /^application\/cloudevents/i
const STRUCTURED_JSON = /^application\/cloudevents(\+json)?\s*(;|$)/i
/** RIG before 3.0 wrote `ce-`; the binding says `ce_`. */
const ATTRIBUTE_PREFIX = /^ce[_-]/i
/** No JSON begins with it, Confluent's Avro always does: zero, four bytes of schema id, the data. */
const AVRO_MAGIC_BYTE = 0
const AVRO_HEAD_BYTES = 5

export function decodeRecord(record: LogRecord, limitBytes: number): Result<CloudEvent, DecodeReason> {
  const decoded = decodeUnlimited(record)
  if (decoded.ok && isLargerThan(decoded.value, limitBytes)) return fail({ kind: 'too_large', limitBytes })
  return decoded
}

/** For the dead letter's header and the log: one line. */
export function describeReason(reason: DecodeReason): string {
  switch (reason.kind) {
    case 'tombstone':
      return 'tombstone: the record has no value'
    case 'not_utf8':
      return 'the value, or a ce_ header, is not UTF-8'
    case 'avro':
      return 'Avro is not supported'
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

/**
 * The content type of structured mode wins over `ce_` headers, as the binding has it. Without `ce_` headers an event
 * cannot be in binary mode, so that a plain `application/json`, as many producers write, is structured mode: as over HTTP.
 */
function decodeUnlimited(record: LogRecord): Result<CloudEvent, DecodeReason> {
  const contentType = record.headers.length === 0 ? undefined : headerOf(record, 'content-type')
  const saysStructured = contentType !== undefined && CLOUD_EVENTS.test(contentType)
  if (saysStructured && !STRUCTURED_JSON.test(contentType)) {
    return fail({ kind: 'unsupported_content_type', contentType })
  }
  const isBinary = !saysStructured && record.headers.some(({ key }) => ATTRIBUTE_PREFIX.test(key))
  return isBinary ? decodeBinary(record, contentType) : decodeStructured(record)
}

function decodeStructured({ value }: LogRecord): Result<CloudEvent, DecodeReason> {
  if (value === null) return fail({ kind: 'tombstone' })
  if (value[0] === AVRO_MAGIC_BYTE && value.length > AVRO_HEAD_BYTES) return fail({ kind: 'avro' })
  const text = toText(value)
  return text === undefined ? fail({ kind: 'not_utf8' }) : orReason(parseStructured(text))
}

/** Without a value it is an event without data. */
function decodeBinary(record: LogRecord, contentType: string | undefined): Result<CloudEvent, DecodeReason> {
  if (contentType !== undefined && /^(avro\/|application\/(.*\+)?avro)/i.test(contentType))
    return fail({ kind: 'avro' })
  const attributes: [name: string, value: string][] = []
  for (const { key, value } of record.headers) {
    if (!ATTRIBUTE_PREFIX.test(key)) continue
    const text = toText(value)
    if (text === undefined) return fail({ kind: 'not_utf8' })
    attributes.push([key.slice('ce_'.length).toLowerCase(), text])
  }
  return orReason(fromBinary(Object.fromEntries(attributes), contentType, record.value ?? new Uint8Array()))
}

function headerOf(record: LogRecord, name: string): string | undefined {
  const header = record.headers.find(({ key }) => key.toLowerCase() === name)
  return header === undefined ? undefined : toText(header.value)
}

function orReason(parsed: Result<CloudEvent, string>): Result<CloudEvent, DecodeReason> {
  return parsed.ok ? parsed : fail({ kind: 'not_a_cloud_event', message: parsed.reason })
}

function toText(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}
