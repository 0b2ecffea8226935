// A request of an HTTP sink connector → its elements, and the connector that sends them. An element that is not an event is
// one of the items; the request is refused only if its body cannot be split into elements. Used by post-push.ts.
import { toCheckedEvent } from '../../core/events/checked-event.ts'
import { fromBinary, isLargerThan } from '../../core/events/cloud-event.ts'
import type { CloudEvent } from '../../core/events/stored-event.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { readSourcePosition, type SourcePosition } from '../../core/events/source-position.ts'
import type { DecodeError } from '../../decoding/decode-error.ts'
import type { PushSender } from '../../publishing/idempotency-key.ts'
import type { PushItem } from '../../publishing/push.ts'
import { mediaTypeOf } from '../../core/media-type.ts'
import type { RequestBodies } from '../request/request-bodies.ts'
import { queryParameter } from '../request/query.ts'
import { readHeaderAttributes } from './header-attributes.ts'
import { MAX_PUSH_EVENTS, orDecodeError, readPushBody, type PushBody, type PushElement } from './push-body.ts'
import { notAnEvent } from './read-events.ts'

/** Nested brackets, the worst of JSON, take 30 times as much memory while they are parsed; an isolate has 128 MB. */
const MAX_BYTES = 2_097_152

/** The names that a connector may have. */
export const CONNECTOR_NAME = /^[A-Za-z0-9._-]{1,100}$/
const STRUCTURED = /^application\/cloudevents(-batch)?(\+json)?$/
/** Connectors that have no name for lines of JSON call them text, or send no type. */
const TAKEN =
  /^(application\/(.+\+)?json|application\/(x-)?(ndjson|jsonl|jsonlines)|text\/.+|application\/octet-stream)$/

const encoder = new TextEncoder()

type AttributeTexts = Readonly<Record<string, string>>

export interface PushRequest {
  /** Whether the answer is a list. */
  readonly isBatch: boolean
  readonly pushed: readonly PushItem[]
}

/** A connector as the URL of its requests describes it. */
export type Connector = Omit<PushSender, 'publisher'>

/**
 * Returns null for a client that publishes and is no connector. Only the URL and headers of the request make it a push, and
 * say that ids are unique: attributes of the events may come from an earlier sender.
 */
export function connectorOf({ url, headers }: Request): Result<Connector | null, RigelError> {
  const connector = queryParameter(url, 'connector')
  if (connector === null && positionHeader(headers, 'offset') === null) return ok(null)
  const dedupe = queryParameter(url, 'dedupe')
  if (connector !== null && !CONNECTOR_NAME.test(connector)) {
    return badRequest('connector must be 1 to 100 of letters, digits, ".", "_" and "-": ?connector=orders')
  }
  if (dedupe !== null && dedupe !== 'id') {
    return badRequest('dedupe must be "id", for events of which no two have the same source and id, or left out')
  }
  return ok({ connector: connector ?? '', hasUniqueIds: dedupe === 'id' })
}

/** `isChecked`: a service decides about the events (SUBMISSION_CHECK). */
export async function readPush(
  bodies: RequestBodies,
  request: Request,
  maxEventBytes: number,
  isChecked = false,
): Promise<Result<PushRequest, RigelError>> {
  const type = mediaTypeOf(request.headers)
  const attributes = binaryAttributes(request.headers, type)
  if (!attributes.ok) return attributes
  const binary = attributes.value
  if (binary === null && type !== undefined && !STRUCTURED.test(type) && !TAKEN.test(type)) return unsupported(type)
  const body = await bodies.read(request, MAX_BYTES)
  if (!body.ok) return body
  const read = binary ? ok(readBinary(binary, request.headers, body.value)) : readPushBody(type, body.value)
  if (!read.ok) return read
  const { elements, isBatch } = read.value
  if (elements.length > MAX_PUSH_EVENTS) return fail({ kind: 'too_many_events', limit: MAX_PUSH_EVENTS })
  const fromHeaders = elements.length === 1 ? request.headers : null
  const pushed = elements.map((element) => toPushItem(element, fromHeaders, maxEventBytes))
  return ok({ isBatch, pushed: isChecked ? pushed.map(toCheckedItem) : pushed })
}

function readBinary(attributes: AttributeTexts, headers: Headers, value: Uint8Array): PushBody {
  const event = fromBinary(attributes, headers.get('content-type') || undefined, value)
  const inHeaders = Object.entries(attributes).map(([name, text]) => ({
    key: `ce_${name}`,
    value: encoder.encode(text),
  }))
  return { isBatch: false, elements: [{ value, headers: inHeaders, event: orDecodeError(event) }] }
}

/** Connectors that forward a record's headers write `ce_`, and do not encode their values. Null: not binary mode. */
function binaryAttributes(headers: Headers, type: string | undefined): Result<AttributeTexts | null, RigelError> {
  if (type !== undefined && STRUCTURED.test(type)) return ok(null)
  const asInKafka = [...headers]
    .filter(([name]) => name.startsWith('ce_'))
    .map(([name, value]) => [name.slice(3), value])
  const inHeaders = readHeaderAttributes(headers)
  if (!inHeaders.ok) return fail(notAnEvent(inHeaders.reason))
  const attributes = { ...(Object.fromEntries(asInKafka) as Record<string, string>), ...inHeaders.value }
  return ok(attributes['specversion'] === undefined ? null : attributes)
}

/** An event that a check service could read in two ways is a dead letter. */
function toCheckedItem(item: PushItem): PushItem {
  if (item.kind !== 'event') return item
  const checked = toCheckedEvent(item.event)
  if (checked.ok) return { ...item, event: checked.value }
  const reason: DecodeError = { kind: 'not_a_cloud_event', message: checked.reason }
  const { json } = item.event
  return { kind: 'no_event', value: encoder.encode(json), headers: [], reason, position: item.position }
}

function toPushItem({ value, headers, event }: PushElement, request: Headers | null, maxEventBytes: number): PushItem {
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

/** The attributes of the event win over the headers of the request. */
function positionOf(event: CloudEvent | null, request: Headers | null): Result<SourcePosition | null, string> {
  const { kafkatopic, kafkapartition, kafkaoffset } = event?.parsed ?? {}
  const own = readSourcePosition(kafkatopic, kafkapartition, kafkaoffset)
  if (!own.ok || own.value !== null || request === null) return own
  const [topic, partition, offset] = ['topic', 'partition', 'offset'].map((name) => positionHeader(request, name))
  return readSourcePosition(topic, partition, offset)
}

/** Redpanda Connect writes its metadata as headers, with underscores. */
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
