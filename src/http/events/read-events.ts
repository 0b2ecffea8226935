// An HTTP request → the CloudEvents it carries, by the HTTP protocol binding of CloudEvents 1.0: structured, batched or
// binary mode, chosen by content type. Like RIG, `application/json` without a ce-specversion header is structured mode,
// because people send CloudEvents as JSON. Used by post-events.ts and the internal API.
import { decodeUtf8 } from '../../core/text.ts'
import { toCheckedEvent } from '../../core/events/checked-event.ts'
import { fromBinary, isLargerThan, parseBatch, parseStructured } from '../../core/events/cloud-event.ts'
import type { CloudEvent } from '../../core/events/stored-event.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { mediaTypeOf } from '../../core/media-type.ts'
import type { RequestBodies } from '../request/request-bodies.ts'
import { readHeaderAttributes } from './header-attributes.ts'

/** Events and bytes of one batch: what one produce should carry, and far below the memory of an isolate. */
const MAX_BATCH_EVENTS = 100
const MAX_BATCH_BYTES = 1_048_576

type ContentMode = 'structured' | 'batched' | 'binary'

export interface EventRequest {
  readonly mode: ContentMode
  /** Exactly one, except in a batch. */
  readonly events: readonly CloudEvent[]
}

/** `isChecked`: a service decides about the events (SUBMISSION_CHECK). */
export async function readEvents(
  bodies: RequestBodies,
  request: Request,
  maxEventBytes: number,
  isChecked = false,
): Promise<Result<EventRequest, RigelError>> {
  const mode = modeOf(request.headers)
  if (!mode.ok) return mode
  const limitBytes = mode.value === 'batched' ? Math.max(MAX_BATCH_BYTES, maxEventBytes) : maxEventBytes
  const body = await bodies.read(request, limitBytes)
  if (!body.ok) return body
  const parsed = parse(mode.value, request.headers, body.value)
  if (!parsed.ok) return fail(notAnEvent(parsed.reason))
  if (parsed.value.length > MAX_BATCH_EVENTS) return fail({ kind: 'too_many_events', limit: MAX_BATCH_EVENTS })
  const tooLarge = parsed.value.find((event) => isLargerThan(event, maxEventBytes))
  if (tooLarge !== undefined) {
    const gotBytes = new TextEncoder().encode(tooLarge.json).byteLength
    return fail({ kind: 'event_too_large', limitBytes: maxEventBytes, gotBytes })
  }
  if (!isChecked) return ok({ mode: mode.value, events: parsed.value })
  const events: CloudEvent[] = []
  for (const event of parsed.value) {
    const checked = toCheckedEvent(event)
    if (!checked.ok) return fail(notAnEvent(checked.reason))
    events.push(checked.value)
  }
  return ok({ mode: mode.value, events })
}

export function notAnEvent(reason: string): RigelError {
  return { kind: 'not_a_cloud_event', message: `The request body does not look like a CloudEvent: ${reason}` }
}

export function modeOf(headers: Headers): Result<ContentMode, RigelError> {
  const type = mediaTypeOf(headers)
  const isBinary = headers.has('ce-specversion')
  if (type === undefined && !isBinary) {
    return fail({
      kind: 'bad_request',
      message: 'A content-type is required: application/cloudevents+json, for example.',
    })
  }
  if (type === 'application/cloudevents-batch+json') return ok('batched')
  if (type === 'application/cloudevents' || type === 'application/cloudevents+json') return ok('structured')
  if (type?.startsWith('application/cloudevents') === true) {
    return fail({
      kind: 'unsupported_content_type',
      message: `The content-type ${type} is not supported: send application/cloudevents+json or application/cloudevents-batch+json.`,
    })
  }
  return ok(type === 'application/json' && !isBinary ? 'structured' : 'binary')
}

function parse(mode: ContentMode, headers: Headers, bytes: Uint8Array): Result<readonly CloudEvent[], string> {
  if (mode === 'binary') return asList(parseBinary(headers, bytes))
  const text = decodeUtf8(bytes)
  if (text === undefined) return fail('it is not UTF-8')
  return mode === 'structured' ? asList(parseStructured(text)) : parseBatch(text)
}

function parseBinary(headers: Headers, bytes: Uint8Array): Result<CloudEvent, string> {
  const attributes = readHeaderAttributes(headers)
  return attributes.ok ? fromBinary(attributes.value, headers.get('content-type') || undefined, bytes) : attributes
}

function asList(event: Result<CloudEvent, string>): Result<readonly CloudEvent[], string> {
  return event.ok ? ok([event.value]) : event
}
