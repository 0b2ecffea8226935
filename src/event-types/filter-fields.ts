// Derives the fields that subscriptions may constrain, and the types of their values, from EXTRACTORS and the shapes
// of events. Pure.
import { fieldsOf, type Extractors, type FieldExtractor } from '../core/events/extractors.ts'
import { covers, isPattern } from '../core/events/event-type-pattern.ts'
import type { JsonPointer } from '../core/json-pointer.ts'
import { BOOLEAN, NUMBER, resolve, STRING, unionOf, type Field, type SchemaShape, type Shape } from './shape.ts'

/** The type of a field's value if no schema has it. */
const SCALAR = unionOf([STRING, NUMBER, BOOLEAN])

export interface Filters {
  /** Event type, or pattern of them → its fields; only those that have any. */
  readonly byType: ReadonlyMap<string, readonly Field[]>
  /** Pointers that lead to no value that a constraint can compare, usually because a field was renamed. */
  readonly problems: readonly string[]
}

/** `schemas`: the data of each event type; null where it is not known. */
export function filterFields(extractors: Extractors, schemas: ReadonlyMap<string, SchemaShape | null>): Filters {
  const problems: string[] = []
  const types = [...new Set([...schemas.keys(), ...extractors.keys()])].toSorted()
  const byType = types.map((type): [string, readonly Field[]] => {
    const covered = [...schemas].filter(([known]) => known === type || (isPattern(type) && covers(type, known)))
    const fields = fieldsOf(extractors, type).flatMap((extractor): readonly Field[] => {
      const found = covered.map(([, schema]) => (schema === null ? SCALAR : valueOf(extractor, schema)))
      const shapes = found.filter((shape) => shape !== undefined)
      if (found.length > 0 && shapes.length === 0) {
        // A field of a wider pattern need not be in every event that the pattern covers.
        if (extractors.get(type)?.includes(extractor) === true) problems.push(describe(extractor, type))
        return []
      }
      return [{ name: extractor.name, shape: found.length === 0 ? SCALAR : unionOf(shapes), isOptional: true }]
    })
    return [type, fields]
  })
  return { byType: new Map(byType.filter(([, fields]) => fields.length > 0)), problems }
}

function describe({ event, name }: FieldExtractor, type: string): string {
  return `EXTRACTORS: "${name}" of ${type} is at /${event.join('/')}, where its schema has no string, number or boolean`
}

/** Undefined if the schema has no scalar there. */
function valueOf({ event, from }: FieldExtractor, schema: SchemaShape): Shape | undefined {
  // The value of a header, and a whole key, are text.
  if (from !== undefined)
    return from.kind === 'header' || ('pointer' in from && from.pointer === null) ? STRING : SCALAR
  const [member, ...inner] = event
  // The schema describes the data, and so not extensions.
  if (member !== 'data') return member === 'source' || member === 'subject' || member === 'id' ? STRING : SCALAR
  const found = scalarsAt(inner, schema.root, schema)
  return found.length === 0 ? undefined : unionOf(found)
}

/** Goes through arrays as the extractors do: by index where the pointer names one, else into each item. */
function scalarsAt(pointer: JsonPointer, at: Shape, schema: SchemaShape, depth = 0): readonly Shape[] {
  const shape = resolve(schema, at)
  const [token, ...inner] = pointer
  const into = (next: Shape, rest = pointer): readonly Shape[] => scalarsAt(rest, next, schema, depth + 1)
  // A union of references that only leads back to itself.
  if (depth > 100) return []
  switch (shape.kind) {
    case 'union':
    case 'intersection':
      return shape.of.flatMap((one) => into(one))
    case 'array':
      return into(shape.items, token !== undefined && /^\d+$/.test(token) ? inner : pointer)
    case 'map':
      return token === undefined ? [] : into(shape.values, inner)
    case 'object':
      return shape.fields.flatMap((field) => (field.name === token ? into(field.shape, inner) : []))
    case 'literal':
      return token === undefined ? [shape] : []
    case 'keyword':
      if (shape.word === 'unknown') return [SCALAR]
      return token === undefined && shape.word !== 'null' && shape.word !== 'never' ? [shape] : []
    case 'reference':
      return []
  }
}
