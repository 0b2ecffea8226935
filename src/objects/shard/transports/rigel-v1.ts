// The frames of the WebSocket subprotocol `rigel.v1`, as text: many events in one frame, each with its position;
// acknowledgements as a window; subscriptions in-band. docs/protocol.md describes them, websocket.ts uses them. Pure.
import { toHttp, type RigelError } from '../../../core/errors.ts'
import { stringifyScalars } from '../../../core/scalar.ts'
import * as z from 'zod'
import { parseJson } from '../../../core/json.ts'
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import type { SystemEvent } from '../system-events.ts'
import type { PositionOf } from './stream-encoding.ts'

const clientFrame = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ack'), id: z.string().max(128) }),
  z.object({
    type: z.literal('subscribe'),
    subscriptions: z.unknown(),
    /** The offsets of the client's state of what it subscribes to. */
    as_of: z.string().max(32_768).optional(),
    ref: z.string().max(64).optional(),
  }),
  z.object({
    type: z.literal('passed'),
    /** The offsets that the client wants to know of when everything up to there has been sent. */
    offsets: z.string().max(32_768),
    ref: z.string().max(64).optional(),
  }),
  z.object({ type: z.literal('token'), token: z.string().max(16_384), ref: z.string().max(64).optional() }),
])

export type ClientFrame = z.infer<typeof clientFrame>

/** Returns the frame, or what is wrong with it. */
export function parseClientFrame(text: string): Result<ClientFrame, string> {
  const parsed = clientFrame.safeParse(parseJson(text))
  if (parsed.success) return ok(parsed.data)
  const [issue] = parsed.error.issues
  const [field = 'type'] = issue?.path ?? []
  return fail(field === 'type' ? 'type must be ack, subscribe, passed or token' : `${String(field)}: ${issue?.message}`)
}

/** Puts the text of events into a frame as it came, without parsing it. */
export function encodeEventsFrame(events: readonly StoredEvent[], position: PositionOf): string {
  return eventsFrame(events.map((event) => `{"id":"${position(event.seq)}","event":${event.json}}`))
}

export function encodeSystemEventsFrame(events: readonly SystemEvent[], id: string): string {
  return eventsFrame(events.map(({ json }) => `{"id":"${id}","event":${json}}`))
}

/** Keeps the position of a quiet connection fresh: everything up to here that concerns it has been sent. */
export function encodePositionFrame(id: string): string {
  return JSON.stringify({ type: 'position', id })
}

/** The position by which everything up to these offsets has been sent. */
export function encodePassedFrame(id: string, offsets: string, ref: string | undefined): string {
  return JSON.stringify({ type: 'position', id, passed: offsets, ref })
}

export function encodeSubscribedFrame(ref: string | undefined, subscriptions: readonly Subscription[]): string {
  return stringifyScalars({ type: 'subscribed', ref, subscriptions })
}

export function encodeRenewedFrame(ref: string | undefined, endsAtMs: number): string {
  return JSON.stringify({ type: 'renewed', ref, expires_at: new Date(endsAtMs).toISOString() })
}

/** `status`: what the same refusal has by HTTP. */
export function encodeErrorFrame(ref: string | undefined, error: RigelError): string {
  const { message, status } = toHttp(error)
  return JSON.stringify({ type: 'error', ref, message, status })
}

function eventsFrame(items: readonly string[]): string {
  return `{"type":"events","events":[${items.join(',')}]}`
}
