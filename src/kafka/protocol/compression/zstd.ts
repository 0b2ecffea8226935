// Decompresses zstd with the platform's node:zlib, frame by frame: workerd reads only the first of several frames and ignores
// the rest without an error. This file finds where frames end. Called by compression.ts.
// https://www.rfc-editor.org/rfc/rfc8878#section-3.1
import { zstdDecompressSync } from 'node:zlib'
import { concat } from '../../../core/bytes.ts'

const MAGIC = 0xfd2fb528
/** Skippable frames have no content. The last four bits of their magic number are free. */
const SKIPPABLE_MAGIC = 0x184d2a50
const IS_SINGLE_SEGMENT = 0x20
const HAS_CHECKSUM = 0x04
/** Indexed by two bits of the frame header. With a single segment, the first content size is 1 byte. */
const DICTIONARY_ID_BYTES = [0, 1, 2, 4]
const CONTENT_SIZE_BYTES = [0, 2, 4, 8]
const RLE_BLOCK = 1

/** Clients write one frame. Each costs a call to the platform and can be as small as nine bytes. */
const MAX_FRAMES = 1_000

const WORKERD_BUFFER_BYTES = 40_960
const FRAME_OF_ONE_BYTE = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 1, 9, 0, 0, 0)

/** Throws if the input is not zstd, is truncated, or expands beyond the limit. */
export function zstdDecompress(input: Uint8Array, limitBytes: number): Uint8Array {
  const parts: Uint8Array[] = []
  let length = 0
  for (const frame of readFrames(input)) {
    if (parts.length === MAX_FRAMES) throw new RangeError(`zstd with more than ${MAX_FRAMES} frames`)
    const part = decompressFrame(frame, limitBytes - length)
    length += part.length
    if (length > limitBytes) throw new RangeError(`zstd content of ${length} bytes, at most ${limitBytes} are allowed`)
    parts.push(part)
  }
  const [only] = parts
  return only !== undefined && parts.length === 1 ? only : concat(parts)
}

function* readFrames(input: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  for (let at = 0; at < input.length;) {
    const magic = view.getUint32(at, true)
    const isSkippable = (magic & ~0x0f) === SKIPPABLE_MAGIC
    if (magic !== MAGIC && !isSkippable) throw new RangeError('not a zstd frame: wrong magic number')
    const end = isSkippable ? at + 8 + view.getUint32(at + 4, true) : frameEnd(view, at)
    if (end > input.length) throw new RangeError('a zstd frame is truncated')
    if (!isSkippable) yield input.subarray(at, end)
    at = end
  }
}

/** Returns the position after header, blocks and checksum. */
function frameEnd(view: DataView, start: number): number {
  const flags = view.getUint8(start + 4)
  const isSingle = (flags & IS_SINGLE_SEGMENT) !== 0
  const windowOrSize = isSingle && flags >>> 6 > 0 ? 0 : 1
  let at = start + 5 + windowOrSize + (DICTIONARY_ID_BYTES[flags & 3] ?? 0) + (CONTENT_SIZE_BYTES[flags >>> 6] ?? 0)
  for (let isLast = false; !isLast;) {
    const head = view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
    isLast = (head & 1) === 1
    at += 3 + (((head >>> 1) & 3) === RLE_BLOCK ? 1 : head >>> 3)
  }
  return at + (flags & HAS_CHECKSUM ? 4 : 0)
}

/**
 * workerd reports a complete frame as truncated if its content exactly fills the output buffer of 40,960 bytes, or a doubling
 * of it (related: cloudflare/workerd#6769). With another frame appended it reads on.
 */
function decompressFrame(frame: Uint8Array, limitBytes: number): Uint8Array {
  try {
    return platformDecompress(frame, limitBytes)
  } catch (error) {
    const longer = platformDecompress(concat([frame, FRAME_OF_ONE_BYTE]), limitBytes + 1)
    if (!isBufferSize(longer.length - 1)) throw error
    return longer.subarray(0, -1)
  }
}

/** node:zlib refuses a limit of 0. The result is a plain Uint8Array: see `plainView` in compression.ts. */
function platformDecompress(frames: Uint8Array, limitBytes: number): Uint8Array {
  const bytes = zstdDecompressSync(frames, { maxOutputLength: Math.max(1, limitBytes) })
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function isBufferSize(length: number): boolean {
  return length > 0 && Number.isInteger(Math.log2(length / WORKERD_BUFFER_BYTES))
}
