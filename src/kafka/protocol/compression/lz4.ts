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

/** Throws a RangeError for what is no LZ4 frame, or larger than the limit. All that it allocates is what it answers. */
export function lz4Decompress(input: Uint8Array, limitBytes: number): Uint8Array {
  const blocks = [...readBlocks(input)]
  const bytes = blocks.reduce((sum, block) => sum + measure(block), 0)
  if (bytes > limitBytes) throw new RangeError(`LZ4 of ${bytes} bytes, more than ${limitBytes}`)
  const output = new Uint8Array(bytes)
  let to = 0
  for (const block of blocks) to = decompressBlock(block, output, to)
  return output
}

interface Block {
  readonly isCompressed: boolean
  readonly body: Uint8Array
}

function* readBlocks(input: Uint8Array): Generator<Block> {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  if (view.getUint32(0, true) !== MAGIC) throw new RangeError('no LZ4 frame: its magic number is missing')
  const flags = view.getUint8(4)
  if (flags & HAS_DICTIONARY) throw new RangeError('an LZ4 frame with a dictionary')
  // Magic, flags, block descriptor, size of the content, checksum of the header.
  let from = 6 + (flags & HAS_CONTENT_SIZE ? 8 : 0) + 1
  for (;;) {
    const head = view.getUint32(from, true)
    from += 4
    if (head === 0) return
    const size = head & ~UNCOMPRESSED_BLOCK
    const body = input.subarray(from, from + size)
    if (body.length < size) throw new RangeError('an LZ4 frame ends within a block')
    yield { isCompressed: (head & UNCOMPRESSED_BLOCK) === 0, body }
    from += size + (flags & HAS_BLOCK_CHECKSUMS ? 4 : 0)
  }
}

function measure({ isCompressed, body }: Block): number {
  if (!isCompressed) return body.length
  let bytes = 0
  forEachSequence(body, (_from, literals, _distance, size) => (bytes += literals + size))
  return bytes
}

/** Matches may lie in the blocks before it. Answers where it ends. */
function decompressBlock({ isCompressed, body }: Block, output: Uint8Array, start: number): number {
  let to = start
  if (!isCompressed) {
    output.set(body, to)
    return to + body.length
  }
  forEachSequence(body, (from, literals, distance, size) => {
    output.set(body.subarray(from, from + literals), to)
    to += literals
    if (size > 0) to = repeat(output, to, distance, size)
  })
  return to
}

/** Sequences of literals and a match; the last has no match. */
function forEachSequence(
  block: Uint8Array,
  handle: (from: number, literals: number, distance: number, size: number) => void,
): void {
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
    const from = at
    if (literals > block.length - from) throw new RangeError('an LZ4 block ends within its literals')
    at += literals
    if (at === block.length) return handle(from, literals, 0, 0)
    const distance = byte() | (byte() << 8)
    handle(from, literals, distance, length(token & 15) + MIN_MATCH)
  }
}
