// The four codecs of record batches. gzip and zstd use the platform's node:zlib. Snappy and LZ4 are decoded here, because
// their npm packages are native or compile WebAssembly at run time, which Workers forbid.
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { lz4Decompress } from './lz4.ts'
import { snappyDecompress } from './snappy.ts'
import { zstdDecompress } from './zstd.ts'

/** Indexed by the codec bits of a batch's attributes. */
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

/** Codecs that Rigel writes. Snappy and LZ4 are only read. */
export type Compression = Extract<(typeof CODECS)[number], 'none' | 'gzip' | 'zstd'>

/** Mask of the codec in a batch's attributes. */
export const CODEC_BITS = 0x07

/** Largest decompressed batch. An isolate has 128 MB. Brokers accept compressed batches of 1 MiB by default. */
const MAX_DECOMPRESSED_BYTES = 48 * 1_048_576

/**
 * Returns the content. `number` is the codec of the batch. Throws for an unknown codec, invalid input, or content
 * beyond 48 MiB.
 */
export function decompress(number: number, bytes: Uint8Array): Uint8Array {
  const codec = CODECS[number]
  if (codec === undefined) throw new RangeError(`compression codec ${number} is unknown`)
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

/** Returns the codec that was used: gzip where zstd fails. Readers take the codec from the batch. */
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

/** workerd throws "Unexpected end of file" for most output of 40,960 bytes or more (cloudflare/workerd#6769). */
function tryZstd(codec: number, bytes: Uint8Array): { codec: number; bytes: Uint8Array } | undefined {
  try {
    return { codec, bytes: plainView(zstdCompressSync(bytes)) }
  } catch {
    return undefined
  }
}

/** Converts a Buffer: its `slice` does not copy, so a record taken from it would keep the whole batch alive. */
function plainView({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
