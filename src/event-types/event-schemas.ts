// Finds the source of each event type's schema, a file or a subject of the registry, from the arguments of the command
// line and from API definitions. Pure.
import * as z from 'zod'
import { parseJsonOrReason } from '../core/json.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { parseAvroSchema } from '../schema-registry/avro/avro-schema.ts'
import { toProtobufTypes } from '../schema-registry/protobuf/proto-descriptor.ts'
import type { RegisteredSchema } from '../schema-registry/registry-client.ts'
import { avroShape } from './avro-shape.ts'
import { jsonSchemaShape } from './json-schema-shape.ts'
import { protobufShape } from './protobuf-shape.ts'
import { dataOf, type SchemaShape } from './shape.ts'

export interface EventSchema {
  readonly type: string
  /** A file with a JSON Schema, or a subject of the schema registry. Null: only the type is known. */
  readonly from: { readonly kind: 'file' | 'subject'; readonly name: string } | null
}

/** `order.shipped=orders-value`, `order.shipped=schemas/order.json`, or a file that is called `order.shipped.json`. */
export function parseEventSchema(text: string): Result<EventSchema, string> {
  const [, type, name = text] = /^([^=/]+)=(.+)$/.exec(text) ?? []
  const isFile = name.endsWith('.json')
  if (type !== undefined) return ok({ type, from: { kind: isFile ? 'file' : 'subject', name } })
  if (!isFile) return fail(`"${text}": give TYPE=SUBJECT, TYPE=FILE.json, or a file that is named by its event type`)
  return ok({ type: name.replace(/^.*\//, '').replace(/(\.schema)?\.json$/, ''), from: { kind: 'file', name } })
}

/** Members of a definition that name events, in RIG's format and in the short one. */
const route = z.object({ event_type: z.string().optional(), schema: z.string().optional() })
const api = z.object({
  ...route.shape,
  routes: z.record(z.string(), z.union([z.string(), route])).default({}),
  version_data: z.record(z.string(), z.object({ endpoints: z.array(route) })).default({}),
})
const definitions = z.union([z.array(api), z.object({ apis: z.array(api) }).transform(({ apis }) => apis)])

/** The events that requests become (`target: kafka`), by `event_type`, with the subject that `schema` names. */
export function schemasOfDefinitions(document: unknown): Result<readonly EventSchema[], string> {
  const parsed = definitions.safeParse(document)
  if (!parsed.success) return fail('must be API definitions: {"apis": […]}, or a list of them')
  const found = parsed.data.flatMap((one) => {
    const short = Object.values(one.routes).map((own) => ({ ...one, ...(typeof own === 'string' ? {} : own) }))
    return [...short, ...Object.values(one.version_data).flatMap(({ endpoints }) => endpoints)]
  })
  return ok(
    found.flatMap(({ event_type: type, schema }) =>
      type === undefined ? [] : [{ type, from: schema ? { kind: 'subject' as const, name: schema } : null }],
    ),
  )
}

/** The data of events whose schema is the text of a file. */
export function shapeOfFile(text: string): Result<SchemaShape, string> {
  const parsed = parseJsonOrReason(text)
  if (!parsed.ok) return fail(`not JSON: ${parsed.reason}`)
  const shape = jsonSchemaShape(parsed.value)
  return shape.ok ? ok(dataOf(shape.value)) : shape
}

/** The data of events whose schema is in the registry. Of a Protobuf schema, its first message. */
export function shapeOfRegistered(schema: RegisteredSchema): Result<SchemaShape, string> {
  if (schema.type === 'JSON') return shapeOfFile(schema.text)
  if (schema.type === 'AVRO') {
    const type = parseAvroSchema(
      schema.text,
      schema.references.map(({ text }) => text),
    )
    return type.ok ? ok(dataOf(avroShape(type.value))) : type
  }
  const types = toProtobufTypes(schema)
  if (!types.ok) return types
  const message = types.value.messageAt([])
  return message === undefined ? fail('it has no message') : ok(dataOf(protobufShape(message)))
}
