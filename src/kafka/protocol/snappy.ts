// Snappy decompression, as Kafka has it: a bare block (librdkafka), or blocks in the framing of xerial's snappy-java, which
// Java's clients write. Pure. https://github.com/google/snappy/blob/main/format_description.txt

const XERIAL_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]
/** The magic, a version and the oldest compatible version. */
const XERIAL_HEADER_BYTES = 16

/** Throws a RangeError for what is no Snappy, or larger than the limit. */
export function snappyDecompress(input: Uint8Array, limitBytes: number): Uint8Array {
  if (!XERIAL_MAGIC.every((byte, at) => input[at] === byte)) return decompressBlock(input, limitBytes)
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  const blocks: Uint8Array[] = []
  let bytes = 0
  for (let at = XERIAL_HEADER_BYTES; at < input.length;) {
    const length = view.getInt32(at)
    const block = decompressBlock(input.subarray(at + 4, at + 4 + length), limitBytes - bytes)
    blocks.push(block)
    bytes += block.length
    at += 4 + length
  }
  return concatenate(blocks, bytes)
}

function concatenate(blocks: readonly Uint8Array[], bytes: number): Uint8Array {
  const [only] = blocks
  if (blocks.length === 1 && only !== undefined) return only
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const block of blocks) {
    whole.set(block, at)
    at += block.length
  }
  return whole
}

function decompressBlock(input: Uint8Array, limitBytes: number): Uint8Array {
  const { length, start } = preamble(input)
  if (length > limitBytes) throw new RangeError(`Snappy of ${length} bytes, more than ${limitBytes}`)
  const output = new Uint8Array(length)
  let from = start
  let to = 0
  while (from < input.length) {
    const tag = byteAt(input, from)
    from += 1
    if ((tag & 3) === 0) {
      const { size, skip } = literal(input, from, tag >>> 2)
      from += skip
      if (from + size > input.length) throw new RangeError('Snappy ends within a literal')
      output.set(input.subarray(from, from + size), to)
      from += size
      to += size
    } else {
      const { size, distance, skip } = copy(input, from, tag)
      from += skip
      to = repeat(output, to, distance, size)
    }
  }
  if (to !== length) throw new RangeError(`Snappy of ${to} bytes, ${length} were promised`)
  return output
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
