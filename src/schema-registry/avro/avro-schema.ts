// An Avro schema's text → types that avro-decode.ts and avro-encode.ts walk. Names are resolved once, here, so that a
// recursive type is a loop of objects. Pure; nothing is generated: Workers forbid code made at run time.
import { parseJson } from '../../core/json.ts'
import { fail, ok, type Result } from '../../core/result.ts'

export interface AvroField {
  readonly name: string
  /** Its name as JSON, with the colon: written for each record. */
  readonly label: string
  readonly type: AvroType
  /** As it stands in the schema; undefined: the field must be there. */
  readonly fallback: unknown
}

interface AvroRecord {
  readonly kind: 'record'
  readonly name: string
  readonly fields: readonly AvroField[]
}

/** What bytes stand for. A decimal's scale is how many of its digits are behind the point. */
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
  /** By full name: those of referenced schemas too. */
  readonly named: Map<string, AvroType>
  readonly namespace: string
  readonly depth: number
}

const PRIMITIVES = new Set(['null', 'boolean', 'int', 'long', 'float', 'double', 'string', 'bytes'])
const NAME = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/
const PLAIN: BytesLogicalType = { as: 'bytes' }
const MAX_DEPTH = 100
const MAX_SCALE = 1_000

/** How walkers of a schema leave it at once; caught where they begin. */
class InvalidSchema extends Error {}

/** `referenced`: texts of the schemas that it refers to by name, each after those that it refers to itself. */
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

/** The name that a union's branch goes by. */
export function nameOf(type: AvroType): string {
  return 'name' in type ? type.name : type.kind
}

/** The schema of a primitive type may be its bare name, which is no JSON. */
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
      return define(scope, fullName(node, scope), (name) => ({ kind: 'enum', name, symbols: symbolsOf(node) }))
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
  if (kind === 'bytes') return { kind, meaning: node['logicalType'] === 'decimal' ? decimalOf(node) : PLAIN }
  return { kind: kind as 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'string' }
}

function toUnion(nodes: readonly unknown[], scope: NameScope): AvroType {
  const branches = nodes.map((branch) => toType(branch, scope))
  if (branches.some(({ kind }) => kind === 'union')) throw new InvalidSchema('a union must not hold a union')
  return { kind: 'union', branches }
}

/** Known by its name before its fields are looked at: they may be of its own type. */
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
  // As the specification has it, a logical type that does not fit is passed over.
  if (logicalType === 'uuid' && sizeBytes === 16) return { kind: 'fixed', name, sizeBytes, meaning: { as: 'uuid' } }
  if (logicalType === 'duration' && sizeBytes === 12) {
    return { kind: 'fixed', name, sizeBytes, meaning: { as: 'duration' } }
  }
  return { kind: 'fixed', name, sizeBytes, meaning: logicalType === 'decimal' ? decimalOf(node) : PLAIN }
}

function decimalOf({ scale = 0 }: SchemaNode): BytesLogicalType {
  return isCount(scale) && scale <= MAX_SCALE ? { as: 'decimal', scale } : PLAIN
}

function symbolsOf({ symbols }: SchemaNode): readonly string[] {
  if (Array.isArray(symbols) && symbols.every((symbol) => typeof symbol === 'string')) return symbols
  throw new InvalidSchema('an enum must have a list of symbols')
}

function define(scope: NameScope, name: string, make: (name: string) => AvroType): AvroType {
  if (scope.named.has(name)) throw new InvalidSchema(`the name ${name} is defined twice`)
  const type = make(name)
  scope.named.set(name, type)
  return type
}

/** In the namespace it stands in, or in none. */
function referTo(name: string, { named, namespace }: NameScope): AvroType {
  const found = (name.includes('.') ? undefined : named.get(qualify(name, namespace))) ?? named.get(name)
  if (found !== undefined) return found
  throw new InvalidSchema(`the type ${name} is not defined`)
}

function fullName(node: SchemaNode, scope: NameScope): string {
  const { name, namespace } = node
  if (typeof name !== 'string' || !NAME.test(name)) throw new InvalidSchema('a named type must have a name')
  return name.includes('.') ? name : qualify(name, typeof namespace === 'string' ? namespace : scope.namespace)
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
