// Compiles a Protobuf schema and its imports into message types that can be decoded. Registries return names as the author wrote
// them (`Money`, not `.shop.v1.Money`) and not whether they are messages or enums: both are resolved here. Pure.
import { createFileRegistry, create, fromBinary, type DescMessage, type FileRegistry } from '@bufbuild/protobuf'
import {
  FieldDescriptorProto_Type as Type,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type DescriptorProto,
  type EnumDescriptorProto,
  type FileDescriptorProto,
} from '@bufbuild/protobuf/wkt'
import { fromBase64 } from '../../core/bytes.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { parseProto } from './proto-parser.ts'
import type { RegisteredSchema, SchemaText } from '../registry-client.ts'

/** Files that a schema may import without a reference. */
const WELL_KNOWN = [
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
].map(({ proto }) => proto)
const COMMON: Readonly<Record<string, string>> = {
  'confluent/type/decimal.proto':
    'package confluent.type; message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }',
  'google/type/date.proto': 'package google.type; message Date { int32 year = 1; int32 month = 2; int32 day = 3; }',
  'google/type/latlng.proto': 'package google.type; message LatLng { double latitude = 1; double longitude = 2; }',
  'google/type/money.proto':
    'package google.type; message Money { string currency_code = 1; int64 units = 2; int32 nanos = 3; }',
  'google/type/timeofday.proto':
    'package google.type; message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }',
}

/** The schema's own file name: nothing imports it. */
const MAIN = '@main.proto'

export interface ProtobufTypes {
  /** Types by name, for `Any`. */
  readonly registry: FileRegistry
  /** Returns undefined if the file has no such message. */
  messageAt(path: readonly number[]): DescMessage | undefined
}

export function toProtobufTypes(schema: RegisteredSchema): Result<ProtobufTypes, string> {
  const files = [...WELL_KNOWN]
  for (const one of [...schema.references, { ...schema, name: MAIN }]) {
    const file = toFile(one.name, one)
    if (!file.ok) return fail(one.name === MAIN ? file.reason : `its reference ${one.name}: ${file.reason}`)
    const known = new Set(files.map(({ name }) => name))
    files.push(...file.value.dependency.flatMap((name) => (known.has(name) ? [] : commonFile(name))))
    files.push(file.value)
  }
  const unresolved = resolveNames(files)
  if (unresolved !== undefined) return fail(unresolved)
  try {
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: files }))
    const main = registry.getFile(MAIN)
    return ok({ registry, messageAt: (path) => messageAt(main?.messages ?? [], path) })
  } catch (error) {
    return fail(String(error))
  }
}

/** Counts messages as Confluent does: the entry types of maps are not messages. */
function messageAt(messages: readonly DescMessage[], path: readonly number[]): DescMessage | undefined {
  const [index = 0, ...inner] = path
  const message = messages.filter(({ proto }) => proto.options?.mapEntry !== true)[index]
  return message === undefined || inner.length === 0 ? message : messageAt(message.nestedMessages, inner)
}

/** A schema may have been registered as a descriptor, which some registries return unchanged. */
function toFile(name: string, { descriptor, text }: SchemaText): Result<FileDescriptorProto, string> {
  const bytes = fromBase64(descriptor ?? (/^[A-Za-z0-9+/\s]+=*\s*$/.test(text) ? text : '?'))
  if (bytes === undefined) return parseProto(name, text)
  try {
    const file = fromBinary(FileDescriptorProtoSchema, bytes)
    file.name = name
    return ok(file)
  } catch (error) {
    return descriptor === null ? fail(`not a descriptor: ${String(error)}`) : parseProto(name, text)
  }
}

function commonFile(name: string): readonly FileDescriptorProto[] {
  const text = Object.hasOwn(COMMON, name) ? COMMON[name] : undefined
  const file = text === undefined ? undefined : parseProto(name, `syntax = "proto3"; ${text}`)
  return file?.ok === true ? [file.value] : []
}

type TypeKinds = Map<string, Type.MESSAGE | Type.ENUM>

/** Resolves names in place. Drops what decoding does not need, because it may refer to missing files. */
function resolveNames(files: readonly FileDescriptorProto[]): string | undefined {
  const kinds: TypeKinds = new Map()
  for (const file of files) collect(kinds, file.package, file.messageType, file.enumType)
  const known = new Set(files.map(({ name }) => name))
  for (const file of files.filter((one) => !WELL_KNOWN.includes(one))) {
    file.dependency = file.dependency.filter((name) => known.has(name))
    file.publicDependency = []
    file.weakDependency = []
    file.extension = []
    file.service = []
    for (const message of file.messageType) {
      const unresolved = resolveFields(kinds, file.package, message)
      if (unresolved !== undefined) return unresolved
    }
  }
  return undefined
}

function collect(
  kinds: TypeKinds,
  scope: string,
  messages: readonly DescriptorProto[],
  enums: readonly EnumDescriptorProto[],
): void {
  for (const { name } of enums) kinds.set(qualify(scope, name), Type.ENUM)
  for (const message of messages) {
    const name = qualify(scope, message.name)
    kinds.set(name, Type.MESSAGE)
    collect(kinds, name, message.nestedType, message.enumType)
  }
}

function resolveFields(kinds: TypeKinds, outer: string, message: DescriptorProto): string | undefined {
  const scope = qualify(outer, message.name)
  message.extension = []
  for (const field of message.field) {
    if (field.jsonName === '') field.jsonName = toCamelCase(field.name)
    if (field.typeName === '') continue
    const found = find(kinds, scope, field.typeName)
    if (found === undefined) return `the type ${field.typeName} of ${scope}.${field.name} is not defined`
    field.typeName = `.${found}`
    if (field.type !== Type.GROUP) field.type = kinds.get(found) ?? Type.MESSAGE
  }
  for (const nested of message.nestedType) {
    const unresolved = resolveFields(kinds, scope, nested)
    if (unresolved !== undefined) return unresolved
  }
  return undefined
}

/** Looks the name up from the innermost scope outwards. A loop, because packages may have any depth. */
function find(kinds: TypeKinds, innermost: string, name: string): string | undefined {
  if (name.startsWith('.')) return kinds.has(name.slice(1)) ? name.slice(1) : undefined
  for (let scope = innermost; ; scope = scope.slice(0, Math.max(0, scope.lastIndexOf('.')))) {
    const candidate = qualify(scope, name)
    if (kinds.has(candidate)) return candidate
    if (scope === '') return undefined
  }
}

function qualify(scope: string, name: string): string {
  return scope === '' ? name : `${scope}.${name}`
}

function toCamelCase(name: string): string {
  return name.replaceAll(/_+([A-Za-z0-9])/g, (_, next: string) => next.toUpperCase()).replaceAll('_', '')
}
