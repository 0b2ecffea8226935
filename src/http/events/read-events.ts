// An HTTP request → the CloudEvents it carries, by the HTTP protocol binding of CloudEvents 1.0: structured, batched or
// binary mode, chosen by content type. As RIG, `application/json` without a ce-specversion header is structured mode,
// for people send CloudEvents as JSON. Used by events.ts only.
import { decodeUtf8 } from '../../core/text.ts'
import { fromBinary, isLargerThan, parseBatch, parseStructured } from '../../core/events/cloud-event.ts'
import type { CloudEvent } from '../../core/events/stored-event.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { readBody } from '../../core/http-body.ts'
import { mediaTypeOf } from '../../core/media-type.ts'

/** Events and bytes of one batch: what one produce should carry, and far below what an isolate has memory for. */
const MAX_BATCH_EVENTS = 100
const MAX_BATCH_BYTES = 1_048_576

export type Mode = 'structured' | 'batched' | 'binary'

export interface EventRequest {
  readonly mode: Mode
  /** One, but for a batch. */
  readonly events: readonly CloudEvent[]
}

export async function readEvents(request: Request, maxEventBytes: number): Promise<Result<EventRequest, RigelError>> {
  const mode = modeOf(request.headers)
  if (!mode.ok) return mode
  const limitBytes = mode.value === 'batched' ? Math.max(MAX_BATCH_BYTES, maxEventBytes) : maxEventBytes
  const body = await readBody(request, limitBytes)
  if (!body.ok) return fail({ kind: 'event_too_large', limitBytes, gotBytes: body.gotBytes })
  const parsed = parse(mode.value, request.headers, body.bytes)
  if (!parsed.ok) {
    const message = `The request body does not look like a CloudEvent: ${parsed.reason}`
    return fail({ kind: 'not_a_cloud_event', message })
  }
  const tooLarge = parsed.value.find((event) => isLargerThan(event, maxEventBytes))
  if (tooLarge !== undefined) {
    const gotBytes = new TextEncoder().encode(tooLarge.json).byteLength
    return fail({ kind: 'event_too_large', limitBytes: maxEventBytes, gotBytes })
  }
  return ok({ mode: mode.value, events: parsed.value })
}

export function modeOf(headers: Headers): Result<Mode, RigelError> {
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

function parse(mode: Mode, headers: Headers, bytes: Uint8Array): Result<readonly CloudEvent[], string> {
  if (mode === 'binary')
    return asList(fromBinary(readAttributes(headers), headers.get('content-type') ?? undefined, bytes))
  const text = decodeUtf8(bytes)
  if (text === undefined) return fail('it is not UTF-8')
  if (mode === 'structured') return asList(parseStructured(text))
  const batch = parseBatch(text)
  if (batch.ok && batch.value.length > MAX_BATCH_EVENTS) {
    return fail(`a batch of ${batch.value.length} events, at most ${MAX_BATCH_EVENTS} are allowed`)
  }
  return batch
}

function asList(event: Result<CloudEvent, string>): Result<readonly CloudEvent[], string> {
  return event.ok ? ok([event.value]) : event
}

/** `ce-` headers are percent-encoded where they are not printable ASCII (binding 1.0, section 3.1.3.2). */
export function readAttributes(headers: Headers): Readonly<Record<string, string>> {
  const attributes = [...headers].filter(([name]) => name.startsWith('ce-') && name !== 'ce-data')
  return Object.fromEntries(attributes.map(([name, value]) => [name.slice('ce-'.length), percentDecode(value)]))
}

function percentDecode(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
