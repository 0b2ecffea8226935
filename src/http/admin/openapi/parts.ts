// Functions that make parts of the OpenAPI description: parameters, bodies, and references to the schemas that
// validate.
import * as z from 'zod'
import {
  cloudEvent,
  closedAnswer,
  connectionCounts,
  connectionInfo,
  connectionList,
  discardBody,
  place,
  revocationShape,
  tryBody,
  userList,
} from '../admin-schema.ts'
import { CONNECTOR_NAME } from '../../events/read-push.ts'
import { shardsBody, shardsStatus } from '../shards/shards-schema.ts'

export type Json = Readonly<Record<string, unknown>>

/** A path and its operations. */
export type PathItem = readonly [path: string, item: Json]

const SCHEMAS = {
  CloudEvent: cloudEvent,
  Closed: closedAnswer,
  Connection: connectionInfo,
  ConnectionCounts: connectionCounts,
  ConnectionList: connectionList,
  Discard: discardBody,
  Place: place,
  Revocation: revocationShape,
  Shards: shardsStatus,
  ShardsChange: shardsBody,
  Try: tryBody,
  UserList: userList,
}

export function parameter(name: string, where: 'header' | 'path' | 'query'): Json {
  return {
    name,
    in: where,
    required: where !== 'query',
    schema: { type: name === 'limit' ? 'integer' : 'string', ...(where === 'header' ? { minLength: 1 } : {}) },
  }
}

/** The parameters of a query, by the schema that validates it. */
export function queryParameters(query: z.ZodObject): readonly Json[] {
  const { properties = {} } = z.toJSONSchema(query)
  return Object.entries(properties).map(([name, schema]) => {
    const isRequired = !z.safeParse(query.shape[name] as z.ZodType, undefined).success
    return { name, in: 'query', required: isRequired, schema }
  })
}

export function jsonBody(name: keyof typeof SCHEMAS): Json {
  return { required: true, content: { 'application/json': { schema: reference(name) } } }
}

/** The only key of idempotency that a query can name: the id of each event. */
export const DEDUPE: Json = { ...parameter('dedupe', 'query'), schema: { type: 'string', enum: ['id'] } }

/** The parameter that names the connector of a push: docs/push.md. */
export const CONNECTOR: Json = {
  ...parameter('connector', 'query'),
  schema: { type: 'string', pattern: CONNECTOR_NAME.source },
}

export function anyJson(description: string): Json {
  return { description, required: true, content: { 'application/json': { schema: { type: 'object' } } } }
}

export function json(description: string, name: keyof typeof SCHEMAS): Json {
  return { description, content: { 'application/json': { schema: reference(name) } } }
}

export function text(description: string): Json {
  return { description, content: { 'text/plain': { schema: { type: 'string' } } } }
}

export function reference(name: keyof typeof SCHEMAS): Json {
  return { $ref: `#/components/schemas/${name}` }
}

/** Returns every schema by its name. A schema within another one is a reference, if it has a name. */
export function componentSchemas(): Json {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(SCHEMAS)) registry.add(schema, { id })
  const { schemas } = z.toJSONSchema(registry, { uri: (id) => `#/components/schemas/${id}` })
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, withoutIds(schema)]))
}

/** OpenAPI references a schema by its place in the document. */
function withoutIds(schema: Json): Json {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => key !== '$schema' && key !== '$id'))
}
