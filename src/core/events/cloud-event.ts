// CloudEvents 1.0, 0.2 and 0.1, from structured, batched and binary mode to the one shape Rigel forwards: structured
// JSON, verbatim where it came structured. Pure; who calls are the follower (Kafka binding) and the front door (HTTP).
import { toBase64 } from '../bytes.ts'
import type { CloudEvent } from './stored-event.ts'
import { isObject, parseJsonOrReason, showJson, sliceArray } from '../json.ts'
import { decodeUtf8 } from '../text.ts'
import { fail, ok, type Result } from '../result.ts'

/** Where each version keeps what Rigel reads, and what it may not be without. */
const VERSIONS = {
  '1.0': { type: 'type', id: 'id', source: 'source', required: ['id', 'source', 'type'] },
  '0.2': { type: 'type', id: 'id', source: 'source', required: ['id', 'type'] },
  '0.1': { type: 'eventType', id: 'eventID', source: 'source', required: ['eventID', 'eventType'] },
} as const

/** Would end a field of an SSE frame, or a header. */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f]/

/** Header names have no case: 0.1 is the only version whose attributes do. */
const NAMES_OF_0_1: Readonly<Record<string, string>> = {
  cloudeventsversion: 'cloudEventsVersion',
  eventid: 'eventID',
  eventtime: 'eventTime',
  eventtype: 'eventType',
  eventtypeversion: 'eventTypeVersion',
  schemaurl: 'schemaURL',
}

/** What stands in an error goes into headers and logs. */
const MAX_SHOWN_CHARS = 40

const encoder = new TextEncoder()

/** One event in structured mode. The error says what is missing, without naming the transport. */
export function parseStructured(text: string): Result<CloudEvent, string> {
  const parsed = parseJsonOrReason(text)
  return parsed.ok ? fromObject(parsed.value, text) : fail(notJson(parsed.reason))
}

/** A batch: a JSON array of structured events. One that is wrong refuses the whole, naming its place. */
export function parseBatch(text: string): Result<readonly CloudEvent[], string> {
  const elements = parseElements(text)
  if (!elements.ok) return elements
  const events: CloudEvent[] = []
  for (const [index, { event }] of elements.value.entries()) {
    if (!event.ok) return fail(`event ${index} of the batch: ${event.reason}`)
    events.push(event.value)
  }
  return ok(events)
}

export interface Element {
  /** As it was written. */
  readonly text: string
  readonly event: Result<CloudEvent, string>
}

/** The elements of a JSON array, each an event or not: the first of them, up to the limit. */
export function parseElements(text: string, limit?: number): Result<readonly Element[], string> {
  const parsed = parseJsonOrReason(text)
  if (!parsed.ok) return fail(notJson(parsed.reason))
  if (!Array.isArray(parsed.value)) return fail('a batch must be a JSON array of CloudEvents')
  const texts = sliceArray(text, limit)
  const toElement = (item: unknown, index: number): Element => {
    const written = texts[index] ?? ''
    return { text: written, event: fromObject(item, written) }
  }
  return ok((parsed.value as readonly unknown[]).slice(0, limit).map(toElement))
}

/** An event whose attributes stood in headers (names without their `ce_` or `ce-` prefix) and whose data was the body. */
export function fromBinary(
  headers: Readonly<Record<string, string>>,
  contentType: string | undefined,
  data: Uint8Array,
): Result<CloudEvent, string> {
  const version = headers['specversion'] ?? headers['cloudeventsversion']
  const attributes = toAttributes(version, headers)
  if (data.length === 0) return fromObject(attributes, JSON.stringify(attributes))
  const body = toBody(version, contentType, data)
  if (!body.ok) return body
  const { name, value, json, typed } = body.value
  const head = JSON.stringify({ ...attributes, ...typed })
  // The data as the text it came as: written anew, large numbers would be rounded.
  return fromObject({ ...attributes, ...typed, [name]: value }, `${head.slice(0, -1)},"${name}":${json}}`)
}

/** Whether the event's JSON has more bytes of UTF-8 than allowed. A code unit is three at most: most need no counting. */
export function isLargerThan(event: CloudEvent, limitBytes: number): boolean {
  return event.json.length * 3 > limitBytes && encoder.encode(event.json).length > limitBytes
}

function fromObject(value: unknown, json: string): Result<CloudEvent, string> {
  if (!isObject(value)) return fail('a CloudEvent must be a JSON object')
  const specversion = value['specversion'] ?? value['cloudEventsVersion']
  if (!isVersion(specversion)) {
    return fail(`specversion must be "1.0", "0.2" or "0.1" (there: cloudEventsVersion), got ${show(specversion)}`)
  }
  const names = VERSIONS[specversion]
  for (const name of names.required) {
    const problem = attributeProblem(specversion, name, value[name])
    if (problem !== undefined) return fail(problem)
  }
  const source = value[names.source]
  return ok({
    specversion,
    id: String(value[names.id]),
    type: String(value[names.type]),
    source: typeof source === 'string' ? source : undefined,
    json,
    parsed: value,
  })
}

function attributeProblem(specversion: string, name: string, value: unknown): string | undefined {
  if (value === undefined) return `attribute "${name}" is missing (CloudEvents ${specversion})`
  // Ids were numbers in events of RIG's time, and RIG took them.
  if (specversion !== '1.0' && /id$/i.test(name) && typeof value === 'number') return undefined
  if (typeof value !== 'string' || value === '') return `attribute "${name}" must be a non-empty string`
  if (CONTROL.test(value)) return `attribute "${name}" must not contain control characters`
  return undefined
}

/** `data` and `data_base64` are the body's, whatever a header says. */
function toAttributes(version: string | undefined, headers: Readonly<Record<string, string>>): Record<string, string> {
  const attributes = Object.entries(headers).filter(([name]) => name !== 'data' && name !== 'data_base64')
  if (version !== '0.1') return Object.fromEntries(attributes)
  return Object.fromEntries(attributes.map(([name, value]) => [NAMES_OF_0_1[name] ?? name, value]))
}

interface Body {
  readonly name: 'data' | 'data_base64'
  readonly value: unknown
  readonly json: string
  readonly typed: Readonly<Record<string, string>>
}

function toBody(version: string | undefined, contentType: string | undefined, data: Uint8Array): Result<Body, string> {
  const typeName = version === '1.0' ? 'datacontenttype' : version === '0.2' ? 'contenttype' : 'contentType'
  const typed = contentType === undefined ? {} : { [typeName]: contentType }
  const text = decodeUtf8(data)
  if (text === undefined) {
    if (version !== '1.0') return fail('data is not UTF-8, and CloudEvents before 1.0 have no place for it')
    const value = toBase64(data)
    return ok({ name: 'data_base64', value, json: JSON.stringify(value), typed })
  }
  const asText = ok<Body>({ name: 'data', value: text, json: JSON.stringify(text), typed })
  if (contentType !== undefined && !/^application\/(?:[^;]*\+)?json\b/i.test(contentType)) return asText
  const parsed = parseJsonOrReason(text)
  if (parsed.ok) return ok({ name: 'data', value: parsed.value, json: text, typed })
  if (contentType === undefined) return asText
  return fail(`data is not the JSON that its content type says: ${notJson(parsed.reason)}`)
}

/** Never the inside of an object: it may be as deep and as large as the sender likes. */
function show(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  if (value === undefined) return 'none'
  return showJson(value, MAX_SHOWN_CHARS)
}

function notJson(reason: string): string {
  return `not JSON: ${reason}`
}

function isVersion(value: unknown): value is keyof typeof VERSIONS {
  return value === '1.0' || value === '0.2' || value === '0.1'
}
