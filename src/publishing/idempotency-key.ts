// What a pushed event is told apart by: its place in the Kafka that it comes from, or, without one, all of what it says. Its
// `source` and `id` alone only where the sender says that they are unique: RIG's clients and Debezium write the same id
// into different events. A digest, so that nobody can make another's key, however names are chosen; within one sender,
// so that nobody can take another's place in the log before he does. Pure but for Web Crypto; used by push.ts.
import { toBase64 } from '../core/bytes.ts'
import type { CloudEvent } from '../core/events/stored-event.ts'
import type { SourcePosition } from '../core/events/source-position.ts'

/** Who pushes: two senders never share a key. */
export interface PushSender {
  /** Whom the token is of, or the internal API; empty: nobody known. */
  readonly publisher: string
  /** As the URL names it; empty: it does not. */
  readonly connector: string
  /** Its events are what CloudEvents asks for: of one `source` and `id`, they are the same. */
  readonly hasUniqueIds: boolean
}

/** 128 bits: two different events never meet. */
const KEY_BYTES = 16

const encoder = new TextEncoder()

export function keyOfPosition(sender: PushSender, { topic, partition, offset }: SourcePosition): Promise<string> {
  return digest('position', sender, [topic, partition, offset])
}

export function keyOfEvent(sender: PushSender, { source, type, id, json }: CloudEvent): Promise<string> {
  if (!sender.hasUniqueIds) return keyOfBytes(sender, encoder.encode(json))
  // Without a source, as events before CloudEvents 1.0 may be, the type stands in.
  return source === undefined ? digest('id of type', sender, [type, id]) : digest('id', sender, [source, id])
}

/** A client's own key (`Idempotency-Key`), for the event of this index in its request. */
export function keyOfRequest(publisher: string, key: string, index: number): Promise<string> {
  return digest('request', { publisher, connector: '', hasUniqueIds: false }, [key, String(index)])
}

export function keyOfBytes(sender: PushSender, bytes: Uint8Array): Promise<string> {
  return digest('bytes', sender, [], bytes)
}

/** As JSON, so that no two lists of parts are the same text; no byte of it is zero. */
async function digest(
  kind: string,
  { publisher, connector }: PushSender,
  parts: readonly string[],
  rest: Uint8Array = new Uint8Array(),
): Promise<string> {
  const head = encoder.encode(JSON.stringify([kind, publisher, connector, ...parts]))
  const bytes = new Uint8Array(head.length + 1 + rest.length)
  bytes.set(head)
  bytes.set(rest, head.length + 1)
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return toBase64(hash.subarray(0, KEY_BYTES))
}
