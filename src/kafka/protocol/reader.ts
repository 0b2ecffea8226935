// Reads the primitive types of the Kafka protocol and checks every length against the bytes that are there. Pure. The
// messages read with it are in api/ and in record-batch.ts. https://kafka.apache.org/protocol#protocol_types
import { toHex } from '../../core/bytes.ts'
import { keepShape } from '../../core/kept-shapes.ts'
import type { WireEncoding } from './writer.ts'

const decoder = new TextDecoder()
const UUID_BYTES = 16
const TWO_POW_32 = 4_294_967_296
/** Factor of the tenth varint byte, the last one that 64 bits need. */
const MAX_VARINT_FACTOR = 128 ** 9

/** Throws a RangeError when a read passes the end of the bytes, or a length is impossible. */
export class Reader implements WireEncoding {
  readonly flexible: boolean
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at: number

  constructor({ flexible }: WireEncoding, bytes: Uint8Array) {
    this.flexible = flexible
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = 0
  }

  get position(): number {
    return this.#at
  }

  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  int8(): number {
    return this.#view.getInt8(this.#advance(1))
  }

  boolean(): boolean {
    return this.int8() !== 0
  }

  int16(): number {
    return this.#view.getInt16(this.#advance(2))
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4))
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4))
  }

  /** Reads a 64-bit integer. Exact up to 2^53, which offsets and timestamps never exceed. */
  int64(): number {
    const at = this.#advance(8)
    return this.#view.getInt32(at) * TWO_POW_32 + this.#view.getUint32(at + 4)
  }

  /** Reads an unsigned varint. Exact up to 2^53. Larger values are rounded rather than refused: a wrong timestamp delta must not cost the batch. */
  uvarint(): number {
    let value = 0
    let factor = 1
    for (;;) {
      const byte = this.#view.getUint8(this.#advance(1))
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
      factor *= 128
      if (factor > MAX_VARINT_FACTOR) throw new RangeError('a varint is longer than 10 bytes')
    }
  }

  varint(): number {
    // Fast path: most lengths and deltas take one byte.
    const first = this.#bytes[this.#at]
    if (first !== undefined && first < 0x80) {
      this.#at += 1
      return (first >>> 1) ^ -(first & 1)
    }
    const zigzag = this.uvarint()
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
  }

  uuid(): string {
    return toHex(this.raw(UUID_BYTES))
  }

  string(): string {
    return this.nullableString() ?? ''
  }

  nullableString(): string | null {
    const length = this.flexible ? this.uvarint() - 1 : this.int16()
    return length < 0 ? null : decoder.decode(this.raw(length))
  }

  /** Returns a view, not a copy. */
  nullableBytes(): Uint8Array | null {
    const length = this.flexible ? this.uvarint() - 1 : this.int32()
    return length < 0 ? null : this.raw(length)
  }

  /** Like `nullableBytes`, but returns the bytes that are there if the field is cut off. */
  availableBytes(): Uint8Array | null {
    const length = this.flexible ? this.uvarint() - 1 : this.int32()
    return length < 0 ? null : this.raw(Math.min(length, this.remaining))
  }

  varintBytes(): Uint8Array | null {
    const length = this.varint()
    return length < 0 ? null : this.raw(length)
  }

  array<T>(read: () => T): T[] {
    const length = this.flexible ? this.uvarint() - 1 : this.int32()
    // An item takes at least one byte, so a larger length is garbage and must not be allocated for.
    if (length > this.remaining) throw new RangeError(`an array of ${length} items in ${this.remaining} bytes`)
    const items: T[] = []
    for (let n = 0; n < length; n += 1) items.push(read())
    return items
  }

  /** Ends a structure and skips its tagged fields. */
  end(): void {
    this.endWith(null)
  }

  /** Ends a structure and returns the tagged field `wanted`, or null if it is absent. */
  endWith(wanted: number | null): Uint8Array | null {
    let found: Uint8Array | null = null
    if (!this.flexible) return found
    for (let tags = this.uvarint(); tags > 0; tags -= 1) {
      const tag = this.uvarint()
      const field = this.raw(this.uvarint())
      if (tag === wanted) found = field
    }
    return found
  }

  /** Returns a view, not a copy. */
  raw(length: number): Uint8Array {
    const at = this.#advance(length)
    return this.#bytes.subarray(at, at + length)
  }

  #advance(count: number): number {
    const at = this.#at
    if (count < 0 || count > this.#bytes.length - at) {
      throw new RangeError(`${count} bytes wanted at ${at}, there are ${this.#bytes.length}`)
    }
    this.#at += count
    return at
  }
}

keepShape(new Reader({ flexible: false }, new Uint8Array()))
