// Events as they travel from a follower to a shard and as the shard stores them: per event a head in JSON, and the events'
// texts, as bytes, one behind the other. So nothing is done per event on the way, nothing is escaped or encoded twice, and a
// shard that nobody is connected to never looks into what it stores. Pure.
import type { RoutedEvent } from '../events/stored-event.ts'

/** A row of SQLite holds 2 MB at most; a quarter of it leaves room for heads. */
const MAX_PACK_BYTES = 500_000

/** Nothing was decoded yet, so no mark of byte order is to be dropped. */
const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true })

export type EventHeader = readonly [
  type: string,
  fields: RoutedEvent['fields'],
  recipients: RoutedEvent['recipients'],
  /** Of Rigel's own events: whom it is for alone. */
  connectionId: string | null,
  /** Of its text, in bytes. */
  length: number,
  /** Of what a follower read; Rigel's own events have none. */
  offset?: number,
]

export interface EncodedEvents {
  /** A JSON array of a `Head` for each event. */
  readonly heads: string
  /** Its buffer holds nothing else: a call would carry that too. */
  readonly body: Uint8Array
}

export interface EventBatch extends EncodedEvents {
  readonly count: number
  readonly firstOffset: number
  readonly lastOffset: number
}

/** What a follower hands to one shard: events of one topic-partition, in offset order. */
export interface AppendBatch {
  readonly topic: string
  readonly partition: number
  /** Grows when offsets start anew (topic recreated, offset out of range): a shard then forgets the offsets it has seen. */
  readonly generation: number
  readonly packs: readonly EventBatch[]
}

/** In order, in packs that a row can hold. */
export function encodeBatches(events: readonly RoutedEvent[]): readonly EventBatch[] {
  const packs: EventBatch[] = []
  let from = 0
  let bytes = 0
  for (const [index, { utf8 }] of events.entries()) {
    if (index > from && bytes + utf8.length > MAX_PACK_BYTES) {
      packs.push(packOne(events.slice(from, index), bytes))
      from = index
      bytes = 0
    }
    bytes += utf8.length
  }
  if (from < events.length) packs.push(packOne(events.slice(from), bytes))
  return packs
}

function packOne(events: readonly RoutedEvent[], bytes: number): EventBatch {
  const body = new Uint8Array(bytes)
  let at = 0
  const heads = events.map(({ fields, offset, recipients, type, utf8 }): EventHeader => {
    body.set(utf8, at)
    at += utf8.length
    return [type, fields, recipients, null, utf8.length, offset]
  })
  return {
    count: events.length,
    firstOffset: events[0]?.offset ?? 0,
    lastOffset: events.at(-1)?.offset ?? 0,
    heads: JSON.stringify(heads),
    body,
  }
}

export function* decodeBatch({ heads, body }: EventBatch): Generator<RoutedEvent> {
  let at = 0
  for (const [type, fields, recipients, , length, offset = 0] of decodeHeaders(heads)) {
    yield { offset, type, utf8: body.subarray(at, at + length), fields, recipients }
    at += length
  }
}

export function decodeHeaders(heads: string): readonly EventHeader[] {
  return JSON.parse(heads) as readonly EventHeader[]
}

/** In order. Most packs are ASCII: there one call decodes all, and a place in bytes is one in characters. */
export function decodePayloads(heads: readonly EventHeader[], body: Uint8Array): readonly string[] {
  const all = decoder.decode(body)
  const isAscii = all.length === body.length
  let at = 0
  return heads.map(([, , , , length]) => {
    const from = at
    at += length
    return isAscii ? all.slice(from, at) : decoder.decode(body.subarray(from, at))
  })
}
