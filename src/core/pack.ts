// Events as they travel from a follower to a shard and as the shard stores them: per event a head in JSON, and the events'
// texts one behind the other. So nothing is done per event on the way, nothing is escaped twice, and a shard that nobody is
// connected to never looks into what it stores. Pure.
import type { RoutedEvent } from './event.ts'

/** A row of SQLite holds 2 MB at most; a quarter of it leaves room for heads and for UTF-8. */
const MAX_PACK_CHARS = 500_000

export type Head = readonly [
  type: string,
  fields: RoutedEvent['fields'],
  recipients: RoutedEvent['recipients'],
  /** Of Rigel's own events: whom it is for alone. */
  connectionId: string | null,
  /** Of its text, in UTF-16 code units. */
  length: number,
  /** Of what a follower read; Rigel's own events have none. */
  offset?: number,
]

export interface EventPack {
  readonly count: number
  readonly firstOffset: number
  readonly lastOffset: number
  /** A JSON array of a `Head` for each event. */
  readonly heads: string
  readonly body: string
}

/** What a follower hands to one shard: events of one topic-partition, in offset order. */
export interface AppendBatch {
  readonly topic: string
  readonly partition: number
  /** Grows when offsets start anew (topic recreated, offset out of range): a shard then forgets the offsets it has seen. */
  readonly generation: number
  readonly packs: readonly EventPack[]
}

/** In order, in packs that a row can hold. */
export function packEvents(events: readonly RoutedEvent[]): readonly EventPack[] {
  const packs: EventPack[] = []
  let from = 0
  let chars = 0
  for (const [index, { json }] of events.entries()) {
    if (index > from && chars + json.length > MAX_PACK_CHARS) {
      packs.push(packOne(events.slice(from, index)))
      from = index
      chars = 0
    }
    chars += json.length
  }
  if (from < events.length) packs.push(packOne(events.slice(from)))
  return packs
}

function packOne(events: readonly RoutedEvent[]): EventPack {
  const heads = events.map(({ fields, json, offset, recipients, type }): Head => {
    return [type, fields, recipients, null, json.length, offset]
  })
  return {
    count: events.length,
    firstOffset: events[0]?.offset ?? 0,
    lastOffset: events.at(-1)?.offset ?? 0,
    heads: JSON.stringify(heads),
    body: events.map(({ json }) => json).join(''),
  }
}

export function* unpackEvents({ heads, body }: EventPack): Generator<RoutedEvent> {
  let at = 0
  for (const [type, fields, recipients, , length, offset = 0] of JSON.parse(heads) as readonly Head[]) {
    yield { offset, type, json: body.slice(at, at + length), fields, recipients }
    at += length
  }
}
