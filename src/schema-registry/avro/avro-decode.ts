// Decodes Avro's binary encoding directly into JSON text, because a long has 64 bits and must keep its digits. Pure. Uses the
// writer's schema, as RIG does. How types become JSON: docs/schema-registry.md.
// https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
import { fail, ok, type Result } from '../../core/result.ts'
import { bytesToJson } from './avro-bytes.ts'
import type { AvroType, BytesLogicalType } from './avro-schema.ts'
import type { CodecError } from '../codec.ts'

/** Nesting of recursive types that the stack can hold. */
const MAX_DEPTH = 200
/** Bytes of a varint with 64 bits. */
const MAX_VARINT_BYTES = 10
/** Varints up to this length fit into JavaScript's 32-bit integers. */
const SMALL_VARINT_BYTES = 4

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Thrown within this file, caught by decodeAvro. */
class Malformed extends Error {}
class TooLarge extends Error {}

/** `limitChars` bounds the text: a few bytes may announce a million nulls. */
export function decodeAvro(type: AvroType, bytes: Uint8Array, limitChars: number): Result<string, CodecError> {
  const decoder = new AvroDecoder(bytes, limitChars)
  try {
    return ok(decoder.decode(type))
  } catch (error) {
    if (error instanceof TooLarge) return fail({ kind: 'too_large' })
    if (error instanceof Malformed) return fail({ kind: 'malformed', message: error.message })
    throw error
  }
}

class AvroDecoder {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #limitChars: number
  #at = 0
  #json = ''
  #depth = 0

  constructor(bytes: Uint8Array, limitChars: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#limitChars = limitChars
  }

  decode(type: AvroType): string {
    this.#value(type)
    const left = this.#bytes.length - this.#at
    if (left > 0) throw new Malformed(`${left} bytes follow the value`)
    return this.#json
  }

  #value(type: AvroType): void {
    switch (type.kind) {
      case 'null':
        return this.#write('null')
      case 'boolean':
        return this.#write(this.#boolean())
      case 'int':
        return this.#write(String(this.#int()))
      case 'long':
        return this.#write(String(this.#long()))
      case 'float':
        return this.#write(toNumber(this.#view.getFloat32(this.#take(4), true)))
      case 'double':
        return this.#write(toNumber(this.#view.getFloat64(this.#take(8), true)))
      case 'string':
        return this.#write(this.#string())
      case 'bytes':
        return this.#opaque(this.#count(), type.meaning)
      case 'fixed':
        return this.#opaque(type.sizeBytes, type.meaning)
      case 'enum':
        return this.#write(JSON.stringify(this.#chosen(type.symbols, 'symbol')))
      default:
        return this.#nested(type)
    }
  }

  #nested(type: Extract<AvroType, { kind: 'array' | 'map' | 'record' | 'union' }>): void {
    this.#depth += 1
    if (this.#depth > MAX_DEPTH) throw new Malformed(`nested deeper than ${MAX_DEPTH}`)
    if (type.kind === 'union') this.#value(this.#chosen(type.branches, 'branch'))
    else if (type.kind === 'record') this.#record(type)
    else this.#blocks(type)
    this.#depth -= 1
  }

  #record({ fields }: Extract<AvroType, { kind: 'record' }>): void {
    let before = '{'
    for (const { label, type } of fields) {
      this.#write(before)
      this.#write(label)
      this.#value(type)
      before = ','
    }
    this.#write(before === '{' ? '{}' : '}')
  }

  /** Blocks of items, until an empty one. A negative count is followed by the block's size in bytes. */
  #blocks(type: Extract<AvroType, { kind: 'array' | 'map' }>): void {
    const [open, close] = type.kind === 'array' ? '[]' : '{}'
    let before = open ?? ''
    for (let left = this.#block(); left > 0; left = this.#block()) {
      for (; left > 0; left -= 1) {
        this.#write(before)
        before = ','
        if (type.kind === 'map') this.#write(`${this.#string()}:`)
        this.#value(type.kind === 'array' ? type.items : type.values)
      }
    }
    this.#write(before === open ? `${open}${close}` : (close ?? ''))
  }

  #block(): number {
    const count = this.#safeLong()
    if (count < 0) this.#safeLong()
    return Math.abs(count)
  }

  #boolean(): string {
    const byte = this.#bytes[this.#take(1)]
    if (byte === 0 || byte === 1) return byte === 1 ? 'true' : 'false'
    throw new Malformed(`a boolean must be 0 or 1, got ${byte}`)
  }

  #string(): string {
    const bytes = this.#slice(this.#count())
    try {
      return JSON.stringify(utf8.decode(bytes))
    } catch {
      throw new Malformed('a string is not UTF-8')
    }
  }

  #opaque(sizeBytes: number, meaning: BytesLogicalType): void {
    const json = bytesToJson(this.#slice(sizeBytes), meaning)
    if (!json.ok) throw new Malformed(json.reason)
    this.#write(json.value)
  }

  #chosen<T>(from: readonly T[], what: string): T {
    const index = this.#safeLong()
    const chosen = from[index]
    if (chosen !== undefined) return chosen
    throw new Malformed(`there is no ${what} ${index}: there are ${from.length}`)
  }

  #count(): number {
    const count = this.#safeLong()
    if (count >= 0) return count
    throw new Malformed(`a length must not be negative, got ${count}`)
  }

  #safeLong(): number {
    const long = this.#long()
    if (typeof long === 'number') return long
    throw new Malformed(`a length or count is ${long}`)
  }

  #int(): number {
    const value = this.#long()
    if (typeof value === 'number' && value === (value | 0)) return value
    throw new Malformed(`an int must have 32 bits, got ${value}`)
  }

  /** Returns a bigint only where a number would be rounded. */
  #long(): number | bigint {
    let low = 0
    for (let n = 0; n < SMALL_VARINT_BYTES; n += 1) {
      const byte = this.#bytes[this.#take(1)] ?? 0
      low |= (byte & 0x7f) << (7 * n)
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1)
    }
    let value = BigInt(low)
    for (let n = SMALL_VARINT_BYTES; n < MAX_VARINT_BYTES; n += 1) {
      const byte = this.#bytes[this.#take(1)] ?? 0
      value |= BigInt(byte & 0x7f) << BigInt(7 * n)
      if (byte >= 0x80) continue
      const signed = BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n))
      return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed
    }
    throw new Malformed('a number has more than 64 bits')
  }

  #slice(bytes: number): Uint8Array {
    const start = this.#take(bytes)
    return this.#bytes.subarray(start, start + bytes)
  }

  /** Returns the position of the bytes, and moves past them. */
  #take(bytes: number): number {
    const start = this.#at
    if (bytes > this.#bytes.length - start) throw new Malformed('the data ends within a value')
    this.#at = start + bytes
    return start
  }

  #write(text: string): void {
    if (this.#json.length + text.length > this.#limitChars) throw new TooLarge()
    this.#json += text
  }
}

/** JSON has no NaN and infinity: the texts are those of Protobuf's JSON mapping. */
function toNumber(value: number): string {
  return Number.isFinite(value) ? String(value) : `"${value}"`
}
