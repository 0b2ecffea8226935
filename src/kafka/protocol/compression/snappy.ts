// Snappy decompression, as Kafka has it: a bare block (librdkafka), or blocks in the framing of xerial's snappy-java, which
// Java's clients write. Pure. https://github.com/google/snappy/blob/main/format_description.txt

const XERIAL_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]
/** The magic, a version and the oldest compatible version. */
const XERIAL_HEADER_BYTES = 16

/** What expands most is a copy: three bytes become 64. */
const MAX_RATIO = 22

/** Throws a RangeError for what is no Snappy, or larger than the limit. All that it allocates is what it answers. */
export function snappyDecompress(input: Uint8Array, limitBytes: number): Uint8Array {
  const blocks = [...readBlocks(input)]
  const bytes = blocks.reduce((sum, { length }) => sum + length, 0)
  if (bytes > limitBytes) throw new RangeError(`Snappy of ${bytes} bytes, more than ${limitBytes}`)
  if (bytes > input.length * MAX_RATIO) throw new RangeError(`Snappy of ${bytes} bytes in ${input.length}`)
  const output = new Uint8Array(bytes)
  let to = 0
  for (const { length, body } of blocks) {
    decompressBlock(body, output.subarray(to, to + length))
    to += length
  }
  return output
}

interface Block {
  /** Decompressed, as the block says itself. */
  readonly length: number
  readonly body: Uint8Array
}

function* readBlocks(input: Uint8Array): Generator<Block> {
  if (!XERIAL_MAGIC.every((byte, at) => input[at] === byte)) return yield readBlock(input)
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  for (let at = XERIAL_HEADER_BYTES; at < input.length;) {
    const size = view.getInt32(at)
    at += 4
    if (size < 0 || size > input.length - at) throw new RangeError('Snappy ends within a block')
    yield readBlock(input.subarray(at, at + size))
    at += size
  }
}

function readBlock(input: Uint8Array): Block {
  const { length, start } = preamble(input)
  return { length, body: input.subarray(start) }
}

/** Copies refer to what is in the same block. */
function decompressBlock(input: Uint8Array, output: Uint8Array): void {
  let from = 0
  let to = 0
  while (from < input.length) {
    const tag = byteAt(input, from)
    from += 1
    if ((tag & 3) === 0) {
      const { size, skip } = literal(input, from, tag >>> 2)
      from += skip
      if (size > input.length - from) throw new RangeError('Snappy ends within a literal')
      if (size > output.length - to) throw new RangeError('a Snappy block is longer than it says')
      output.set(input.subarray(from, from + size), to)
      from += size
      to += size
    } else {
      const { size, distance, skip } = copy(input, from, tag)
      from += skip
      to = repeat(output, to, distance, size)
    }
  }
  if (to !== output.length) throw new RangeError(`Snappy of ${to} bytes, ${output.length} were promised`)
}

function preamble(input: Uint8Array): { readonly length: number; readonly start: number } {
  let length = 0
  for (let at = 0; at < 5; at += 1) {
    const byte = byteAt(input, at)
    length += (byte & 0x7f) * 128 ** at
    if (byte < 0x80) return { length, start: at + 1 }
  }
  throw new RangeError('no Snappy: its length is no varint')
}

/** Lengths of 61 and more stand in the one to four bytes that follow. */
function literal(input: Uint8Array, at: number, code: number): { readonly size: number; readonly skip: number } {
  if (code < 60) return { size: code + 1, skip: 0 }
  const skip = code - 59
  return { size: littleEndian(input, at, skip) + 1, skip }
}

function copy(input: Uint8Array, at: number, tag: number) {
  if ((tag & 3) === 1) {
    return { size: ((tag >>> 2) & 7) + 4, distance: ((tag >>> 5) << 8) | byteAt(input, at), skip: 1 }
  }
  const skip = (tag & 3) === 2 ? 2 : 4
  return { size: (tag >>> 2) + 1, distance: littleEndian(input, at, skip), skip }
}

/** Copies what was written already, byte by byte where it overlaps with itself. Also LZ4's. */
export function repeat(output: Uint8Array, to: number, distance: number, size: number): number {
  if (distance === 0 || distance > to || to + size > output.length) {
    throw new RangeError(`a copy of ${size} bytes from ${distance} before ${to} of ${output.length}`)
  }
  if (distance >= size) output.copyWithin(to, to - distance, to - distance + size)
  else for (let n = 0; n < size; n += 1) output[to + n] = output[to + n - distance] ?? 0
  return to + size
}

function littleEndian(input: Uint8Array, at: number, count: number): number {
  let value = 0
  for (let n = 0; n < count; n += 1) value += byteAt(input, at + n) * 256 ** n
  return value
}

function byteAt(input: Uint8Array, at: number): number {
  const byte = input[at]
  if (byte === undefined) throw new RangeError('Snappy ends in the middle')
  return byte
}
