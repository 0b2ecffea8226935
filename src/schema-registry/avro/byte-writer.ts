// Bytes that grow, with Avro's numbers. Pure; for avro-encode.ts.

export class AvroWriter {
  #bytes = new Uint8Array(256)
  length = 0

  byte(value: number): void {
    this.#reserve(1)
    this.#bytes[this.length] = value
    this.length += 1
  }

  bytes(values: Uint8Array): void {
    this.#reserve(values.length)
    this.#bytes.set(values, this.length)
    this.length += values.length
  }

  sized(values: Uint8Array): void {
    this.long(BigInt(values.length))
    this.bytes(values)
  }

  /** Zigzag, seven bits a byte, the lowest first. */
  long(value: bigint): void {
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    for (; rest > 0x7fn; rest >>= 7n) this.byte(Number(rest & 0x7fn) | 0x80)
    this.byte(Number(rest))
  }

  float(sizeBytes: 4 | 8, value: number): void {
    const view = new DataView(new ArrayBuffer(sizeBytes))
    if (sizeBytes === 4) view.setFloat32(0, value, true)
    else view.setFloat64(0, value, true)
    this.bytes(new Uint8Array(view.buffer))
  }

  truncate(length: number): void {
    this.length = length
  }

  toBytes(): Uint8Array {
    return this.#bytes.slice(0, this.length)
  }

  #reserve(more: number): void {
    if (this.length + more <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + more))
    larger.set(this.#bytes.subarray(0, this.length))
    this.#bytes = larger
  }
}
