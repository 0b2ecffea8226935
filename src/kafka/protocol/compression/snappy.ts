// Decompresses Snappy as Kafka clients write it: one raw block (librdkafka), or blocks in the framing of xerial's snappy-java
// (Java clients). Pure. https://github.com/google/snappy/blob/main/format_description.txt

const XERIAL_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]
/** Magic, version, and oldest compatible version. */
const XERIAL_HEADER_BYTES = 16

/** Largest expansion: a copy of three bytes produces 64. */
const MAX_RATIO = 22

/** Throws a RangeError if the input is not Snappy or expands beyond the limit. Allocates only the result. */
export function snappyDecompress(input: Uint8Array, limitBytes: number): Uint8Array {
  const blocks = [...readBlocks(input)]
  const bytes = blocks.reduce((sum, { length }) => sum + length, 0)
  if (bytes > limitBytes) throw new RangeError(`Snappy content of ${bytes} bytes, at most ${limitBytes} are allowed`)
  if (bytes > input.length * MAX_RATIO)
    throw new RangeError(`Snappy content of ${bytes} bytes cannot come from ${input.length} bytes`)
  const output = new Uint8Array(bytes)
  let to = 0
  for (const { length, body } of blocks) {
    decompressBlock(body, output.subarray(to, to + length))
    to += length
  }
  return output
}

interface SnappyBlock {
  /** Decompressed length, from the block's header. */
  readonly length: number
  readonly body: Uint8Array
}

function* readBlocks(input: Uint8Array): Generator<SnappyBlock> {
  if (!XERIAL_MAGIC.every((byte, at) => input[at] === byte)) return yield readBlock(input)
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  for (let at = XERIAL_HEADER_BYTES; at < input.length;) {
    const size = view.getInt32(at)
    at += 4
    if (size < 0 || size > input.length - at) throw new RangeError('a Snappy block is truncated')
    yield readBlock(input.subarray(at, at + size))
    at += size
  }
}

function readBlock(input: Uint8Array): SnappyBlock {
  const { length, start } = preamble(input)
  return { length, body: input.subarray(start) }
}

/** Copies refer to output of the same block. */
function decompressBlock(input: Uint8Array, output: Uint8Array): void {
  let from = 0
  let to = 0
  while (from < input.length) {
    const tag = byteAt(input, from)
    from += 1
    if ((tag & 3) === 0) {
      const { size, skip } = literal(input, from, tag >>> 2)
      from += skip
      if (size > input.length - from) throw new RangeError('a Snappy literal is truncated')
      if (size > output.length - to) throw new RangeError('a Snappy block is longer than its header says')
      output.set(input.subarray(from, from + size), to)
      from += size
      to += size
    } else {
      const { size, distance, skip } = copy(input, from, tag)
      from += skip
      to = copyMatch(output, to, distance, size)
    }
  }
  if (to !== output.length) throw new RangeError(`a Snappy block has ${to} bytes, its header says ${output.length}`)
}

function preamble(input: Uint8Array): { readonly length: number; readonly start: number } {
  let length = 0
  for (let at = 0; at < 5; at += 1) {
    const byte = byteAt(input, at)
    length += (byte & 0x7f) * 128 ** at
    if (byte < 0x80) return { length, start: at + 1 }
  }
  throw new RangeError('not Snappy: the length is not a varint')
}

/** Lengths above 60 are in the next one to four bytes. */
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

/** Copies earlier output to the end, byte by byte where source and target overlap. Also used by lz4.ts. */
export function copyMatch(output: Uint8Array, to: number, distance: number, size: number): number {
  if (distance === 0 || distance > to || to + size > output.length) {
    throw new RangeError(`invalid copy of ${size} bytes, ${distance} before ${to} of ${output.length}`)
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
  if (byte === undefined) throw new RangeError('Snappy input is truncated')
  return byte
}
