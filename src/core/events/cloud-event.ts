// CloudEvents 1.0, 0.2 and 0.1, from structured, batched and binary mode to the one shape that Rigel forwards: structured
// JSON, verbatim where it came structured. Pure; called by the HTTP binding (http/events), the Kafka binding (decoding)
// and everything that publishes.
import { toId } from '../identity/user-id.ts'
import type { CloudEvent } from './stored-event.ts'
import { countMembers, isObject, parseJson, parseJsonOrReason, showJson, sliceArray, type JsonObject } from '../json.ts'
import { fail, ok, type Result } from '../result.ts'
import { attributesProblem, VERSIONS, type Specversion } from './attribute-rules.ts'
import { readBinaryData } from './binary-data.ts'

/** Header names have no case, and version 0.1 is the only one whose attribute names do. */
const NAMES_OF_0_1: Readonly<Record<string, string>> = {
  cloudeventsversion: 'cloudEventsVersion',
  eventid: 'eventID',
  eventtime: 'eventTime',
  eventtype: 'eventType',
  eventtypeversion: 'eventTypeVersion',
  schemaurl: 'schemaURL',
}

/** The attributes of 0.2 and 0.1 that are strings; all others are extensions. */
const STRINGS_BEFORE_1_0 = new Set([
  'specversion',
  'type',
  'id',
  'source',
  'time',
  'schemaurl',
  'contenttype',
  'subject',
  ...Object.keys(NAMES_OF_0_1),
])

/** What RIG and Rigel say of a request that became an event: an object, also in a header. */
const RIG_EXTENSION = 'rig'

const CONTENT_TYPE_NAMES = { '1.0': 'datacontenttype', '0.2': 'contenttype', '0.1': 'contentType' } as const

/** Errors are copied into headers and logs, so quoted values are truncated. */
const MAX_SHOWN_CHARS = 40

const encoder = new TextEncoder()

/** Parses one event in structured mode. The error says what is wrong, without naming the transport. */
export function parseStructured(text: string): Result<CloudEvent, string> {
  const parsed = parseJsonOrReason(text)
  return parsed.ok ? fromObject(parsed.value, text) : fail(notJson(parsed.reason))
}

/** Parses a batch, a JSON array of structured events. A wrong one refuses the whole batch; the error has its index. */
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

/** One element of a batch: its text, and the event or the reason why the element is not a CloudEvent. */
export interface Element {
  /** The element as it was written. */
  readonly text: string
  readonly event: Result<CloudEvent, string>
}

/** Parses the elements of a JSON array, `limit` of them at most, each as an event or as what is wrong with it. */
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

/**
 * Parses an event in binary mode: attributes from headers (names without their `ce_` or `ce-` prefix), data from the body.
 * A header cannot replace the data.
 */
export function fromBinary(
  headers: Readonly<Record<string, string>>,
  contentType: string | undefined,
  bytes: Uint8Array,
): Result<CloudEvent, string> {
  const given = headers['specversion'] ?? headers['cloudeventsversion']
  const version = isVersion(given) ? given : undefined
  const attributes = toAttributes(version, headers)
  if (bytes.length === 0) return fromObject(attributes, JSON.stringify(attributes))
  const data = readBinaryData(version, contentType, bytes)
  if (!data.ok) return data
  const { name, value, json } = data.value
  const typed = contentType === undefined ? {} : { [CONTENT_TYPE_NAMES[version ?? '1.0']]: contentType }
  const head = JSON.stringify({ ...attributes, ...typed })
  return fromObject({ ...attributes, ...typed, [name]: value }, `${head.slice(0, -1)},"${name}":${json}}`)
}

/** Returns whether the event's JSON exceeds the limit in UTF-8 bytes. A code unit has at most three: most need no counting. */
export function isLargerThan(event: CloudEvent, limitBytes: number): boolean {
  return event.json.length * 3 > limitBytes && encoder.encode(event.json).length > limitBytes
}

function fromObject(value: unknown, json: string): Result<CloudEvent, string> {
  if (!isObject(value)) return fail('a CloudEvent must be a JSON object')
  const specversion = value['specversion'] ?? value['cloudEventsVersion']
  if (!isVersion(specversion)) {
    return fail(`specversion must be "1.0", "0.2" or "0.1" (there: cloudEventsVersion), got ${show(specversion)}`)
  }
  const problem = attributesProblem(specversion, value)
  if (problem !== undefined) return fail(problem)
  if (mayHideType(value, json)) return fail('a member is there twice: parsers differ in which of them they read')
  const names = VERSIONS[specversion]
  const source = value[names.source]
  return ok({
    specversion,
    id: toId(value[names.id]) ?? String(value[names.id]),
    type: String(value[names.type]),
    source: typeof source === 'string' ? source : undefined,
    json,
    parsed: value,
  })
}

/** A text without it, and without `\u`, names no type that is reserved. The brackets have V8 skip text as it searches, which it does not for plain text. */
const MAY_BE_RESERVED = /["]rig[.]/

/**
 * Returns whether an event that is forwarded as it was written may have a second type, which only Rigel may send: clients whose
 * parser takes the first of two members would act on it.
 */
function mayHideType(value: JsonObject, json: string): boolean {
  const mayBeReserved = json.includes('\\u') || MAY_BE_RESERVED.test(json)
  return mayBeReserved && countMembers(json) !== Object.keys(value).length
}

function toAttributes(
  version: Specversion | undefined,
  headers: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const attributes = Object.entries(headers).filter(([name]) => name !== 'data' && name !== 'data_base64')
  const isOld = version === '0.2' || version === '0.1'
  return Object.fromEntries(
    attributes.map(([name, text]) => [
      version === '0.1' ? (NAMES_OF_0_1[name] ?? name) : name,
      name === RIG_EXTENSION || (isOld && !STRINGS_BEFORE_1_0.has(name)) ? toExtension(text) : text,
    ]),
  )
}

/** Like RIG, extensions of events before 1.0 are JSON if they parse as JSON. */
function toExtension(text: string): unknown {
  const value = parseJson(text)
  return value === undefined ? text : value
}

/** Objects are not quoted: they may be as deep and as large as the sender likes. */
function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (isObject(value)) return 'an object'
  if (value === undefined) return 'none'
  return showJson(value, MAX_SHOWN_CHARS)
}

function notJson(reason: string): string {
  return `not JSON: ${reason}`
}

function isVersion(value: unknown): value is Specversion {
  return value === '1.0' || value === '0.2' || value === '0.1'
}
