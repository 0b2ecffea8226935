// The columnar format in which events travel from a follower to a shard and are stored there: a JSON array of headers, and
// the events' JSON texts as bytes, concatenated. Nothing is done per event on the way, nothing is escaped or encoded twice,
// and a shard without connections stores a batch without decoding it. Used by followers and the shard's log. Pure.
import { keepShape } from '../kept-shapes.ts'
import { splitBySize } from '../split-by-size.ts'
import type { RoutedEvent, RowChange } from '../events/stored-event.ts'

/**
 * The most bytes of texts in a pack. A fetch of 2 MiB has some more than 500 kB for each of four shards: a second row for the rest would be
 * billed as much as the first.
 */
const MAX_PACK_BYTES = 600_000

/** A row of SQLite holds 2 MB at most, and what a shard's log notes of a pack besides takes less than the rest. */
export const MAX_ROW_BYTES = 1_900_000

const encoder = new TextEncoder()

/** Keep a leading BOM: payloads are raw bytes here. */
const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true })

/** What the log stores of an event besides its text: a tuple, because it is stored as JSON once per event. */
export type EventHeader = readonly [
  type: string,
  fields: RoutedEvent['fields'],
  recipients: RoutedEvent['recipients'],
  /** Set for Rigel's own events to one connection. */
  connectionId: string | null,
  /** Length of the event's text in bytes. */
  length: number,
  /** Offset in the topic-partition. Rigel's own events have none. */
  offset?: number,
  /** Only if its type is a table. */
  row?: RowChange,
]

/** Events in columnar form: one JSON text of headers, one buffer of texts. */
export interface EncodedEvents {
  /** JSON array of an EventHeader per event. */
  readonly heads: string
  /** Concatenated texts. Must be the whole of its buffer: an RPC carries the buffer. */
  readonly body: Uint8Array
}

/**
 * As much as a row can hold, and at most 600 kB of event texts, unless one offset alone has more. A follower makes a dead letter of
 * an offset that no row can hold (following/assign-shards.ts). Events are in offset order; those of
 * one offset are in one pack, because a shard that has stored an offset drops what comes of it later.
 */
export interface EventBatch extends EncodedEvents {
  readonly count: number
  /** Types of the events without recipients, each once. A shard decides by them whether it has to decode the batch. */
  readonly broadcastTypes: readonly string[]
  readonly firstOffset: number
  readonly lastOffset: number
}

/** What a follower sends to one shard: events of one topic-partition, in offset order. */
export interface AppendBatch {
  readonly topic: string
  readonly partition: number
  /**
   * Grows when offsets start anew (topic recreated, offset out of range): a shard then forgets the offsets it has
   * seen.
   */
  readonly generation: number
  readonly packs: readonly EventBatch[]
}

// A batch as it comes by a call: a copy has another shape than the object that it is of.
keepShape(
  structuredClone({
    topic: '',
    partition: 0,
    generation: 0,
    packs: [{ count: 0, broadcastTypes: [], firstOffset: 0, lastOffset: 0, heads: '', body: new Uint8Array() }],
  } satisfies AppendBatch),
)

/** Encodes events in order, in packs that a row can hold. */
export function encodeBatches(events: readonly RoutedEvent[]): readonly EventBatch[] {
  let bytes = 0
  for (const { utf8 } of events) bytes += utf8.length
  // Nearly always it is one pack.
  if (bytes <= MAX_PACK_BYTES && events.length > 0) return encodeRows(events)
  return splitBySize(events, ({ utf8 }) => utf8.length, MAX_PACK_BYTES, isNextOffset).flatMap(encodeRows)
}

function isNextOffset(before: RoutedEvent, after: RoutedEvent): boolean {
  return before.offset !== after.offset
}

/** Events with small texts can have many recipients or fields, and removals of rows have no text at all. */
function encodeRows(events: readonly RoutedEvent[]): readonly EventBatch[] {
  const pack = encodePack(events)
  const middle = fitsRowTwice(pack) ? undefined : middleOf(events)
  if (middle === undefined) return [pack]
  return [...encodeRows(events.slice(0, middle)), ...encodeRows(events.slice(middle))]
}

/** A shard that has tables adds to a header that of the replaced row: about as much again. */
function fitsRowTwice({ body, heads }: EventBatch): boolean {
  return hasBytes(heads, (MAX_ROW_BYTES - body.length) / 2)
}

/** Returns whether a row of a shard's log can hold these events, and `besides` bytes more. */
export function fitsRow({ body, heads }: EncodedEvents, besides = 0): boolean {
  return hasBytes(heads, MAX_ROW_BYTES - body.length - besides)
}

/** A character is three bytes of UTF-8 at most: nearly always that is enough to know. */
function hasBytes(text: string, atMost: number): boolean {
  return 3 * text.length <= atMost || encoder.encode(text).length <= atMost
}

/** Returns the index nearest to the middle where another offset begins; undefined: there is one offset only. */
function middleOf(events: readonly RoutedEvent[]): number | undefined {
  const half = events.length / 2
  const starts = events.flatMap(({ offset }, at) => (at > 0 && events[at - 1]?.offset !== offset ? [at] : []))
  return starts.toSorted((a, b) => Math.abs(a - half) - Math.abs(b - half))[0]
}

function encodePack(events: readonly RoutedEvent[]): EventBatch {
  const heads: EventHeader[] = []
  /** Made for the first: most packs are for users. */
  let broadcastTypes: Set<string> | undefined
  let bytes = 0
  for (const { fields, offset, recipients, row, type, utf8 } of events) {
    bytes += utf8.length
    if (row === undefined) heads.push([type, fields, recipients, null, utf8.length, offset])
    else heads.push([type, fields, recipients, null, utf8.length, offset, row])
    if (recipients === null) (broadcastTypes ??= new Set()).add(type)
  }
  return {
    count: events.length,
    broadcastTypes: broadcastTypes === undefined ? [] : [...broadcastTypes],
    firstOffset: events[0]?.offset ?? 0,
    lastOffset: events.at(-1)?.offset ?? 0,
    heads: JSON.stringify(heads),
    body: bodyOf(events, bytes),
  }
}

/**
 * The text of an event by itself is nearly always the whole of its buffer, and need not be copied. `bytes`: of all texts, so that
 * joining them takes one pass.
 */
function bodyOf(events: readonly RoutedEvent[], bytes: number): Uint8Array {
  const [only] = events
  const isWhole = only !== undefined && events.length === 1 && only.utf8.length === only.utf8.buffer.byteLength
  if (isWhole) return only.utf8
  const body = new Uint8Array(bytes)
  let at = 0
  for (const { utf8 } of events) {
    body.set(utf8, at)
    at += utf8.length
  }
  return body
}

/** Decodes a pack into its events. Texts are views of its body. */
export function* decodeBatch({ heads, body }: EventBatch): Generator<RoutedEvent> {
  let at = 0
  for (const [type, fields, recipients, , length, offset = 0, row] of decodeHeaders(heads)) {
    yield {
      offset,
      type,
      utf8: body.subarray(at, at + length),
      fields,
      recipients,
      ...(row === undefined ? {} : { row }),
    }
    at += length
  }
}

/**
 * Returns what of a batch a shard wants: events to users, and events without recipients of a type that it wants. Nearly
 * always that is the batch itself, or nothing.
 */
export function filterBatch(batch: EventBatch, wantsType: (type: string) => boolean): readonly EventBatch[] {
  const unwanted = new Set(batch.broadcastTypes.filter((type) => !wantsType(type)))
  if (unwanted.size === 0) return [batch]
  const isWanted = ({ recipients, type }: RoutedEvent) => recipients !== null || !unwanted.has(type)
  return encodeBatches([...decodeBatch(batch)].filter(isWanted))
}

/** Decodes `heads` of EncodedEvents: the header of each event, in order. */
export function decodeHeaders(heads: string): readonly EventHeader[] {
  return JSON.parse(heads) as readonly EventHeader[]
}

/** Returns the events' texts. Most packs are ASCII: then one call decodes all, and byte indexes are character indexes. */
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
