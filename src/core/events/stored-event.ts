// The shapes of an event inside Rigel after decoding: parsed, routed to shards, and stored in a shard's log.
import type { Scalar } from '../scalar.ts'

/** One value, or all that the pointer found: a list, or through one. */
export type FieldValue = Scalar | readonly Scalar[]

/** Field name → value, extracted from one event by the extractor configuration of its type. A missing field is absent. */
export type Fields = Readonly<Record<string, FieldValue>>

/** The fields and recipients of a row's event: they decide who sees the row. */
export interface RowAudience {
  readonly fields: Fields
  readonly recipients: readonly string[] | null
}

/** What an event does to a row: a tuple, because it is a part of the event's header. */
export type RowChange = readonly [
  key: string,
  /** 1: the row is gone. */
  removes: 0 | 1,
  /** The replaced row's. Absent: there was none, or exactly those who see the new one saw it. */
  replacedFields?: Fields,
  replacedRecipients?: readonly string[] | null,
]

/** A CloudEvent, with its text exactly as it came (structured JSON). */
export interface CloudEvent {
  readonly specversion: '1.0' | '0.2' | '0.1'
  readonly id: string
  readonly type: string
  readonly source: string | undefined
  /** The event as structured-mode JSON, verbatim where it came structured. Never contains a raw CR or LF outside of JSON whitespace. */
  readonly json: string
  /** `json`, parsed, for extractors. Must not be changed. */
  readonly parsed: Readonly<Record<string, unknown>>
}

/** An event on its way to shards. */
export interface RoutedEvent {
  /** Offset in its topic-partition, by which shards drop duplicates. Grows within a batch. */
  readonly offset: number
  readonly type: string
  /** Its JSON text in UTF-8. Usually a view of the fetched bytes, so that it is copied only once, into a pack. */
  readonly utf8: Uint8Array
  readonly fields: Fields
  /** User ids of this shard that the event is addressed to. Null if it is for all subscribers of its type. */
  readonly recipients: readonly string[] | null
  /** Its type is a table. */
  readonly row?: RowChange | undefined
}

/** Where the events of a row of a shard's log came from. */
interface EventSource {
  /** `<topic>/<partition>` */
  readonly partition: string
  /** Grows when the partition's offsets start anew. */
  readonly generation: number
}

/** An event in a shard's log. */
export interface StoredEvent {
  readonly seq: number
  /** Absent, like its offset, if it is one of Rigel's own. */
  readonly origin?: EventSource | undefined
  readonly offset?: number | undefined
  readonly type: string
  readonly json: string
  readonly fields: Fields
  readonly recipients: readonly string[] | null
  /** Rigel's own events to one long-polling session are addressed to that connection alone; null: not such an event. */
  readonly connectionId: string | null
  /** It is older than a rule lets events of its type become. */
  readonly isExpired?: true | undefined
  /** It tells of a row that this event has replaced, and has the fields and recipients of that row. */
  readonly replacedBy?: StoredEvent
}
