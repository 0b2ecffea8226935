// Writes the primitive types of the Kafka protocol into a growing buffer. Pure. The messages built from them are in api/ and
// in record-batch.ts. https://kafka.apache.org/protocol#protocol_types

import { keepShape } from '../../core/kept-shapes.ts'

/** The two generations of message encoding. They differ in length prefixes and tagged fields. */
export interface WireEncoding {
  /** Compact lengths and tagged fields (KIP-482), which newer versions of each API use. */
  readonly flexible: boolean
}

const encoder = new TextEncoder()
const INITIAL_BYTES = 256
const UUID_BYTES = 16
const TWO_POW_32 = 4_294_967_296
const MAX_INT16 = 32_767

/** A growing buffer of protocol primitives. Integers are big-endian. */
export class Writer implements WireEncoding {
  readonly flexible: boolean
  #bytes: Uint8Array
  #view: DataView
  #length = 0

  constructor({ flexible }: WireEncoding, capacity = INITIAL_BYTES) {
    this.flexible = flexible
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get length(): number {
    return this.#length
  }

  /** Returns a view of the written bytes. It is valid until the next write. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  int8(value: number): void {
    const at = this.#reserve(1)
    this.#view.setInt8(at, value)
  }

  boolean(value: boolean): void {
    this.int8(value ? 1 : 0)
  }

  int16(value: number): void {
    const at = this.#reserve(2)
    this.#view.setInt16(at, value)
  }

  int32(value: number): void {
    const at = this.#reserve(4)
    this.#view.setInt32(at, value)
  }

  uint32(value: number): void {
    const at = this.#reserve(4)
    this.#view.setUint32(at, value)
  }

  /** Writes a whole number up to 2^53: offsets, timestamps and producer ids are smaller. */
  int64(value: number): void {
    const at = this.#reserve(8)
    this.#view.setInt32(at, Math.floor(value / TWO_POW_32))
    this.#view.setUint32(at + 4, value >>> 0)
  }

  uvarint(value: number): void {
    let rest = value
    while (rest > 0x7f) {
      this.#byte((rest & 0x7f) | 0x80)
      rest = Math.floor(rest / 128)
    }
    this.#byte(rest)
  }

  /** Writes a zigzag varint, the form that records use. */
  varint(value: number): void {
    this.uvarint(value < 0 ? -value * 2 - 1 : value * 2)
  }

  /** Writes 16 bytes, given as 32 hexadecimal digits. */
  uuid(hex: string): void {
    const at = this.#reserve(UUID_BYTES)
    for (let n = 0; n < UUID_BYTES; n += 1) this.#bytes[at + n] = Number.parseInt(hex.slice(n * 2, n * 2 + 2), 16)
  }

  string(value: string): void {
    const bytes = encoder.encode(value)
    if (this.flexible) this.uvarint(bytes.length + 1)
    else if (bytes.length > MAX_INT16)
      throw new RangeError(`a string has ${bytes.length} bytes, at most ${MAX_INT16} are possible`)
    else this.int16(bytes.length)
    this.raw(bytes)
  }

  nullableString(value: string | null): void {
    if (value !== null) this.string(value)
    else if (this.flexible) this.uvarint(0)
    else this.int16(-1)
  }

  bytes(value: Uint8Array): void {
    if (this.flexible) this.uvarint(value.length + 1)
    else this.int32(value.length)
    this.raw(value)
  }

  /** Writes bytes with a zigzag varint length, the form that records use. Null has the length −1. */
  varintBytes(value: Uint8Array | null): void {
    this.varint(value === null ? -1 : value.length)
    if (value !== null) this.raw(value)
  }

  array<T>(items: readonly T[], write: (item: T) => void): void {
    if (this.flexible) this.uvarint(items.length + 1)
    else this.int32(items.length)
    for (const item of items) write(item)
  }

  nullableArray<T>(items: readonly T[] | null, write: (item: T) => void): void {
    if (items !== null) this.array(items, write)
    else if (this.flexible) this.uvarint(0)
    else this.int32(-1)
  }

  /** Ends a structure. Rigel writes no tagged fields. */
  end(): void {
    if (this.flexible) this.uvarint(0)
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length)
    this.#bytes.set(bytes, at)
  }

  patchInt32(at: number, value: number): void {
    this.#view.setInt32(at, value)
  }

  patchUint32(at: number, value: number): void {
    this.#view.setUint32(at, value)
  }

  #byte(value: number): void {
    const at = this.#reserve(1)
    this.#bytes[at] = value
  }

  /** Call it before reading `#bytes` or `#view`: growing replaces both. */
  #reserve(count: number): number {
    const at = this.#length
    this.#length += count
    if (this.#length > this.#bytes.length) this.#grow()
    return at
  }

  #grow(): void {
    const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
    larger.set(this.#bytes)
    this.#bytes = larger
    this.#view = new DataView(larger.buffer)
  }
}

keepShape(new Writer({ flexible: false }))
