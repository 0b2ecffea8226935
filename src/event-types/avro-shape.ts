// Converts an Avro schema to the shape of the JSON that avro-decode.ts writes: docs/schema-registry.md, "How values
// become JSON". Pure.
import type { AvroType } from '../schema-registry/avro/avro-schema.ts'
import { BOOLEAN, FLOAT, literal, NULL, NUMBER, STRING, unionOf, type SchemaShape, type Shape } from './shape.ts'

const DURATION: Shape = {
  kind: 'object',
  fields: ['months', 'days', 'millis'].map((name) => ({ name, shape: NUMBER, isOptional: false })),
}

export function avroShape(type: AvroType): SchemaShape {
  const definitions = new Map<string, Shape>()
  const root = type.kind === 'record' ? type.name : null
  const toShape = (of: AvroType): Shape => {
    switch (of.kind) {
      case 'null':
        return NULL
      case 'boolean':
        return BOOLEAN
      case 'int':
      case 'long':
        return NUMBER
      case 'float':
      case 'double':
        return FLOAT
      case 'string':
      case 'bytes':
        return STRING
      case 'fixed':
        return of.meaning.as === 'duration' ? DURATION : STRING
      case 'enum':
        return unionOf(of.symbols.map(literal))
      case 'array':
        return { kind: 'array', items: toShape(of.items) }
      case 'map':
        return { kind: 'map', values: toShape(of.values) }
      case 'union':
        return unionOf(of.branches.map(toShape))
      case 'record':
        return referTo(of)
    }
  }
  const toObject = ({ fields }: Extract<AvroType, { kind: 'record' }>): Shape => ({
    kind: 'object',
    // No field is optional, because the decoder writes every field.
    fields: fields.map(({ name, type: of }) => ({ name, shape: toShape(of), isOptional: false })),
  })
  const referTo = (record: Extract<AvroType, { kind: 'record' }>): Shape => {
    if (record.name === root) return { kind: 'reference', name: '' }
    if (!definitions.has(record.name)) {
      // Set before the fields are read, because a field may have the record's own type.
      definitions.set(record.name, NULL)
      definitions.set(record.name, toObject(record))
    }
    return { kind: 'reference', name: record.name }
  }
  return { root: type.kind === 'record' ? toObject(type) : toShape(type), definitions }
}
