// Applies the rule of a topic to a record: makes an event of plain data, filters, and finds the recipients. Records that are
// CloudEvents stay what they are; a rule then only filters them and finds their recipients. Pure. Called by
// following/plan-events.ts, and by http/admin/try-topic.ts, which shows what a rule does.
import { parseStructured } from '../core/events/cloud-event.ts'
import { toBase64 } from '../core/bytes.ts'
import type { LogRecord } from '../core/events/kafka-record.ts'
import type { EventMapping, RuleFilter, RuleValue, TopicRule } from '../core/events/topic-rule.ts'
import { isObject, parseExactly, parseJsonOrReason } from '../core/json.ts'
import { evaluatePointer } from '../core/json-pointer.ts'
import { MAX_IDS_CHARS, toIds } from '../core/identity/user-id.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { toScalar } from '../core/scalar.ts'
import { matchesCondition, type Condition } from '../core/subscriptions/constraint.ts'
import { decodeUtf8 } from '../core/text.ts'
import { isoTime } from '../core/time/times.ts'
import type { Schemas } from '../schema-registry/schema-cache.ts'
import type { DecodeError } from './decode-error.ts'
import { decodeRecord, framedBySchema, isEventRecord, schemaToJson, type DecodedEvent } from './decode-record.ts'
import { headerText } from './record-headers.ts'
import { RecordKey } from './record-key.ts'
import { dataText } from './rule-data.ts'
import { readText, readValue, type RecordView } from './rule-values.ts'

export interface RuledEvent {
  readonly event: DecodedEvent
  /** The users that the rule addresses the event to. Null if the rule names no recipients: RECIPIENTS decide. */
  readonly recipients: readonly string[] | null
}

/** The value of a record as JSON text. */
interface RecordJson {
  readonly text: string
  /** Full name of the schema; null if the value has none. */
  readonly schema: string | null
  /** The text is a string of base64. */
  readonly isBinary?: true
}

const encoder = new TextEncoder()
const NO_JSON: RecordJson = { text: 'null', schema: null }

/**
 * Returns the event, or null if the rule drops the record. Without a rule the record must be a CloudEvent. `key` is the record's,
 * to be shared with extractors.
 */
export function decodeByRule(
  record: LogRecord,
  rule: TopicRule | null,
  limitBytes: number,
  schemas: Schemas | null,
  key: RecordKey = new RecordKey(record, schemas),
): Result<RuledEvent | null, DecodeError> {
  if (rule === null) {
    const event = decodeRecord(record, limitBytes, schemas)
    return event.ok ? ok({ event: event.value, recipients: null }) : event
  }
  const decoded = applyRule({ key, limitBytes, record, schemas }, rule)
  // A filter or recipient that could not be read must not count as one without a value.
  return key.problem === null ? decoded : fail(key.problem)
}

/** A record and what is needed to decode it. */
interface Encoded {
  readonly record: LogRecord
  readonly key: RecordKey
  readonly limitBytes: number
  readonly schemas: Schemas | null
}

function applyRule(encoded: Encoded, rule: TopicRule): Result<RuledEvent | null, DecodeError> {
  const { limitBytes, record, schemas } = encoded
  if (record.value === null && rule.tombstones === 'drop') return ok(null)
  if (rule.event === null || isEventRecord(record)) return ruleEvent(encoded, rule)
  const json = record.value === null ? ok(NO_JSON) : readJson(record, rule.event, limitBytes, schemas)
  if (!json.ok) return json
  // Clients and services may publish CloudEvents to the same topic.
  const structured = json.value.schema === null ? parseStructured(json.value.text) : undefined
  if (structured?.ok === true) return ruleEvent(encoded, rule)
  return mapRecord(encoded, { ...rule, event: rule.event }, json.value)
}

function ruleEvent({ key, limitBytes, record, schemas }: Encoded, rule: TopicRule) {
  const event = decodeRecord(record, limitBytes, schemas)
  if (!event.ok) return event
  const value = parseExactly(event.value.json)
  return finish(rule, { record, key, value, envelope: value, schema: null }, () => event)
}

function mapRecord(
  { key, limitBytes, record }: Encoded,
  rule: TopicRule & { readonly event: EventMapping },
  { isBinary, schema, text }: RecordJson,
): Result<RuledEvent | null, DecodeError> {
  const envelope = parseExactly(text)
  const value = unwrap(rule.event, envelope)
  const view: RecordView = { record, key, value, envelope, schema }
  const isTombstone = value === null
  if (isTombstone && rule.tombstones === 'drop') return ok(null)
  if (isTombstone && rule.tombstones === 'dead_letter') return fail({ kind: 'tombstone' })
  const type = isTombstone && typeof rule.tombstones === 'object' ? rule.tombstones.type : rule.event.type
  return finish(rule, view, () => {
    const isWhole = value === envelope && rule.event.data === null && rule.event.omit.length === 0
    const data = { name: isBinary ? 'data_base64' : 'data', json: isWhole ? text : dataText(rule.event, view) }
    return toEvent(rule, view, type, data, limitBytes)
  })
}

/** Filters run before the event is made, so that a dropped record costs no more work and cannot become a dead letter. */
function finish(
  rule: TopicRule,
  view: RecordView,
  makeEvent: () => Result<DecodedEvent, DecodeError>,
): Result<RuledEvent | null, DecodeError> {
  if (!passes(rule.filters, view)) return ok(null)
  const event = makeEvent()
  if (!event.ok) return event
  if (rule.recipients === null) return ok({ event: event.value, recipients: null })
  const recipients = readRecipients(rule.recipients, view)
  if (!recipients.ok && recipients.reason === 'too_large')
    return fail({ kind: 'too_large_for_shard', limitBytes: MAX_IDS_CHARS })
  if (recipients.ok && recipients.value.length > 0) return ok({ event: event.value, recipients: recipients.value })
  const places = rule.recipients.map(({ text }) => text).join(' | ')
  const message = `no recipient at ${places}, where every record of the rule "${rule.name}" must have one`
  return fail({ kind: 'invalid_recipients', message })
}

function passes(filters: readonly RuleFilter[], view: RecordView): boolean {
  if (filters.length === 0) return true
  return filters.some((filter) => filter.every(({ condition, value }) => meets(condition, readValue(value, view))))
}

/** Reads the items of a list one at a time: its numbers, written out together, could fill the memory. */
function meets(condition: Condition, value: unknown): boolean {
  if (!Array.isArray(value)) return matchesCondition(condition, toScalar(value))
  return condition === null || value.some((item: unknown) => matchesCondition(condition, toScalar(item)))
}

/** Returns the users that a rule's recipients name: one value or a list. */
export function readRecipients(recipients: RuleValue, view: RecordView): ReturnType<typeof toIds> {
  return toIds(readValue(recipients, view))
}

function readJson(
  record: LogRecord,
  mapping: EventMapping,
  limitBytes: number,
  schemas: Schemas | null,
): Result<RecordJson, DecodeError> {
  const framed = framedBySchema(record)
  if (framed !== undefined) {
    if (!framed.ok) return framed
    const text = schemaToJson(framed.value, schemas, limitBytes, false)
    const codec = schemas?.get(framed.value.schemaId)
    const schema = codec?.ok === true ? (codec.value.nameOf?.(framed.value.body) ?? null) : null
    return text.ok ? ok({ text: text.value, schema }) : text
  }
  const value = record.value ?? new Uint8Array()
  const format = mapping.format === 'content-type' ? formatOf(record) : mapping.format
  if (format === 'bytes') return ok({ text: JSON.stringify(toBase64(value)), schema: null, isBinary: true })
  const text = decodeUtf8(value)
  if (text === undefined) return fail({ kind: 'not_utf8' })
  if (format === 'text') return ok({ text: JSON.stringify(text), schema: null })
  const parsed = parseJsonOrReason(text)
  return parsed.ok
    ? ok({ text, schema: null })
    : fail({ kind: 'rule_failed', message: `the value is not JSON: ${parsed.reason}` })
}

function formatOf(record: LogRecord): 'json' | 'text' | 'bytes' {
  const contentType = (headerText(record, 'content-type') ?? headerText(record, 'contenttype') ?? '').replaceAll(
    '"',
    '',
  )
  if (contentType === '' || /json/i.test(contentType)) return 'json'
  return /^text\//i.test(contentType) ? 'text' : 'bytes'
}

/** Kafka Connect's JSON converter puts the value beside its schema; without schemas it has no envelope. */
function unwrap({ envelope: pointer }: EventMapping, document: unknown): unknown {
  if (pointer === null || !isObject(document) || !Object.hasOwn(document, 'schema')) return document
  const inner = evaluatePointer(pointer, document)
  return inner === undefined ? document : inner
}

function toEvent(
  rule: TopicRule & { readonly event: EventMapping },
  view: RecordView,
  typeValue: RuleValue,
  data: { readonly name: string; readonly json: string },
  limitBytes: number,
): Result<DecodedEvent, DecodeError> {
  const { event: mapping } = rule
  const attributes: [string, unknown][] = [['specversion', '1.0']]
  for (const [name, value] of Object.entries({ type: typeValue, source: mapping.source, id: mapping.id })) {
    const text = readText(value, view)
    if (text === undefined || text === '') {
      const places = value.map((one) => one.text).join(' | ')
      return fail({ kind: 'rule_failed', message: `no ${name} at ${places} (rule "${rule.name}")` })
    }
    attributes.push([name, text])
  }
  const time = toTime(readText(mapping.time, view))
  if (time !== undefined) attributes.push(['time', time])
  const subject = mapping.subject === null ? undefined : readText(mapping.subject, view)
  if (subject !== undefined) attributes.push(['subject', subject])
  for (const [name, value] of mapping.extensions) {
    const read = readValue(value, view)
    if (read !== undefined && !isObject(read) && !Array.isArray(read)) attributes.push([name, read])
  }
  if (data.name === 'data') attributes.push(['datacontenttype', 'application/json'])
  const head = JSON.stringify(Object.fromEntries(attributes))
  const json = `${head.slice(0, -1)},"${data.name}":${data.json}}`
  const utf8 = encoder.encode(json)
  if (utf8.length > limitBytes) return fail({ kind: 'too_large', limitBytes })
  const event = parseStructured(json)
  return event.ok
    ? ok({ ...event.value, utf8 })
    : fail({ kind: 'rule_failed', message: `${event.reason} (rule "${rule.name}")` })
}

/** Returns RFC 3339 text unchanged, and a number as milliseconds since the epoch. Other values are left out: time is optional. */
function toTime(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  if (/^\d{4}-\d\d-\d\d[Tt]/.test(text)) return Number.isNaN(Date.parse(text)) ? undefined : text
  const ms = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  return isoTime(ms) ?? undefined
}
