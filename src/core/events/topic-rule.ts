// The types of a rule of TOPICS: how the records of a topic become events, and who gets them. Pure data, compiled from the
// configuration (config/topics.ts) and evaluated once per record (decoding/apply-rule.ts).
import type { JsonPointer } from '../json-pointer.ts'
import type { Condition } from '../subscriptions/constraint.ts'

/** One place in a record. */
export type RecordSource =
  /** Into the record's value as JSON, without its envelope; into the whole event if the record is a CloudEvent. */
  | { readonly kind: 'value'; readonly pointer: JsonPointer }
  /** Into the value with its envelope, such as the schema of Kafka Connect. */
  | { readonly kind: 'envelope'; readonly pointer: JsonPointer }
  /** The key as text, or, with a pointer, into the key as JSON. */
  | { readonly kind: 'key'; readonly pointer: JsonPointer | null }
  /** The first header of this name, in lower case. */
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'topic' }
  /** `topic/partition/offset`: unique in one Kafka. */
  | { readonly kind: 'position' }
  /** The record's timestamp. */
  | { readonly kind: 'timestamp' }
  /** Full name of the schema that the value was written with. */
  | { readonly kind: 'schema' }
  /** Text with places in it. It has no value if one of the places has none. */
  | { readonly kind: 'template'; readonly parts: readonly (string | RecordSource)[] }

/** Text before and after the value that a pattern such as `user.{id}` takes out of a text. */
export interface TextPattern {
  readonly before: string
  readonly after: string
}

/** Alternatives: the first one that has a value counts. */
export type RuleValue = readonly {
  readonly source: RecordSource
  /** The value is the text in place of `{…}`. A text that does not match has no value. */
  readonly pattern: TextPattern | null
  /** The configured text, for messages. */
  readonly text: string
}[]

/** What an event's data is: one value, or an object of values. */
export type DataSelection = RuleValue | ReadonlyMap<string, RuleValue>

/** How a record that is no CloudEvent becomes one. */
export interface EventMapping {
  readonly type: RuleValue
  readonly source: RuleValue
  readonly id: RuleValue
  readonly time: RuleValue
  readonly subject: RuleValue | null
  readonly extensions: ReadonlyMap<string, RuleValue>
  /** Null: the whole value. */
  readonly data: readonly DataSelection[] | null
  /** Members of the data that are left out. */
  readonly omit: readonly JsonPointer[]
  /** Where the value is in its envelope, if it has one: an object with `schema` beside it. */
  readonly envelope: JsonPointer | null
  /** Encoding of a value without a schema. `content-type`: as the header `content-type` or `contentType` says. */
  readonly format: 'json' | 'text' | 'bytes' | 'content-type'
}

/** All conditions must hold. */
export type RuleFilter = readonly { readonly value: RuleValue; readonly condition: Condition }[]

/** One compiled entry of TOPICS. */
export interface TopicRule {
  /** The entry of TOPICS: a topic, or `*`. */
  readonly name: string
  /** Null: the records are CloudEvents. */
  readonly event: EventMapping | null
  /** Null: RECIPIENTS decide. Otherwise a record without recipients is a dead letter, never a broadcast. */
  readonly recipients: RuleValue | null
  /** Records that no filter matches are dropped. Empty: all records pass. */
  readonly filters: readonly RuleFilter[]
  /** A record without a value: a dead letter, dropped, or an event of this type with `data: null`. */
  readonly tombstones: 'dead_letter' | 'drop' | { readonly type: RuleValue }
}
