// The four codecs of record batches. gzip and zstd are the platform's own (node:zlib); Snappy and LZ4 are read here, for
// their npm packages are native, or compile WebAssembly at run time, which Workers forbid.
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { lz4Decompress } from './lz4.ts'
import { snappyDecompress } from './snappy.ts'
import { zstdDecompress } from './zstd.ts'

/** By their place in the attributes of a batch. */
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

/** What we write: Snappy and LZ4 are only read. */
export type Compression = Extract<(typeof CODECS)[number], 'none' | 'gzip' | 'zstd'>

/** Low bits of a batch's attributes. */
export const CODEC_BITS = 0x07

/** What a batch may become: an isolate has 128 MB. Brokers take batches of 1 MiB by default, compressed. */
const MAX_DECOMPRESSED_BYTES = 48 * 1_048_576

/** Throws for an unknown codec, garbage, or too much. */
export function decompress(number: number, bytes: Uint8Array): Uint8Array {
  const codec = CODECS[number]
  if (codec === undefined) throw new RangeError(`compression codec ${number} is not known`)
  switch (codec) {
    case 'none':
      return bytes
    case 'gzip':
      return plainView(gunzipSync(bytes, { maxOutputLength: MAX_DECOMPRESSED_BYTES }))
    case 'snappy':
      return snappyDecompress(bytes, MAX_DECOMPRESSED_BYTES)
    case 'lz4':
      return lz4Decompress(bytes, MAX_DECOMPRESSED_BYTES)
    case 'zstd':
      return zstdDecompress(bytes, MAX_DECOMPRESSED_BYTES)
  }
}

/** `codec` is what it became: where zstd fails, gzip, for a batch says itself how it is to be read. */
export function compress(compression: Compression, bytes: Uint8Array): { codec: number; bytes: Uint8Array } {
  const codec = CODECS.indexOf(compression)
  switch (compression) {
    case 'none':
      return { codec, bytes }
    case 'gzip':
      return { codec, bytes: plainView(gzipSync(bytes)) }
    case 'zstd':
      return tryZstd(codec, bytes) ?? compress('gzip', bytes)
  }
}

/** workerd throws "Unexpected end of file" for most of what becomes 40,960 bytes or more: cloudflare/workerd#6769. */
function tryZstd(codec: number, bytes: Uint8Array): { codec: number; bytes: Uint8Array } | undefined {
  try {
    return { codec, bytes: plainView(zstdCompressSync(bytes)) }
  } catch {
    return undefined
  }
}

/** A Buffer's `slice` copies nothing: who takes a record out of a batch by it would hold, and send, the whole batch. */
function plainView({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
