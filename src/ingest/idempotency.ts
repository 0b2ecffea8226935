// What a pushed event is told apart by: its place in the Kafka that it comes from, or, without one, its `source` and
// `id`. A digest, so that nobody can make another's key, however names are chosen; within one sender, so that nobody can
// take another's place in the log before he does. Pure but for Web Crypto; used by push.ts.
import type { CloudEvent } from '../core/event.ts'
import type { SourcePosition } from '../core/source-position.ts'

/** Who pushes: two senders never share a key. */
export interface Sender {
  /** Whom the token is of, or the internal API; empty: nobody known. */
  readonly publisher: string
  /** As the URL names it; empty: it does not. */
  readonly connector: string
}

/** 128 bits: two different events never meet. */
const KEY_BYTES = 16

const encoder = new TextEncoder()

export function keyOfPosition(sender: Sender, { topic, partition, offset }: SourcePosition): Promise<string> {
  return digest('position', sender, [topic, partition, offset])
}

/** Without a source, as events before CloudEvents 1.0 may be, the type stands in. */
export function keyOfEvent(sender: Sender, { source, type, id }: CloudEvent): Promise<string> {
  return source === undefined ? digest('typed event', sender, [type, id]) : digest('event', sender, [source, id])
}

/** Of what is no event: all that can be told apart is what came. */
export function keyOfBytes(sender: Sender, bytes: Uint8Array): Promise<string> {
  return digest('bytes', sender, [], bytes)
}

/** As JSON, so that no two lists of parts are the same text; no byte of it is zero. */
async function digest(
  kind: string,
  { publisher, connector }: Sender,
  parts: readonly string[],
  rest: Uint8Array = new Uint8Array(),
): Promise<string> {
  const head = encoder.encode(JSON.stringify([kind, publisher, connector, ...parts]))
  const bytes = new Uint8Array(head.length + 1 + rest.length)
  bytes.set(head)
  bytes.set(rest, head.length + 1)
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return btoa(String.fromCharCode(...hash.subarray(0, KEY_BYTES)))
}
