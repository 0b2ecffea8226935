// LogRecord → CloudEvent, by the Kafka protocol binding 1.0: structured mode by default, binary mode where `ce_`
// headers say so. Pure. What is no CloudEvent comes back as a reason, for the dead-letter topic.
import { fromBinary, isLargerThan, parseStructured } from '../core/cloud-event.ts'
import type { CloudEvent } from '../core/event.ts'
import type { LogRecord } from '../core/log-record.ts'
import { fail, type Result } from '../core/result.ts'

export type DecodeReason =
  | { readonly kind: 'tombstone' }
  | { readonly kind: 'not_utf8' }
  | { readonly kind: 'unsupported_content_type'; readonly contentType: string }
  | { readonly kind: 'not_a_cloud_event'; readonly message: string }
  | { readonly kind: 'too_large'; readonly limitBytes: number }
  | { readonly kind: 'invalid_recipients'; readonly message: string }

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
const STRUCTURED_JSON = /^application\/cloudevents(\+json)?\s*(;|$)/i
const STRUCTURED_OTHER = /^application\/cloudevents/i
/** RIG before 3.0 wrote `ce-`; the binding says `ce_`. */
const ATTRIBUTE_PREFIX = /^ce[_-]/i

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
      return 'the value is not UTF-8'
    case 'unsupported_content_type':
      return `content type ${reason.contentType} is not supported`
    case 'not_a_cloud_event':
      return `not a CloudEvent: ${reason.message}`
    case 'too_large':
      return `larger than ${reason.limitBytes} bytes`
    case 'invalid_recipients':
      return reason.message
  }
}

function decodeUnlimited(record: LogRecord): Result<CloudEvent, DecodeReason> {
  const contentType = headerOf(record, 'content-type')
  const structured = contentType === undefined || STRUCTURED_OTHER.test(contentType)
  const isBinary = !structured || record.headers.some(({ key }) => ATTRIBUTE_PREFIX.test(key))
  if (contentType !== undefined && structured && !STRUCTURED_JSON.test(contentType)) {
    return fail({ kind: 'unsupported_content_type', contentType })
  }
  if (isBinary && !(contentType !== undefined && structured)) return decodeBinary(record, contentType)
  if (record.value === null) return fail({ kind: 'tombstone' })
  const text = toText(record.value)
  return text === undefined ? fail({ kind: 'not_utf8' }) : orReason(parseStructured(text))
}

function decodeBinary(record: LogRecord, contentType: string | undefined): Result<CloudEvent, DecodeReason> {
  const attributes: Record<string, string> = {}
  for (const { key, value } of record.headers) {
    const text = ATTRIBUTE_PREFIX.test(key) ? toText(value) : undefined
    if (text !== undefined) attributes[key.slice(3).toLowerCase()] = text
  }
  return orReason(fromBinary(attributes, contentType, record.value ?? new Uint8Array()))
}

function headerOf(record: LogRecord, name: string): string | undefined {
  if (record.headers.length === 0) return undefined
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
