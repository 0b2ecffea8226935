// The type of a JSON value, as JSON Schema, Avro and Protobuf can all express it: what print-typescript.ts writes.
// Pure.

export type Shape =
  | { readonly kind: 'keyword'; readonly word: 'string' | 'number' | 'boolean' | 'null' | 'unknown' | 'never' }
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  | { readonly kind: 'object'; readonly fields: readonly Field[] }
  /** An object whose names are not known. */
  | { readonly kind: 'map'; readonly values: Shape }
  | { readonly kind: 'array'; readonly items: Shape }
  | { readonly kind: 'union' | 'intersection'; readonly of: readonly Shape[] }
  /** A definition of the same schema. The empty name is the schema itself. */
  | { readonly kind: 'reference'; readonly name: string }

export interface Field {
  readonly name: string
  readonly shape: Shape
  readonly isOptional: boolean
  readonly description?: string
}

/** A schema: its own shape, and the shapes that it refers to, by name. A name may refer to itself. */
export interface SchemaShape {
  readonly root: Shape
  readonly definitions: ReadonlyMap<string, Shape>
}

export const STRING: Shape = { kind: 'keyword', word: 'string' }
export const NUMBER: Shape = { kind: 'keyword', word: 'number' }
export const BOOLEAN: Shape = { kind: 'keyword', word: 'boolean' }
export const NULL: Shape = { kind: 'keyword', word: 'null' }
export const UNKNOWN: Shape = { kind: 'keyword', word: 'unknown' }
export const NEVER: Shape = { kind: 'keyword', word: 'never' }

/** JSON has no NaN and no infinities: Avro's and Protobuf's floats write these as text. */
export const FLOAT = unionOf([NUMBER, ...['NaN', 'Infinity', '-Infinity'].map(literal)])

export function literal(value: string | number | boolean): Shape {
  return { kind: 'literal', value }
}

/**
 * Returns the union of shapes, flattened and without duplicates; the shape itself if there is one, and `never` if
 * none.
 */
export function unionOf(shapes: readonly Shape[]): Shape {
  const flat = shapes.flatMap((shape) => (shape.kind === 'union' ? shape.of : [shape]))
  const unique = [...new Map(flat.map((shape) => [JSON.stringify(shape), shape])).values()]
  if (unique.some((shape) => shape.kind === 'keyword' && shape.word === 'unknown')) return UNKNOWN
  const [first = NEVER, second] = unique
  return second === undefined ? first : { kind: 'union', of: unique }
}

/** The shape of `data`, if the schema describes a whole CloudEvent (structured mode), else the schema as it is. */
export function dataOf(schema: SchemaShape): SchemaShape {
  const event = resolve(schema, schema.root)
  if (event.kind !== 'object') return schema
  const names = new Set(event.fields.map(({ name }) => name))
  if (!['specversion', 'id', 'source', 'type'].every((name) => names.has(name))) return schema
  return { ...schema, root: event.fields.find(({ name }) => name === 'data')?.shape ?? UNKNOWN }
}

/** Follows references. A reference to a reference that leads back to itself is `unknown`. */
export function resolve({ definitions, root }: SchemaShape, shape: Shape, hops = 0): Shape {
  if (shape.kind !== 'reference') return shape
  if (hops > definitions.size) return UNKNOWN
  const next = shape.name === '' ? root : (definitions.get(shape.name) ?? UNKNOWN)
  return resolve({ definitions, root }, next, hops + 1)
}
