// The messages of Phoenix Channels: serializer V1 (an object) and V2 (an array, or binary for a client's push). The source
// is the `phoenix` package, assets/js/phoenix/serializer.js. Pure.
import * as z from 'zod'
import { toHttp, type RigelError } from '../../../../core/errors.ts'
import { parseJson } from '../../../../core/json.ts'

/** Version of the serializer: 1 for `vsn` 1.x or no `vsn`, 2 for `vsn` 2.x. */
export type Vsn = 1 | 2

export interface Message {
  /** Identifies the join that the message belongs to: messages of an earlier join are dropped. */
  readonly joinRef: string | null
  readonly ref: string | null
  readonly topic: string
  readonly event: string
  /** JSON, or bytes for a binary push. */
  readonly payload: unknown
}

export interface Reply {
  readonly status: 'ok' | 'error'
  readonly response: object
}

export const OK: Reply = { status: 'ok', response: {} }

/** Returns the reply to a message that is refused. */
export function failed(reason: RigelError | string): Reply {
  return { status: 'error', response: { reason: typeof reason === 'string' ? reason : toHttp(reason).message } }
}

/** Names that Phoenix's library or Rigel reserves: a client acts on `phx_close`, whoever has sent it. */
const OWN_EVENTS = /^(phx_|chan_reply_|presence_state$|presence_diff$|position$)/

/** Returns the name under which an event of this type may be sent: `message` for one that Phoenix or Rigel would be taken for. */
export function nameOfType(type: string): string {
  return OWN_EVENTS.test(type) ? 'message' : type
}

/** Why a client is closed that sent what `decodeMessage` does not decode. At most 123 bytes: see Close. */
export const NOT_A_MESSAGE: RigelError = {
  kind: 'protocol_violation',
  message:
    'Not a message of Phoenix Channels: [join_ref, ref, topic, event, payload], with vsn=1.0.0 an object of these.',
}

const BINARY_PUSH = 0
const BINARY_HEAD_BYTES = 5

/** The library counts from 1. */
const MAX_REF_CHARS = 100

// Old clients send numbers.
const ref = z
  .union([z.string().max(MAX_REF_CHARS), z.number()])
  .nullish()
  .transform((value) => (value === null || value === undefined ? null : String(value)))

const messageV1 = z
  .object({ topic: z.string(), event: z.string(), payload: z.unknown(), ref, join_ref: ref })
  .transform(({ join_ref: joinRef, ...rest }): Message => ({ ...rest, joinRef }))

const messageV2 = z
  .tuple([ref, ref, z.string(), z.string(), z.unknown()])
  .transform(([joinRef, messageRef, topic, event, payload]): Message => ({
    joinRef,
    ref: messageRef,
    topic,
    event,
    payload,
  }))

/** Returns the serializer of a message, whatever `vsn` says: by long-polling the library uses V2 even where told V1. */
export function spokenVsn(data: string | ArrayBuffer): Vsn {
  return typeof data === 'string' && data.trimStart().startsWith('{') ? 1 : 2
}

/** Returns undefined if the data is not a message of this serializer. */
export function decodeMessage(vsn: Vsn, data: string | ArrayBuffer): Message | undefined {
  if (typeof data !== 'string') return vsn === 2 ? decodeBinary(new Uint8Array(data)) : undefined
  return (vsn === 2 ? messageV2 : messageV1).safeParse(parseJson(data)).data
}

export function encodeReply(vsn: Vsn, to: Message, { status, response }: Reply): string {
  return encode(vsn, { ...to, event: 'phx_reply' }, JSON.stringify({ status, response }))
}

/** `payload` is JSON text and is sent as it is. */
export function encode(vsn: Vsn, message: Omit<Message, 'payload'>, payload: string): string {
  const { joinRef, ref: messageRef, topic, event } = message
  if (vsn === 2) return `${JSON.stringify([joinRef, messageRef, topic, event]).slice(0, -1)},${payload}]`
  const head = JSON.stringify({ topic, event, ref: messageRef, join_ref: joinRef })
  return `${head.slice(0, -1)},"payload":${payload}}`
}

/** The format is: kind, four sizes, join ref, ref, topic, event; the rest is the payload. */
function decodeBinary(bytes: Uint8Array): Message | undefined {
  const [kind, ...sizes] = bytes.subarray(0, BINARY_HEAD_BYTES)
  const payloadAt = BINARY_HEAD_BYTES + sizes.reduce((sum, size) => sum + size, 0)
  if (kind !== BINARY_PUSH || sizes.length !== BINARY_HEAD_BYTES - 1 || payloadAt > bytes.length) return undefined
  const decoder = new TextDecoder()
  let at = BINARY_HEAD_BYTES
  const [joinRef = '', messageRef = '', topic = '', event = ''] = sizes.map((size) =>
    decoder.decode(bytes.subarray(at, (at += size))),
  )
  const payload = bytes.slice(payloadAt)
  return { joinRef: joinRef === '' ? null : joinRef, ref: messageRef === '' ? null : messageRef, topic, event, payload }
}
