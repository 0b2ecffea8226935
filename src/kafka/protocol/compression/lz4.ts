// Decompresses LZ4 frames, the format that Kafka clients write. Pure. Checksums are not verified: the record batch has its
// own. https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
import { copyMatch } from './snappy.ts'

const MAGIC = 0x184d2204
/** Skippable frames have no content. The last four bits of their magic number are free. */
const SKIPPABLE_MAGIC = 0x184d2a50
const HAS_CONTENT_CHECKSUM = 0x04
const HAS_CONTENT_SIZE = 0x08
const HAS_DICTIONARY = 0x01
const HAS_BLOCK_CHECKSUMS = 0x10
const UNCOMPRESSED_BLOCK = 0x80000000
/** A match has at least four bytes. */
const MIN_MATCH = 4

/** Throws a RangeError if the input is not LZ4 or expands beyond the limit. Allocates only the result. */
export function lz4Decompress(input: Uint8Array, limitBytes: number): Uint8Array {
  const blocks = [...readFrames(input)]
  const bytes = blocks.reduce((sum, block) => sum + measure(block), 0)
  if (bytes > limitBytes) throw new RangeError(`LZ4 content of ${bytes} bytes, at most ${limitBytes} are allowed`)
  const output = new Uint8Array(bytes)
  let to = 0
  for (const block of blocks) to = decompressBlock(block, output, to)
  return output
}

interface Lz4Block {
  readonly isCompressed: boolean
  readonly body: Uint8Array
}

/** Yields the blocks of all frames: the format allows several, one after the other. */
function* readFrames(input: Uint8Array): Generator<Lz4Block> {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  for (let at = 0; at < input.length || at === 0;) {
    const magic = view.getUint32(at, true)
    if ((magic & ~0x0f) === SKIPPABLE_MAGIC) at += 8 + view.getUint32(at + 4, true)
    else if (magic === MAGIC) at = yield* readBlocks(input, view, at)
    else throw new RangeError('not an LZ4 frame: wrong magic number')
    if (at > input.length) throw new RangeError('an LZ4 frame is truncated')
  }
}

/** Yields the blocks of the frame at `start`, and returns the position after it. */
function* readBlocks(input: Uint8Array, view: DataView, start: number): Generator<Lz4Block, number> {
  const flags = view.getUint8(start + 4)
  if (flags & HAS_DICTIONARY) throw new RangeError('LZ4 frames with a dictionary are not supported')
  // Magic, flags, block descriptor, content size, header checksum.
  let from = start + 6 + (flags & HAS_CONTENT_SIZE ? 8 : 0) + 1
  for (;;) {
    const head = view.getUint32(from, true)
    from += 4
    if (head === 0) return from + (flags & HAS_CONTENT_CHECKSUM ? 4 : 0)
    const size = head & ~UNCOMPRESSED_BLOCK
    const body = input.subarray(from, from + size)
    if (body.length < size) throw new RangeError('an LZ4 frame is truncated')
    yield { isCompressed: (head & UNCOMPRESSED_BLOCK) === 0, body }
    from += size + (flags & HAS_BLOCK_CHECKSUMS ? 4 : 0)
  }
}

function measure({ isCompressed, body }: Lz4Block): number {
  if (!isCompressed) return body.length
  let bytes = 0
  forEachSequence(body, (_from, literals, _distance, size) => (bytes += literals + size))
  return bytes
}

/** Matches may refer to earlier blocks. Returns the position after the block's content. */
function decompressBlock({ isCompressed, body }: Lz4Block, output: Uint8Array, start: number): number {
  let to = start
  if (!isCompressed) {
    output.set(body, to)
    return to + body.length
  }
  forEachSequence(body, (from, literals, distance, size) => {
    output.set(body.subarray(from, from + literals), to)
    to += literals
    if (size > 0) to = copyMatch(output, to, distance, size)
  })
  return to
}

/** Calls `handle` for each sequence of literals and a match. The last sequence has no match. */
function forEachSequence(
  block: Uint8Array,
  handle: (from: number, literals: number, distance: number, size: number) => void,
): void {
  let at = 0
  const byte = (): number => {
    const value = block[at]
    if (value === undefined) throw new RangeError('an LZ4 block is truncated')
    at += 1
    return value
  }
  /** 15 means that more length bytes follow; so does each 255. */
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
    if (literals > block.length - from) throw new RangeError('the literals of an LZ4 block are truncated')
    at += literals
    if (at === block.length) return handle(from, literals, 0, 0)
    const distance = byte() | (byte() << 8)
    handle(from, literals, distance, length(token & 15) + MIN_MATCH)
  }
}
