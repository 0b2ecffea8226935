// What is read out of an event: the fields that subscriptions may constrain (RIG's EXTRACTORS) and the users it is
// addressed to (RECIPIENTS). Configuration is compiled once; evaluation is once per event, never per connection.
import type { Fields, Scalar } from './event.ts'
import { evaluatePointer, type JsonPointer } from './json-pointer.ts'

export interface FieldExtractor {
  readonly name: string
  /** Into the whole CloudEvent. */
  readonly event: JsonPointer
  /** Into the token's claims: subscriptions are inferred by it. */
  readonly claim: JsonPointer | undefined
}

/** Event type → its fields. */
export type Extractors = ReadonlyMap<string, readonly FieldExtractor[]>

/** Where the recipients of an event stand: by event type, and for every other type (`all`). */
export interface RecipientPointers {
  readonly byType: ReadonlyMap<string, JsonPointer>
  readonly all: JsonPointer | undefined
}

export type Recipients =
  | { readonly kind: 'nobody_in_particular' }
  | { readonly kind: 'users'; readonly users: readonly string[] }
  | { readonly kind: 'invalid'; readonly message: string }

export function extractFields(extractors: Extractors, type: string, event: Readonly<Record<string, unknown>>): Fields {
  const fields: Record<string, Scalar> = {}
  for (const { name, event: pointer } of extractors.get(type) ?? []) {
    const value = evaluatePointer(pointer, event)
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') fields[name] = value
  }
  return fields
}

/**
 * The users an event is addressed to: a string, a number, or a list of them. A type with a pointer of its own must have
 * recipients: an event without would otherwise go to everybody because of a typing mistake. Under the pointer for all
 * types, an event without the member is addressed to nobody in particular.
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
  const users = (Array.isArray(value) ? (value as readonly unknown[]) : [value]).map(toUserId)
  if (users.some((user) => user === undefined)) {
    return {
      kind: 'invalid',
      message: `recipients at /${pointer.join('/')} must be a user id or a list of user ids (non-empty strings or numbers)`,
    }
  }
  return { kind: 'users', users: [...new Set(users as string[])] }
}

function toUserId(value: unknown): string | undefined {
  if (typeof value === 'string' && value !== '') return value
  if (typeof value === 'number' && Number.isFinite(value)) return String(value)
  return undefined
}
