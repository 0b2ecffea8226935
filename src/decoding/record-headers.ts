// Reads the headers of a record: their texts, and the CloudEvents attributes in them. Pure. For decode-record.ts and the rules
// of TOPICS. Header names are compared without case, as RIG and the Kafka binding's HTTP relatives do.
import type { LogRecord } from '../core/events/kafka-record.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { decodeUtf8 } from '../core/text.ts'

/** The Kafka binding's prefix is `ce_`. RIG before 3.0 wrote `ce-`. */
const ATTRIBUTE_PREFIX = /^ce[_-]/i

/** Attribute name without prefix, in lower case → its text. */
export type EventAttributes = Readonly<Record<string, string>>

/** Returns the first header of this name (lower case) as text, or undefined if it is absent, empty or not UTF-8. */
export function headerText({ headers }: Pick<LogRecord, 'headers'>, name: string): string | undefined {
  const header = headers.find(({ key }) => key.toLowerCase() === name)
  return header === undefined || header.value.length === 0 ? undefined : decodeUtf8(header.value)
}

/** Returns whether the record has any `ce_` header. */
export function hasAttributes({ headers }: Pick<LogRecord, 'headers'>): boolean {
  return headers.some(({ key }) => ATTRIBUTE_PREFIX.test(key))
}

/**
 * Returns the attributes in `ce_` headers, by name without prefix. Empty headers count as absent: some clients write null for a
 * missing attribute. core/events/cloud-event.ts parses JSON in extensions of events before 1.0, as RIG does.
 */
export function readAttributes({ headers }: Pick<LogRecord, 'headers'>): Result<EventAttributes, { kind: 'not_utf8' }> {
  const attributes: [name: string, text: string][] = []
  for (const { key, value } of headers) {
    if (value.length === 0 || !ATTRIBUTE_PREFIX.test(key)) continue
    const text = decodeUtf8(value)
    if (text === undefined) return fail({ kind: 'not_utf8' })
    attributes.push([key.slice('ce_'.length).toLowerCase(), text])
  }
  return ok(Object.fromEntries(attributes))
}
