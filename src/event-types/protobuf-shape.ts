// Converts a Protobuf message type to the shape of the JSON that protobuf-codec.ts writes, by Protobuf's JSON mapping:
// names in camel case, 64-bit integers and bytes as text. Fields without presence are never absent: they have their
// default. Pure.
import { ScalarType, type DescEnum, type DescField, type DescMessage } from '@bufbuild/protobuf'
import {
  BOOLEAN,
  FLOAT,
  literal,
  NULL,
  NUMBER,
  STRING,
  UNKNOWN,
  unionOf,
  type SchemaShape,
  type Shape,
} from './shape.ts'

const TEXT_SCALARS: ReadonlySet<ScalarType> = new Set([
  ScalarType.STRING,
  ScalarType.BYTES,
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
  ScalarType.SINT64,
])

const ANY_MAP: Shape = { kind: 'map', values: UNKNOWN }

/**
 * Messages that have a form of their own in JSON. The wrappers, such as StringValue, are read from their only field.
 */
const WELL_KNOWN: Readonly<Record<string, Shape>> = {
  'google.protobuf.Any': ANY_MAP,
  'google.protobuf.Duration': STRING,
  'google.protobuf.FieldMask': STRING,
  'google.protobuf.ListValue': { kind: 'array', items: UNKNOWN },
  'google.protobuf.Struct': ANY_MAP,
  'google.protobuf.Timestamp': STRING,
  'google.protobuf.Value': UNKNOWN,
}
const WRAPPER = /^google\.protobuf\.\w+Value$/

export function protobufShape(message: DescMessage): SchemaShape {
  const definitions = new Map<string, Shape>()

  function toObject({ fields }: DescMessage): Shape {
    return {
      kind: 'object',
      fields: fields.map((field) => ({ name: field.jsonName, shape: ofField(field), isOptional: hasPresence(field) })),
    }
  }

  function ofField(field: DescField): Shape {
    switch (field.fieldKind) {
      case 'scalar':
        return ofScalar(field.scalar)
      case 'enum':
        return ofEnum(field.enum)
      case 'message':
        return ofMessage(field.message)
      case 'list':
        return { kind: 'array', items: ofContent(field) }
      case 'map':
        return { kind: 'map', values: ofContent(field) }
    }
  }

  function ofContent(field: DescField & { fieldKind: 'list' | 'map' }): Shape {
    if (field.message !== undefined) return ofMessage(field.message)
    return field.enum === undefined ? ofScalar(field.scalar) : ofEnum(field.enum)
  }

  function ofMessage(of: DescMessage): Shape {
    if (of.typeName === message.typeName) return { kind: 'reference', name: '' }
    const known = WELL_KNOWN[of.typeName]
    if (known !== undefined) return known
    const [only] = of.fields
    if (WRAPPER.test(of.typeName) && only !== undefined) return ofField(only)
    if (!definitions.has(of.typeName)) {
      // Set before the fields are read, because a field may have the message's own type.
      definitions.set(of.typeName, UNKNOWN)
      definitions.set(of.typeName, toObject(of))
    }
    return { kind: 'reference', name: of.typeName }
  }

  return { root: toObject(message), definitions }
}

function hasPresence(field: DescField): boolean {
  if (field.fieldKind === 'list' || field.fieldKind === 'map') return false
  return field.fieldKind === 'message' || field.oneof !== undefined || field.proto.proto3Optional
}

function ofScalar(scalar: ScalarType): Shape {
  if (TEXT_SCALARS.has(scalar)) return STRING
  if (scalar === ScalarType.BOOL) return BOOLEAN
  return scalar === ScalarType.FLOAT || scalar === ScalarType.DOUBLE ? FLOAT : NUMBER
}

/** A value that the enum does not define is written as its number. */
function ofEnum({ typeName, values }: DescEnum): Shape {
  return typeName === 'google.protobuf.NullValue' ? NULL : unionOf(values.map(({ name }) => literal(name)))
}
