// Parses an Avro schema into the types that avro-decode.ts and avro-encode.ts walk. Names are resolved here, so that a recursive
// type is a cycle of objects. Pure. No code is generated: Workers forbid that. https://avro.apache.org/docs/1.12.0/specification/
import { parseJson } from '../../core/json.ts'
import { fail, ok, type Result } from '../../core/result.ts'

export interface AvroField {
  readonly name: string
  /** The name as JSON with a colon, as it is written for each record. */
  readonly label: string
  readonly type: AvroType
  /** The default of the schema; undefined if the field is required. */
  readonly fallback: unknown
}

interface AvroRecord {
  readonly kind: 'record'
  readonly name: string
  readonly fields: readonly AvroField[]
}

/** The logical type of bytes. A decimal's scale is the number of digits after the point. */
export type BytesLogicalType =
  | { readonly as: 'bytes' | 'uuid' | 'duration' }
  | { readonly as: 'decimal'; readonly scale: number }

export type AvroType =
  | { readonly kind: 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'string' }
  | { readonly kind: 'bytes'; readonly meaning: BytesLogicalType }
  | { readonly kind: 'fixed'; readonly name: string; readonly sizeBytes: number; readonly meaning: BytesLogicalType }
  | { readonly kind: 'enum'; readonly name: string; readonly symbols: readonly string[] }
  | { readonly kind: 'array'; readonly items: AvroType }
  | { readonly kind: 'map'; readonly values: AvroType }
  | { readonly kind: 'union'; readonly branches: readonly AvroType[] }
  | AvroRecord

type SchemaNode = Readonly<Record<string, unknown>>

interface NameScope {
  /** By full name, including those of referenced schemas. */
  readonly named: Map<string, AvroType>
  readonly namespace: string
  readonly depth: number
}

const PRIMITIVES = new Set(['null', 'boolean', 'int', 'long', 'float', 'double', 'string', 'bytes'])
const NAME = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/
const SYMBOL = /^[A-Za-z_][A-Za-z0-9_]*$/
const PLAIN: BytesLogicalType = { as: 'bytes' }
const MAX_DEPTH = 100
const MAX_SCALE = 1_000

/** Thrown within this file, caught by parseAvroSchema. */
class InvalidSchema extends Error {}

/** `referenced` are the texts of schemas that it refers to by name, each after the ones that it refers to itself. */
export function parseAvroSchema(text: string, referenced: readonly string[] = []): Result<AvroType, string> {
  const scope: NameScope = { named: new Map(), namespace: '', depth: 0 }
  try {
    for (const other of referenced) toType(parseText(other), scope)
    return ok(toType(parseText(text), scope))
  } catch (error) {
    if (error instanceof InvalidSchema) return fail(error.message)
    throw error
  }
}

/** Returns the name of a union's branch. */
export function nameOf(type: AvroType): string {
  return 'name' in type ? type.name : type.kind
}

/** The schema of a primitive type may be its bare name, which is not JSON. */
function parseText(text: string): unknown {
  const parsed = parseJson(text)
  if (parsed !== undefined) return parsed
  if (PRIMITIVES.has(text.trim())) return text.trim()
  throw new InvalidSchema('the schema is not JSON')
}

function toType(node: unknown, outer: NameScope): AvroType {
  const scope = { ...outer, depth: outer.depth + 1 }
  if (scope.depth > MAX_DEPTH) throw new InvalidSchema(`nested deeper than ${MAX_DEPTH}`)
  if (typeof node === 'string') return PRIMITIVES.has(node) ? toPrimitive(node, {}) : referTo(node, scope)
  if (Array.isArray(node)) return toUnion(node, scope)
  if (!isNode(node)) throw new InvalidSchema(`a type must be a name, a list or an object, got ${JSON.stringify(node)}`)
  return toComplex(node, scope)
}

function toComplex(node: SchemaNode, scope: NameScope): AvroType {
  const { type } = node
  if (typeof type !== 'string') return toType(type, scope)
  switch (type) {
    case 'array':
      return { kind: 'array', items: toType(node['items'], scope) }
    case 'map':
      return { kind: 'map', values: toType(node['values'], scope) }
    case 'enum':
      return define(scope, fullName(node, scope), (name) => ({ kind: 'enum', name, symbols: symbolsOf(name, node) }))
    case 'fixed':
      return define(scope, fullName(node, scope), (name) => toFixed(node, name))
    case 'record':
    case 'error':
      return toRecord(node, scope)
    default:
      return PRIMITIVES.has(type) ? toPrimitive(type, node) : referTo(type, scope)
  }
}

function toPrimitive(kind: string, node: SchemaNode): AvroType {
  if (kind === 'bytes') return { kind, meaning: node['logicalType'] === 'decimal' ? decimalOf(node, Infinity) : PLAIN }
  return { kind: kind as 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'string' }
}

function toUnion(nodes: readonly unknown[], scope: NameScope): AvroType {
  const branches = nodes.map((branch) => toType(branch, scope))
  if (branches.some(({ kind }) => kind === 'union')) throw new InvalidSchema('a union must not contain a union')
  const names = branches.map(nameOf)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new InvalidSchema(`a union must not contain ${twice} twice`)
  return { kind: 'union', branches }
}

/** The name is defined before the fields are parsed: they may have the record's own type. */
function toRecord(node: SchemaNode, scope: NameScope): AvroType {
  const name = fullName(node, scope)
  const fields: AvroField[] = []
  const names = new Set<string>()
  const record = define(scope, name, () => ({ kind: 'record', name, fields }))
  const inner = { ...scope, namespace: namespaceOf(name) }
  if (!Array.isArray(node['fields'])) throw new InvalidSchema(`the record ${name} has no list of fields`)
  for (const field of node['fields'] as readonly unknown[]) {
    if (!isNode(field) || typeof field['name'] !== 'string') throw new InvalidSchema(`${name}: a field has no name`)
    if (names.has(field['name'])) throw new InvalidSchema(`${name} has two fields ${field['name']}`)
    names.add(field['name'])
    const label = `${JSON.stringify(field['name'])}:`
    fields.push({ name: field['name'], label, type: toType(field['type'], inner), fallback: field['default'] })
  }
  return record
}

function toFixed(node: SchemaNode, name: string): AvroType {
  const sizeBytes = node['size']
  if (!isCount(sizeBytes)) throw new InvalidSchema(`the fixed ${name} must have a size`)
  const { logicalType } = node
  // A logical type that does not fit is ignored, as the specification says.
  if (logicalType === 'uuid' && sizeBytes === 16) return { kind: 'fixed', name, sizeBytes, meaning: { as: 'uuid' } }
  if (logicalType === 'duration' && sizeBytes === 12) {
    return { kind: 'fixed', name, sizeBytes, meaning: { as: 'duration' } }
  }
  return {
    kind: 'fixed',
    name,
    sizeBytes,
    meaning: logicalType === 'decimal' ? decimalOf(node, maxPrecision(sizeBytes)) : PLAIN,
  }
}

/** A decimal without a precision, or with a scale above it, is malformed: the logical type is ignored, as the specification says. */
function decimalOf({ precision, scale = 0 }: SchemaNode, most: number): BytesLogicalType {
  const isValid = isCount(precision) && precision > 0 && precision <= most && isCount(scale) && scale <= precision
  return isValid && scale <= MAX_SCALE ? { as: 'decimal', scale } : PLAIN
}

/** Digits that always fit into so many bytes of two's complement. */
function maxPrecision(sizeBytes: number): number {
  return Math.floor(Math.log10(2) * (8 * sizeBytes - 1))
}

function symbolsOf(name: string, { default: fallback, symbols }: SchemaNode): readonly string[] {
  const isList = Array.isArray(symbols) && symbols.every((symbol) => typeof symbol === 'string' && SYMBOL.test(symbol))
  if (!isList) throw new InvalidSchema(`the enum ${name} must have a list of symbols of letters, digits and "_"`)
  if (new Set(symbols).size < symbols.length) throw new InvalidSchema(`the enum ${name} has a symbol twice`)
  if (fallback === undefined || symbols.includes(fallback)) return symbols as readonly string[]
  throw new InvalidSchema(`the default of the enum ${name} must be one of its symbols`)
}

function define(scope: NameScope, name: string, make: (name: string) => AvroType): AvroType {
  if (PRIMITIVES.has(name)) throw new InvalidSchema(`the name ${name} is that of a primitive type`)
  if (scope.named.has(name)) throw new InvalidSchema(`the name ${name} is defined twice`)
  const type = make(name)
  scope.named.set(name, type)
  return type
}

/** Looks a name up in the enclosing namespace, then without a namespace. */
function referTo(name: string, { named, namespace }: NameScope): AvroType {
  const found = (name.includes('.') ? undefined : named.get(qualify(name, namespace))) ?? named.get(name)
  if (found !== undefined) return found
  const where = namespace === '' || name.includes('.') ? '' : ` in the namespace ${namespace}, nor without one`
  throw new InvalidSchema(`the type ${name} is not defined${where}`)
}

function fullName(node: SchemaNode, scope: NameScope): string {
  const { name, namespace } = node
  if (typeof name !== 'string' || !NAME.test(name)) throw new InvalidSchema(`${describeName(node)} ${NAME_RULE}`)
  return name.includes('.') ? name : qualify(name, typeof namespace === 'string' ? namespace : scope.namespace)
}

const NAME_RULE = 'must have a name of letters, digits and "_", not beginning with a digit, and dots between its parts'

function describeName({ name, type }: SchemaNode): string {
  const got = name === undefined ? '' : ` ${JSON.stringify(name)}`
  return `the ${String(type)}${got.slice(0, 60)}`
}

function qualify(name: string, namespace: string): string {
  return namespace === '' ? name : `${namespace}.${name}`
}

function namespaceOf(name: string): string {
  return name.includes('.') ? name.slice(0, name.lastIndexOf('.')) : ''
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isNode(value: unknown): value is SchemaNode {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
