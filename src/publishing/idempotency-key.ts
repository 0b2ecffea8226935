// The key by which a pushed event is recognised: its position in the Kafka that it comes from, else its whole text. `source` and
// `id` alone only if the sender says that they are unique: RIG's clients and Debezium write one id into different events. Keys are
// digests within one sender, so that no sender can occupy the key of another. Pure, except for Web Crypto. Used by push.ts.
import { toBase64 } from '../core/bytes.ts'
import type { CloudEvent } from '../core/events/stored-event.ts'
import type { SourcePosition } from '../core/events/source-position.ts'

/** Identifies the sender of a push. Two senders never share a key. */
export interface PushSender {
  /** The token's user, or the internal API; empty if unknown. */
  readonly publisher: string
  /** The connector that the URL names; empty if none. */
  readonly connector: string
  /** Whether `source` and `id` identify its events, as CloudEvents demands. */
  readonly hasUniqueIds: boolean
}

/** 128 bits: digests of different events do not collide. */
const KEY_BYTES = 16

const encoder = new TextEncoder()

export function keyOfPosition(sender: PushSender, { topic, partition, offset }: SourcePosition): Promise<string> {
  return digest('position', sender, [topic, partition, offset])
}

export function keyOfEvent(sender: PushSender, { source, type, id, json }: CloudEvent): Promise<string> {
  if (!sender.hasUniqueIds) return keyOfBytes(sender, encoder.encode(json))
  // Events before CloudEvents 1.0 may have no source: the type is used instead.
  return source === undefined ? digest('id of type', sender, [type, id]) : digest('id', sender, [source, id])
}

/** A client's own key (`Idempotency-Key`), for the event of this index in its request. */
export function keyOfRequest(publisher: string, key: string, index: number): Promise<string> {
  return digest('request', { publisher, connector: '', hasUniqueIds: false }, [key, String(index)])
}

export function keyOfBytes(sender: PushSender, bytes: Uint8Array): Promise<string> {
  return digest('bytes', sender, [], bytes)
}

/** JSON makes the list of parts unambiguous, and contains no zero byte, which separates it from the rest. */
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
