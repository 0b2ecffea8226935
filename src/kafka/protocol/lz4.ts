// LZ4 decompression of the frame format, which Kafka's clients write. Pure. Checksums are not looked at: the record batch
// around it has its own. https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
import { repeat } from './snappy.ts'

const MAGIC = 0x184d2204
const HAS_CONTENT_SIZE = 0x08
const HAS_DICTIONARY = 0x01
const HAS_BLOCK_CHECKSUMS = 0x10
const UNCOMPRESSED_BLOCK = 0x80000000
/** Matches are four bytes at least. */
const MIN_MATCH = 4

/** Throws a RangeError for what is no LZ4 frame, or larger than the limit. */
export function lz4Decompress(input: Uint8Array, limitBytes: number): Uint8Array {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  if (view.getUint32(0, true) !== MAGIC) throw new RangeError('no LZ4 frame: its magic number is missing')
  const flags = view.getUint8(4)
  if (flags & HAS_DICTIONARY) throw new RangeError('an LZ4 frame with a dictionary')
  // Magic, flags, block descriptor, size of the content, checksum of the header.
  let from = 6 + (flags & HAS_CONTENT_SIZE ? 8 : 0) + 1
  const output = new Output(input.length * 4, limitBytes)
  for (;;) {
    const head = view.getUint32(from, true)
    from += 4
    if (head === 0) return output.finish()
    const size = head & ~UNCOMPRESSED_BLOCK
    const block = input.subarray(from, from + size)
    if (block.length < size) throw new RangeError('an LZ4 frame ends within a block')
    if (head & UNCOMPRESSED_BLOCK) output.literals(block)
    else decompressBlock(block, output)
    from += size + (flags & HAS_BLOCK_CHECKSUMS ? 4 : 0)
  }
}

/** Grows up to the limit. Blocks may refer to those before them, so all share it. */
class Output {
  #bytes: Uint8Array
  #length = 0
  readonly #limitBytes: number

  constructor(capacity: number, limitBytes: number) {
    this.#bytes = new Uint8Array(Math.min(capacity, limitBytes))
    this.#limitBytes = limitBytes
  }

  literals(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  match(distance: number, size: number): void {
    this.#makeRoom(size)
    this.#length = repeat(this.#bytes, this.#length, distance, size)
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #makeRoom(count: number): void {
    const wanted = this.#length + count
    if (wanted <= this.#bytes.length) return
    if (wanted > this.#limitBytes) throw new RangeError(`LZ4 of more than ${this.#limitBytes} bytes`)
    const larger = new Uint8Array(Math.min(this.#limitBytes, Math.max(wanted, this.#bytes.length * 2)))
    larger.set(this.#bytes)
    this.#bytes = larger
  }
}

/** Sequences of literals and a match; the last has no match. */
function decompressBlock(block: Uint8Array, output: Output): void {
  let at = 0
  const byte = (): number => {
    const value = block[at]
    if (value === undefined) throw new RangeError('an LZ4 block ends in the middle')
    at += 1
    return value
  }
  /** 15 says that bytes follow, 255 that yet another does. */
  const length = (nibble: number): number => {
    if (nibble < 15) return nibble
    for (let sum = 15; ;) {
      const more = byte()
      sum += more
      if (more < 255) return sum
    }
  }
  while (at < block.length) {
    const token = byte()
    const literals = length(token >>> 4)
    if (at + literals > block.length) throw new RangeError('an LZ4 block ends within its literals')
    output.literals(block.subarray(at, at + literals))
    at += literals
    if (at === block.length) return
    const distance = byte() | (byte() << 8)
    output.match(distance, length(token & 15) + MIN_MATCH)
  }
}
