// JSON → Avro's binary encoding, the inverse of avro-decode.ts, for requests that become records. Accepts the exact numbers
// of core/json.ts, so that a long keeps its 64 bits. Pure. The error for a value that does not fit names its place.
import { isObject, numberText } from '../../core/json.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { bytesOf } from './avro-bytes.ts'
import { nameOf, type AvroField, type AvroType, type BytesLogicalType } from './avro-schema.ts'
import { AvroWriter } from './byte-writer.ts'

/** The place of a value. `isFallback`: it is a default of the schema, whose bytes are Latin-1 by the specification. */
interface ValueLocation {
  readonly path: string
  readonly depth: number
  readonly isFallback: boolean
}

const MAX_DEPTH = 200
const RANGES = { int: [-(2n ** 31n), 2n ** 31n - 1n], long: [-(2n ** 63n), 2n ** 63n - 1n] } as const
const NOT_FINITE = new Set<unknown>(['NaN', 'Infinity', '-Infinity'])
const encoder = new TextEncoder()

/** Thrown for a value that does not fit. Caught in encodeAvro, or where a union's next branch is tried. */
class EncodeError extends Error {}

/** Returns the encoded value. Fails with a reason that names the place by a JSON pointer. */
export function encodeAvro(type: AvroType, value: unknown): Result<Uint8Array, string> {
  const out = new AvroWriter()
  try {
    write(out, type, value, { path: '', depth: 0, isFallback: false })
    return ok(out.toBytes())
  } catch (error) {
    if (error instanceof EncodeError) return fail(error.message)
    throw error
  }
}

function write(out: AvroWriter, type: AvroType, value: unknown, at: ValueLocation): void {
  if (at.depth > MAX_DEPTH) throw toEncodeError(at, `must not be nested deeper than ${MAX_DEPTH}`)
  switch (type.kind) {
    case 'null':
      if (value !== null) throw toEncodeError(at, 'must be null')
      return
    case 'boolean':
      if (typeof value !== 'boolean') throw toEncodeError(at, 'must be true or false')
      return out.byte(value ? 1 : 0)
    case 'int':
    case 'long':
      return out.long(toInteger(type.kind, value, at))
    case 'float':
      return out.float(4, toFloat(value, at))
    case 'double':
      return out.float(8, toFloat(value, at))
    case 'string':
      if (typeof value !== 'string') throw toEncodeError(at, 'must be a string')
      return out.sized(encoder.encode(value))
    case 'bytes':
      return out.sized(toBytes(type.meaning, value, at))
    case 'fixed':
      return out.bytes(toFixed(type, value, at))
    case 'enum':
      return out.long(BigInt(toIndex(type.symbols, value, at)))
    case 'array':
      return writeArray(out, type.items, value, at)
    case 'map':
      return writeMap(out, type.values, value, at)
    case 'record':
      return writeRecord(out, type.fields, value, at)
    case 'union':
      return writeUnion(out, type.branches, value, at)
  }
}

function writeArray(out: AvroWriter, items: AvroType, value: unknown, at: ValueLocation): void {
  if (!Array.isArray(value)) throw toEncodeError(at, 'must be a list')
  if (value.length > 0) out.long(BigInt(value.length))
  for (const [index, item] of (value as readonly unknown[]).entries()) write(out, items, item, below(at, String(index)))
  out.long(0n)
}

function writeMap(out: AvroWriter, values: AvroType, value: unknown, at: ValueLocation): void {
  if (!isObject(value)) throw toEncodeError(at, 'must be an object')
  const entries = Object.entries(value)
  if (entries.length > 0) out.long(BigInt(entries.length))
  for (const [key, item] of entries) {
    out.sized(encoder.encode(key))
    write(out, values, item, below(at, key))
  }
  out.long(0n)
}

/** Members that the schema does not know are left out, as by RIG. */
function writeRecord(out: AvroWriter, fields: readonly AvroField[], value: unknown, at: ValueLocation): void {
  if (!isObject(value)) throw toEncodeError(at, 'must be an object')
  for (const { fallback, name, type } of fields) {
    const place = below(at, name)
    if (Object.hasOwn(value, name)) write(out, type, value[name], place)
    else if (fallback === undefined) throw toEncodeError(place, 'must be present')
    else write(out, type, fallback, { ...place, isFallback: true })
  }
}

/**
 * Chooses the branch that the value fits into with the fewest members left out. A value may name its branch, as in Avro's
 * JSON encoding.
 */
function writeUnion(out: AvroWriter, branches: readonly AvroType[], value: unknown, at: ValueLocation): void {
  const inner = { ...at, depth: at.depth + 1 }
  const unfits: string[] = []
  const choices = branches.map((type, index) => ({ type, index, value, leftOut: leftOutOf(type, value) }))
  for (const choice of [...choices.toSorted((a, b) => a.leftOut - b.leftOut), ...named(branches, value)]) {
    const mark = out.length
    try {
      out.long(BigInt(choice.index))
      return write(out, choice.type, choice.value, inner)
    } catch (error) {
      if (!(error instanceof EncodeError)) throw error
      out.truncate(mark)
      unfits.push(error.message)
    }
  }
  // The error of an optional value is the error of the branch that is not null.
  const isOptional = branches.length === 2 && branches.some(({ kind }) => kind === 'null')
  const told = isOptional ? unfits.find((message) => !message.endsWith('must be null')) : undefined
  throw told === undefined ? toEncodeError(at, `must be one of ${names(branches)}`) : new EncodeError(told)
}

function named(branches: readonly AvroType[], value: unknown) {
  if (!isObject(value)) return []
  const [[name, inner] = [undefined, undefined], ...others] = Object.entries(value)
  const index = others.length > 0 ? -1 : branches.findIndex((branch) => nameOf(branch) === name)
  const type = branches[index]
  return type === undefined ? [] : [{ type, index, value: inner }]
}

function leftOutOf(type: AvroType, value: unknown): number {
  if (type.kind !== 'record' || !isObject(value)) return 0
  const known = new Set(type.fields.map(({ name }) => name))
  return Object.keys(value).filter((name) => !known.has(name)).length
}

function toInteger(kind: 'int' | 'long', value: unknown, at: ValueLocation): bigint {
  const text = numberText(value)
  const integer = text === undefined ? undefined : parseInteger(text)
  const [least, most] = RANGES[kind]
  if (integer === undefined || integer < least || integer > most) {
    throw toEncodeError(at, `must be a whole number from ${least} to ${most}`)
  }
  return integer
}

/** `1e3` and `1.0` are whole numbers too. */
function parseInteger(text: string): bigint | undefined {
  if (/^-?\d{1,20}$/.test(text)) return BigInt(text)
  const number = Number(text)
  return Number.isSafeInteger(number) ? BigInt(number) : undefined
}

function toFloat(value: unknown, at: ValueLocation): number {
  if (NOT_FINITE.has(value)) return Number(value)
  const text = numberText(value)
  if (text === undefined) throw toEncodeError(at, 'must be a number')
  return Number(text)
}

function toIndex(symbols: readonly string[], value: unknown, at: ValueLocation): number {
  const index = typeof value === 'string' ? symbols.indexOf(value) : -1
  if (index < 0) throw toEncodeError(at, `must be one of ${symbols.join(', ')}`)
  return index
}

function toFixed(type: Extract<AvroType, { kind: 'fixed' }>, value: unknown, at: ValueLocation): Uint8Array {
  const bytes = toBytes(type.meaning, value, at, type.sizeBytes)
  if (bytes.length !== type.sizeBytes) throw toEncodeError(at, `must be ${type.sizeBytes} bytes, got ${bytes.length}`)
  return bytes
}

function toBytes(meaning: BytesLogicalType, value: unknown, at: ValueLocation, sizeBytes?: number): Uint8Array {
  if (at.isFallback && typeof value === 'string') return Uint8Array.from(value, (char) => char.charCodeAt(0))
  const bytes = bytesOf(value, meaning, sizeBytes)
  if (!bytes.ok) throw toEncodeError(at, bytes.reason)
  return bytes.value
}

function below({ depth, isFallback, path }: ValueLocation, name: string): ValueLocation {
  return { path: `${path}/${name}`, depth: depth + 1, isFallback }
}

function toEncodeError({ path }: ValueLocation, message: string): EncodeError {
  return new EncodeError(`${path === '' ? 'the data' : path} ${message}`)
}

function names(branches: readonly AvroType[]): string {
  return branches.map(nameOf).join(', ')
}
