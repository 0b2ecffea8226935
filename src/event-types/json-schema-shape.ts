// Converts a JSON Schema (draft 4 to 2020-12, and OpenAPI's `nullable`) to a shape. Lengths, formats and conditions,
// which a shape cannot express, are left out: the type is then wider than the schema. Pure.
import { isObject, type JsonObject } from '../core/json.ts'
import { evaluatePointer, parsePointer } from '../core/json-pointer.ts'
import { fail, ok, type Result } from '../core/result.ts'
import {
  BOOLEAN,
  literal,
  NEVER,
  NULL,
  NUMBER,
  STRING,
  UNKNOWN,
  unionOf,
  type Shape,
  type SchemaShape,
} from './shape.ts'

interface Context {
  readonly document: unknown
  /** By the pointer of the `$ref`. Set before a definition is read, because it may refer to itself. */
  readonly definitions: Map<string, Shape>
}

/** Thrown within this file, caught by jsonSchemaShape. */
class UnusableSchema extends Error {}

/** Fails for a `$ref` that leads out of the document, or nowhere. */
export function jsonSchemaShape(document: unknown): Result<SchemaShape, string> {
  const definitions = new Map<string, Shape>()
  try {
    return ok({ root: toShape(document, { document, definitions }), definitions })
  } catch (error) {
    if (error instanceof UnusableSchema) return fail(error.message)
    throw error
  }
}

function toShape(schema: unknown, context: Context): Shape {
  if (schema === true) return UNKNOWN
  if (schema === false) return NEVER
  if (!isObject(schema)) throw new UnusableSchema(`a schema must be an object or a boolean, not ${typeof schema}`)
  const shape = intersectionOf([...parts(schema, context)])
  return schema['nullable'] === true ? unionOf([shape, NULL]) : shape
}

/** Yields the shapes of a schema's keywords. A value must match all of them. */
function* parts(schema: JsonObject, context: Context): Generator<Shape> {
  const { $ref, allOf, anyOf, const: only, enum: values, oneOf } = schema
  if (typeof $ref === 'string') yield referTo($ref, context)
  if (Array.isArray(values)) yield unionOf(values.map(toLiteral))
  else if ('const' in schema) yield toLiteral(only)
  else yield ofTypes(schema, context)
  for (const part of listOf(allOf)) yield toShape(part, context)
  for (const branches of [anyOf, oneOf]) {
    if (Array.isArray(branches)) yield unionOf(branches.map((branch) => toShape(branch, context)))
  }
}

function intersectionOf(shapes: readonly Shape[]): Shape {
  const known = shapes.filter((shape) => shape !== UNKNOWN)
  const [first = UNKNOWN, second] = known
  return second === undefined ? first : { kind: 'intersection', of: known }
}

function referTo(reference: string, context: Context): Shape {
  if (reference === '#') return { kind: 'reference', name: '' }
  const pointer = reference.startsWith('#/') ? parsePointer(decodeURIComponent(reference.slice(1))) : undefined
  if (pointer === undefined) {
    throw new UnusableSchema(`"$ref": "${reference}" leads out of the schema: only "#/…" is followed, bundle it first`)
  }
  if (!context.definitions.has(reference)) {
    const target = evaluatePointer(pointer, context.document)
    if (target === undefined) throw new UnusableSchema(`"$ref": "${reference}" leads nowhere`)
    context.definitions.set(reference, UNKNOWN)
    context.definitions.set(reference, toShape(target, context))
  }
  return { kind: 'reference', name: reference }
}

function ofTypes(schema: JsonObject, context: Context): Shape {
  const { type } = schema
  if (type !== undefined)
    return unionOf((Array.isArray(type) ? type : [type]).map((one) => ofType(one, schema, context)))
  if ('properties' in schema) return toObject(schema, context)
  return 'items' in schema || 'prefixItems' in schema ? toArray(schema, context) : UNKNOWN
}

function ofType(type: unknown, schema: JsonObject, context: Context): Shape {
  switch (type) {
    case 'string':
      return STRING
    case 'number':
    case 'integer':
      return NUMBER
    case 'boolean':
      return BOOLEAN
    case 'null':
      return NULL
    case 'array':
      return toArray(schema, context)
    case 'object':
      return toObject(schema, context)
    default:
      throw new UnusableSchema(`the type ${JSON.stringify(type)} does not exist in JSON Schema`)
  }
}

/** Without the fields that `additionalProperties` permits: a type with them accepts every misspelt name. */
function toObject({ additionalProperties, properties, required }: JsonObject, context: Context): Shape {
  if (!isObject(properties)) {
    return { kind: 'map', values: isObject(additionalProperties) ? toShape(additionalProperties, context) : UNKNOWN }
  }
  const needed = new Set(listOf(required))
  const fields = Object.entries(properties).map(([name, schema]) => ({
    name,
    shape: toShape(schema, context),
    isOptional: !needed.has(name),
    ...describe(schema),
  }))
  return { kind: 'object', fields }
}

function describe(schema: unknown): { readonly description?: string } {
  const description = isObject(schema) ? schema['description'] : undefined
  return typeof description === 'string' ? { description } : {}
}

function toArray({ items, prefixItems }: JsonObject, context: Context): Shape {
  const schemas = [
    ...listOf(prefixItems),
    ...(Array.isArray(items) ? listOf(items) : items === undefined ? [] : [items]),
  ]
  return {
    kind: 'array',
    items: schemas.length === 0 ? UNKNOWN : unionOf(schemas.map((schema) => toShape(schema, context))),
  }
}

function toLiteral(value: unknown): Shape {
  if (value === null) return NULL
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? literal(value) : UNKNOWN
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
