// Variables of events: where their recipients and the fields of constraints are, and how large they may be.
import * as z from 'zod'
import type { Extractors, FieldExtractor, RecipientPointers } from '../core/events/extractors.ts'
import type { RecordSource } from '../core/events/topic-rule.ts'
import type { JsonPointer } from '../core/json-pointer.ts'
import { flag, integer, json, pointer } from './env-fields.ts'

const pointerSchema = z.strictObject({ json_pointer: pointer }, 'must be {"json_pointer": "/data/name"}')

const placeSchema = z.union(
  [
    pointerSchema.transform(({ json_pointer: event }) => ({ event })),
    z
      .strictObject({ header: z.string().min(1) })
      .transform(({ header }) => toPlace({ kind: 'header', name: header.toLowerCase() })),
    z.strictObject({ key: z.literal(true) }).transform(() => toPlace({ kind: 'key', pointer: null })),
    z.strictObject({ key: pointer }).transform(({ key }) => toPlace({ kind: 'key', pointer: key })),
  ],
  'must be {"json_pointer": "/data/name"}, {"key": true}, {"key": "/name"} or {"header": "name"}',
)

function toPlace(from: RecordSource): { readonly event: JsonPointer; readonly from: RecordSource } {
  return { event: [], from }
}

// Strict: with a misspelt "jwt" subscriptions would be wider than meant.
const fieldSchema = z.strictObject(
  {
    // Only RIG's matching table needs it; accepted so that RIG's configuration works unchanged.
    stable_field_index: z.number('must be a number').int('must be whole').min(0, 'must be 0 or more').optional(),
    event: placeSchema,
    jwt: pointerSchema.optional(),
    enforced: z.boolean('must be true or false').optional(),
  },
  'must be {"event": {"json_pointer": "/data/name"}} and, optionally, "jwt", "enforced" and "stable_field_index"',
)

const named = z.string().min(1, 'a name must not be empty')

const extractorSchema = json(
  z.record(
    named,
    z.record(named, fieldSchema, 'must be an object: field name → where to find it'),
    'must be a JSON object: event type → field name → {"event": {"json_pointer": "/data/name"}}',
  ),
).transform((config): Extractors => {
  return new Map(
    Object.entries(config).map(([type, fields]): [string, readonly FieldExtractor[]] => [
      type,
      Object.entries(fields).map(([name, field]) => ({
        name,
        ...field.event,
        claim: field.jwt?.json_pointer,
        enforced: field.enforced ?? false,
      })),
    ]),
  )
})

const recipientSchema = z
  .string()
  .transform((text): unknown => (text.startsWith('/') ? JSON.stringify({ '*': text }) : text))
  .pipe(
    json(
      z.record(
        named,
        pointer,
        'must be a JSON pointer such as "/data/user", or a JSON object: event type, or "*" → JSON pointer',
      ),
    ),
  )
  .transform((config): RecipientPointers => {
    const { '*': all, ...byType } = config
    return { all, byType: new Map(Object.entries(byType)) }
  })

/** The variables of events, as zod schemas. */
export const eventVariables = {
  EXTRACTORS: extractorSchema.optional(),
  WIDEN_UNKNOWN_CONSTRAINTS: flag,
  RECIPIENTS: recipientSchema.optional(),
  OWN_EVENTS_SPECVERSION: z.enum(['1.0', '0.2', '0.1'], 'must be 1.0, 0.2 or 0.1').default('1.0'),
  MAX_EVENT_BYTES: integer(131_072, 1_024, 1_048_576),
  PUBLISH_EVENTS_PER_SECOND: integer(20_000, 1, 10_000_000),
  PUBLISH_BYTES_PER_SECOND: integer(67_108_864, 1_024, 10_737_418_240),
}

type Variables = z.infer<z.ZodObject<typeof eventVariables>>

/** Returns the field extractors by event type. */
export function toExtractors(v: Variables): Extractors {
  return v.EXTRACTORS ?? new Map<string, readonly FieldExtractor[]>()
}

/** Returns the pointers to an event's recipients, by event type and for all others. */
export function toRecipients(v: Variables): RecipientPointers {
  return v.RECIPIENTS ?? { all: undefined, byType: new Map<string, JsonPointer>() }
}
