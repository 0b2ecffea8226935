// What is read out of an event: the fields that subscriptions may constrain (RIG's EXTRACTORS) and the users it is
// addressed to (RECIPIENTS). Configuration is compiled once; evaluation is once per event, never per connection.
import { toId } from '../identity/user-id.ts'
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
 * `message` says why; a published event is refused, a record becomes a dead letter.
 */
export type Recipients =
  | { readonly kind: 'nobody_in_particular' }
  | { readonly kind: 'users'; readonly users: readonly string[] }
  | { readonly kind: 'invalid'; readonly message: string }

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
    const values = found.map(toScalar).filter(isValue).slice(0, MAX_VALUES)
    const [only] = values
    if (only !== undefined) fields[name] = values.length === 1 ? only : values
  }
  return fields
}

function isValue(value: Scalar | undefined): value is Exclude<Scalar, null> {
  return value !== undefined && value !== null
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
      : {
          kind: 'invalid',
          message: `no recipient at /${pointer.join('/')}, where events of type ${type} must have one`,
        }
  }
  const users = (Array.isArray(value) ? (value as readonly unknown[]) : [value]).map(toId)
  if (users.includes(undefined)) {
    return {
      kind: 'invalid',
      message: `recipients at /${pointer.join('/')} must be a user id or a list of user ids (non-empty strings of valid Unicode, or numbers of at most 1,000 digits)`,
    }
  }
  return { kind: 'users', users: users.length > 1 ? [...new Set(users as string[])] : (users as string[]) }
}
