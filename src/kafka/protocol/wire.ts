// The primitive types of the Kafka protocol (https://kafka.apache.org/protocol#protocol_types): a Writer that grows, a
// Reader that checks its bounds. Pure. What is made of them: the files in api/, and record-batch.ts.

/** Length prefixes and tagged fields differ between the two generations of every message. */
interface Generation {
  /** Compact lengths and tagged fields (KIP-482). */
  readonly flexible: boolean
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const INITIAL_BYTES = 256
const UUID_BYTES = 16
const TWO_POW_32 = 4_294_967_296
const MAX_INT16 = 32_767
/** Of the tenth byte, with which 64 bits end. */
const MAX_VARINT_FACTOR = 128 ** 9

export class Writer implements Generation {
  readonly flexible: boolean
  #bytes: Uint8Array
  #view: DataView
  #length = 0

  constructor({ flexible }: Generation, capacity = INITIAL_BYTES) {
    this.flexible = flexible
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get length(): number {
    return this.#length
  }

  /** A view of what was written; valid until the next write. */
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

  /** Whole numbers up to 2^53: offsets, timestamps, producer ids. */
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

  /** Zigzag, as records have it. */
  varint(value: number): void {
    this.uvarint(value < 0 ? -value * 2 - 1 : value * 2)
  }

  /** 16 bytes as their 32 hexadecimal digits. */
  uuid(hex: string): void {
    const at = this.#reserve(UUID_BYTES)
    for (let n = 0; n < UUID_BYTES; n += 1) this.#bytes[at + n] = Number.parseInt(hex.slice(n * 2, n * 2 + 2), 16)
  }

  string(value: string): void {
    const bytes = encoder.encode(value)
    if (this.flexible) this.uvarint(bytes.length + 1)
    else if (bytes.length > MAX_INT16)
      throw new RangeError(`a string of ${bytes.length} bytes, ${MAX_INT16} are possible`)
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

  /** Length −1 for null, zigzag, as in records. */
  varintBytes(value: Uint8Array | null): void {
    this.varint(value === null ? -1 : value.length)
    if (value !== null) this.raw(value)
  }

  array<T>(items: readonly T[], write: (item: T) => void): void {
    if (this.flexible) this.uvarint(items.length + 1)
    else this.int32(items.length)
    for (const item of items) write(item)
  }

  /** The end of a structure: we have no tagged fields to write. */
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

  /** May put other bytes in the place of `#bytes` and `#view`: call it before they are looked at. */
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

/** What is read past the end, or says a length that cannot be: a RangeError. */
export class Reader implements Generation {
  readonly flexible: boolean
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at: number

  constructor({ flexible }: Generation, bytes: Uint8Array) {
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

  /** Exact up to 2^53, which offsets and timestamps never pass. */
  int64(): number {
    const at = this.#advance(8)
    return this.#view.getInt32(at) * TWO_POW_32 + this.#view.getUint32(at + 4)
  }

  /** Exact up to 2^53. A producer may write any 64 bits, as in the delta of a timestamp: that must not cost the batch. */
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
    // One byte is what most lengths and deltas take.
    const first = this.#bytes[this.#at]
    if (first !== undefined && first < 0x80) {
      this.#at += 1
      return (first >>> 1) ^ -(first & 1)
    }
    const zigzag = this.uvarint()
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
  }

  uuid(): string {
    return this.raw(UUID_BYTES).reduce((hex, byte) => hex + byte.toString(16).padStart(2, '0'), '')
  }

  string(): string {
    return this.nullableString() ?? ''
  }

  nullableString(): string | null {
    const length = this.flexible ? this.uvarint() - 1 : this.int16()
    return length < 0 ? null : decoder.decode(this.raw(length))
  }

  /** A view, not a copy. */
  nullableBytes(): Uint8Array | null {
    const length = this.flexible ? this.uvarint() - 1 : this.int32()
    return length < 0 ? null : this.raw(length)
  }

  varintBytes(): Uint8Array | null {
    const length = this.varint()
    return length < 0 ? null : this.raw(length)
  }

  array<T>(read: () => T): T[] {
    const length = this.flexible ? this.uvarint() - 1 : this.int32()
    // Nothing has less than a byte: a length beyond that is garbage, and must not be allocated for.
    if (length > this.remaining) throw new RangeError(`an array of ${length} items in ${this.remaining} bytes`)
    const items: T[] = []
    for (let n = 0; n < length; n += 1) items.push(read())
    return items
  }

  /** The end of a structure: tagged fields that we do not know are skipped. */
  end(): void {
    this.endWith(null)
  }

  /** The end of a structure, and of its tagged fields the one that is wanted. Null: it is not there. */
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

  /** A view, not a copy. */
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
