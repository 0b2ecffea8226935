// What is read out of an event: the fields that subscriptions may constrain (RIG's EXTRACTORS) and the users it is
// addressed to (RECIPIENTS). Configuration is compiled once; evaluation is once per event, never per connection.
import { MAX_IDS_CHARS, toIds } from '../identity/user-id.ts'
import { toScalar, type Scalar } from '../scalar.ts'
import type { Fields, FieldValue } from './stored-event.ts'
import { evaluateAll, evaluatePointer, type JsonPointer } from '../json-pointer.ts'
import type { RecordSource } from './topic-rule.ts'
import { patternsOf } from './event-type-pattern.ts'

/** A field that subscriptions can constrain: one entry of EXTRACTORS, compiled. */
export interface FieldExtractor {
  readonly name: string
  /** Into the whole CloudEvent. */
  readonly event: JsonPointer
  /** A place of the Kafka record, instead of the event: its key or a header. Absent: the event. */
  readonly from?: RecordSource
  /** Into the token's claims: subscriptions are inferred by it. */
  readonly claim: JsonPointer | undefined
  /** A client can only subscribe within its own claim. */
  readonly enforced: boolean
}

/** The most values that a field can have, so that an event with a long list does not use up memory and time. */
const MAX_VALUES = 100

const NO_FIELDS: Fields = {}

/** Event type, or pattern of it → its fields. */
export type Extractors = ReadonlyMap<string, readonly FieldExtractor[]>

/** Where an event names its recipients: by event type, and for every other type (`all`). */
export interface RecipientPointers {
  readonly byType: ReadonlyMap<string, JsonPointer>
  readonly all: JsonPointer | undefined
}

/**
 * The users that an event is addressed to. `nobody_in_particular`: all subscribers of its type get it. `invalid`:
 * `error` says why; an event that is published by request is refused, a record becomes a dead letter.
 */
export type Recipients =
  | { readonly kind: 'nobody_in_particular' }
  | { readonly kind: 'users'; readonly users: readonly string[] }
  | { readonly kind: 'invalid'; readonly error: RecipientError }

/** `too_large_for_shard`: they are longer than MAX_IDS_CHARS. */
export type RecipientError =
  | { readonly kind: 'invalid_recipients'; readonly message: string }
  | { readonly kind: 'too_large_for_shard'; readonly limitBytes: number }

/**
 * Returns the fields of a type and of the patterns that match it. If several have one name, the narrowest pattern
 * wins.
 */
export function fieldsOf(extractors: Extractors, type: string): readonly FieldExtractor[] {
  if (extractors.size === 0) return []
  const fields = new Map<string, FieldExtractor>()
  for (const pattern of patternsOf(type)) {
    for (const field of extractors.get(pattern) ?? []) if (!fields.has(field.name)) fields.set(field.name, field)
  }
  return [...fields.values()]
}

/**
 * Returns the fields of an event, by the extractors of its type. `readRecord` reads places of the record that the event
 * came in; without it such fields are absent.
 */
export function extractFields(
  extractors: Extractors,
  type: string,
  event: Readonly<Record<string, unknown>>,
  readRecord: (source: RecordSource) => unknown = () => undefined,
): Fields {
  if (extractors.size === 0) return NO_FIELDS
  const fields: Record<string, FieldValue> = {}
  for (const { name, event: pointer, from } of fieldsOf(extractors, type)) {
    const found = from === undefined ? evaluateAll(pointer, event) : [readRecord(from)]
    const values = valuesOf(found)
    const [only] = values
    if (only !== undefined) fields[name] = values.length === 1 ? only : values
  }
  return fields
}

/** Stops at the limit: numbers are written out. */
function valuesOf(found: readonly unknown[]): readonly Exclude<Scalar, null>[] {
  const values: Exclude<Scalar, null>[] = []
  for (const one of found) {
    const value = toScalar(one)
    if (value !== undefined && value !== null && values.push(value) === MAX_VALUES) break
  }
  return values
}

/**
 * Returns the users that an event is addressed to: a string, a number, or a list of them. If its type has its own pointer,
 * the event must have recipients: otherwise a misspelt member would send it to all subscribers. With the pointer for all
 * types, an event without the member is for all subscribers.
 */
export function extractRecipients(
  pointers: RecipientPointers,
  type: string,
  event: Readonly<Record<string, unknown>>,
): Recipients {
  const own = pointers.byType.get(type)
  const pointer = own ?? pointers.all
  if (pointer === undefined) return { kind: 'nobody_in_particular' }
  const value = evaluatePointer(pointer, event)
  if (value === undefined || value === null) {
    return own === undefined
      ? { kind: 'nobody_in_particular' }
      : invalid(`no recipient at /${pointer.join('/')}, where events of type ${type} must have one`)
  }
  const users = toIds(value)
  if (users.ok) return { kind: 'users', users: users.value }
  return users.reason === 'too_large'
    ? { kind: 'invalid', error: { kind: 'too_large_for_shard', limitBytes: MAX_IDS_CHARS } }
    : invalid(
        `recipients at /${pointer.join('/')} must be a user id or a list of user ids (non-empty strings of valid Unicode, or numbers of at most 1,000 digits)`,
      )
}

function invalid(message: string): Recipients {
  return { kind: 'invalid', error: { kind: 'invalid_recipients', message } }
}
