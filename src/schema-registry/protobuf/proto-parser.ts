// Parses a .proto file into its descriptor, for registries that do not serialize schemas. Reads what decoding needs: messages,
// fields, oneofs, maps, groups and enums of proto2 and proto3. Options, services and extensions are skipped; names are resolved
// by proto-descriptor.ts. Pure.
import { create } from '@bufbuild/protobuf'
import {
  DescriptorProtoSchema,
  EnumDescriptorProtoSchema,
  EnumValueDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  OneofDescriptorProtoSchema,
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  type FileDescriptorProto,
} from '@bufbuild/protobuf/wkt'
import { fail, ok, type Result } from '../../core/result.ts'
import { InvalidProto, ProtoTokens } from './proto-tokenizer.ts'

const SCALARS: ReadonlyMap<string, Type> = new Map(
  Object.entries({
    double: Type.DOUBLE,
    float: Type.FLOAT,
    int64: Type.INT64,
    uint64: Type.UINT64,
    int32: Type.INT32,
    fixed64: Type.FIXED64,
    fixed32: Type.FIXED32,
    bool: Type.BOOL,
    string: Type.STRING,
    bytes: Type.BYTES,
    uint32: Type.UINT32,
    sfixed32: Type.SFIXED32,
    sfixed64: Type.SFIXED64,
    sint32: Type.SINT32,
    sint64: Type.SINT64,
  }),
)
/** Maps, because a field's type may be called `constructor` or `toString`. */
const LABELS: ReadonlyMap<string, Label> = new Map(
  Object.entries({
    optional: Label.OPTIONAL,
    required: Label.REQUIRED,
    repeated: Label.REPEATED,
  }),
)
const SKIPPED = new Set(['option', 'extend', 'service', 'extensions', 'reserved', 'export', 'local'])
const MAX_DEPTH = 32

/** `name` is the path by which other files import it. */
export function parseProto(name: string, text: string): Result<FileDescriptorProto, string> {
  try {
    return ok(readFile(name, new ProtoTokens(text)))
  } catch (error) {
    if (error instanceof InvalidProto) return fail(error.message)
    throw error
  }
}

function readFile(name: string, tokens: ProtoTokens): FileDescriptorProto {
  const file = create(FileDescriptorProtoSchema, { name, syntax: 'proto2' })
  while (!tokens.isAtEnd) {
    const word = tokens.next()
    if (word === 'syntax') file.syntax = valueOf(tokens)
    else if (word === 'edition')
      throw new InvalidProto('editions are supported only from registries that serialize schemas')
    else if (word === 'package') file.package = tokens.name()
    else if (word === 'import') {
      if (!tokens.skip('public')) tokens.skip('weak')
      file.dependency.push(tokens.string())
    } else if (word === 'message') file.messageType.push(readMessage(tokens, tokens.name(), file.syntax, 0))
    else if (word === 'enum') file.enumType.push(readEnum(tokens))
    else if (SKIPPED.has(word)) tokens.skipStatement()
    else if (word !== ';') throw new InvalidProto(`${word} is not a statement of a file`)
  }
  return file
}

function valueOf(tokens: ProtoTokens): string {
  tokens.expect('=')
  return tokens.string()
}

function readMessage(tokens: ProtoTokens, name: string, syntax: string, depth: number): DescriptorProto {
  if (depth > MAX_DEPTH) throw new InvalidProto(`messages are nested deeper than ${MAX_DEPTH}`)
  const message = create(DescriptorProtoSchema, { name })
  const optional: FieldDescriptorProto[] = []
  tokens.expect('{')
  while (!tokens.skip('}')) {
    const word = tokens.peek()
    if (tokens.skip(';')) continue
    if (SKIPPED.has(word)) tokens.skipStatement()
    else if (word === 'message') {
      tokens.next()
      message.nestedType.push(readMessage(tokens, tokens.name(), syntax, depth + 1))
    } else if (word === 'enum') {
      tokens.next()
      message.enumType.push(readEnum(tokens))
    } else if (word === 'oneof') readOneof(tokens, message, syntax, depth)
    else {
      const field = readField(tokens, message, syntax, depth)
      if (syntax === 'proto3' && word === 'optional') optional.push(field)
    }
  }
  // A proto3 optional field is alone in a synthetic oneof after the others: descriptors express explicit presence so.
  for (const field of optional) {
    field.proto3Optional = true
    field.oneofIndex = message.oneofDecl.length
    message.oneofDecl.push(create(OneofDescriptorProtoSchema, { name: `_${field.name}` }))
  }
  return message
}

function readOneof(tokens: ProtoTokens, message: DescriptorProto, syntax: string, depth: number): void {
  tokens.expect('oneof')
  const oneofIndex = message.oneofDecl.length
  message.oneofDecl.push(create(OneofDescriptorProtoSchema, { name: tokens.name() }))
  tokens.expect('{')
  while (!tokens.skip('}')) {
    if (tokens.skip(';')) continue
    if (tokens.peek() === 'option') tokens.skipStatement()
    else readField(tokens, message, syntax, depth).oneofIndex = oneofIndex
  }
}

/** `optional`, `required` and `repeated` can be names of types too: `optional optional = 1` has no label. */
function isLabel(tokens: ProtoTokens): boolean {
  return LABELS.has(tokens.peek()) && tokens.peek(2) !== '='
}

/** Reads a field and adds it to the message. */
function readField(tokens: ProtoTokens, message: DescriptorProto, syntax: string, depth: number): FieldDescriptorProto {
  const label = isLabel(tokens) ? (LABELS.get(tokens.next()) ?? Label.OPTIONAL) : Label.OPTIONAL
  if (tokens.peek() === 'map' && tokens.peek(1) === '<') return readMap(tokens, message)
  const type = tokens.name()
  const name = tokens.name()
  tokens.expect('=')
  const number = tokens.integer()
  const field = create(FieldDescriptorProtoSchema, { name, number, label, ...toType(type) })
  message.field.push(field)
  readOptions(tokens, field)
  if (type !== 'group') tokens.expect(';')
  else {
    Object.assign(field, { type: Type.GROUP, typeName: name, name: name.toLowerCase() })
    message.nestedType.push(readMessage(tokens, name, syntax, depth + 1))
  }
  return field
}

/** A map is a list of entries, each a message with key and value. */
function readMap(tokens: ProtoTokens, message: DescriptorProto): FieldDescriptorProto {
  tokens.expect('map')
  tokens.expect('<')
  const key = tokens.name()
  tokens.expect(',')
  const value = tokens.name()
  tokens.expect('>')
  const name = tokens.name()
  tokens.expect('=')
  const number = tokens.integer()
  const entry = `${name.replaceAll(/(?:^|_)(\w)/g, (_, first: string) => first.toUpperCase())}Entry`
  const members = [
    { name: 'key', number: 1, label: Label.OPTIONAL, ...toType(key) },
    { name: 'value', number: 2, label: Label.OPTIONAL, ...toType(value) },
  ]
  message.nestedType.push(create(DescriptorProtoSchema, { name: entry, field: members, options: { mapEntry: true } }))
  const field = create(FieldDescriptorProtoSchema, { name, number, label: Label.REPEATED, ...toType(entry) })
  message.field.push(field)
  readOptions(tokens, field)
  tokens.expect(';')
  return field
}

/** Whether the name is a message or an enum is found out by proto-descriptor.ts. */
function toType(name: string): { readonly type: Type } | { readonly typeName: string } {
  const type = SCALARS.get(name)
  return type === undefined ? { typeName: name } : { type }
}

function readOptions(tokens: ProtoTokens, field: FieldDescriptorProto): void {
  if (!tokens.skip('[')) return
  do {
    let name = ''
    while (tokens.peek() !== '=') name += tokens.next()
    tokens.expect('=')
    if (name === 'json_name') field.jsonName = tokens.string()
    else tokens.skipValue()
  } while (tokens.skip(','))
  tokens.expect(']')
}

function readEnum(tokens: ProtoTokens): EnumDescriptorProto {
  const values = create(EnumDescriptorProtoSchema, { name: tokens.name() })
  tokens.expect('{')
  while (!tokens.skip('}')) {
    if (tokens.skip(';')) continue
    if (tokens.peek(1) !== '=') {
      tokens.skipStatement()
      continue
    }
    const name = tokens.name()
    tokens.expect('=')
    values.value.push(create(EnumValueDescriptorProtoSchema, { name, number: tokens.integer() }))
    if (tokens.peek() === '[') tokens.skipValue()
    tokens.expect(';')
  }
  return values
}
