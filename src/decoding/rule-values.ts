// Reads the values that a rule of TOPICS names out of one record: from its value, key, headers, or position. Pure. Numbers are
// kept with their digits (core/json.ts), so that a recipient beyond 2^53 is not another one. For apply-rule.ts.
import type { LogRecord } from '../core/events/kafka-record.ts'
import type { RecordSource, RuleValue, TextPattern } from '../core/events/topic-rule.ts'
import { numberText, parseJson } from '../core/json.ts'
import { evaluatePointer } from '../core/json-pointer.ts'
import { isoTime } from '../core/time/times.ts'
import { headerText } from './record-headers.ts'
import type { RecordKey } from './record-key.ts'

/** A record while a rule is applied to it. */
export interface RecordView {
  readonly record: Pick<LogRecord, 'topic' | 'partition' | 'offset' | 'timestampMs' | 'headers'>
  readonly key: RecordKey
  /** The value as JSON, parsed by `parseExactly`; the event, if the record is one. */
  readonly value: unknown
  /** The value with its envelope. */
  readonly envelope: unknown
  /** Full name of the value's schema; null if it has none. */
  readonly schema: string | null
}

/** Returns the value of the first alternative that has one, or undefined. JSON null counts as no value. */
export function readValue(alternatives: RuleValue, view: RecordView): unknown {
  for (const { pattern, source } of alternatives) {
    const value = readSource(source, view)
    const matched = pattern === null ? value : matchPattern(pattern, value)
    if (matched !== undefined && matched !== null) return matched
  }
  return undefined
}

/** Like `readValue`, but returns text: strings, numbers by their digits, booleans. Returns undefined for objects and lists. */
export function readText(alternatives: RuleValue, view: RecordView): string | undefined {
  for (const alternative of alternatives) {
    const text = toText(readValue([alternative], view))
    if (text !== undefined) return text
  }
  return undefined
}

/** Reads a place of the record outside of its value: for extractors over key and headers. Check `key.problem` afterwards. */
export function readRecordSource(source: RecordSource, record: RecordView['record'], key: RecordKey): unknown {
  return readSource(source, { record, key, value: undefined, envelope: undefined, schema: null })
}

function readSource(source: RecordSource, view: RecordView): unknown {
  const { envelope, key, record, schema, value } = view
  switch (source.kind) {
    case 'value':
      return evaluatePointer(source.pointer, value)
    case 'envelope':
      return evaluatePointer(source.pointer, envelope)
    case 'key':
      return source.pointer === null ? key.text() : key.at(source.pointer)
    case 'header':
      return readHeader(record, source.name)
    case 'topic':
      return record.topic
    case 'position':
      return `${record.topic}/${record.partition}/${record.offset}`
    case 'timestamp':
      return record.timestampMs < 0 ? undefined : (isoTime(record.timestampMs) ?? undefined)
    case 'schema':
      return schema ?? undefined
    case 'template':
      return fillTemplate(source.parts, view)
  }
}

/** Spring writes header values as JSON, and lists them in `spring_json_header_types`. */
function readHeader(record: RecordView['record'], name: string): string | undefined {
  const text = headerText(record, name)
  if (text?.startsWith('"') !== true || headerText(record, 'spring_json_header_types') === undefined) return text
  const unquoted = parseJson(text)
  return typeof unquoted === 'string' ? unquoted : text
}

function fillTemplate(parts: readonly (string | RecordSource)[], view: RecordView): string | undefined {
  let filled = ''
  for (const part of parts) {
    const text = typeof part === 'string' ? part : toText(readSource(part, view))
    if (text === undefined) return undefined
    filled += text
  }
  return filled
}

/** A list becomes the list of its items that match. */
function matchPattern(pattern: TextPattern, value: unknown): unknown {
  if (Array.isArray(value)) {
    const matches = (value as readonly unknown[]).map((item) => matchOne(pattern, item)).filter((item) => item !== '')
    return matches.length === 0 ? undefined : matches
  }
  return matchOne(pattern, value) || undefined
}

function matchOne({ after, before }: TextPattern, value: unknown): string {
  const text = toText(value) ?? ''
  const isMatch = text.length > before.length + after.length && text.startsWith(before) && text.endsWith(after)
  return isMatch ? text.slice(before.length, text.length - after.length) : ''
}

function toText(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'boolean' ? String(value) : numberText(value)
}
