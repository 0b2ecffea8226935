// The four codecs of record batches. gzip and zstd are the platform's own (node:zlib); Snappy and LZ4 are read here, for
// their npm packages are native, or compile WebAssembly at run time, which Workers forbid.
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { lz4Decompress } from './lz4.ts'
import { snappyDecompress } from './snappy.ts'

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
      return gunzipSync(bytes, { maxOutputLength: MAX_DECOMPRESSED_BYTES })
    case 'snappy':
      return snappyDecompress(bytes, MAX_DECOMPRESSED_BYTES)
    case 'lz4':
      return lz4Decompress(bytes, MAX_DECOMPRESSED_BYTES)
    case 'zstd':
      return zstdDecompressSync(bytes, { maxOutputLength: MAX_DECOMPRESSED_BYTES })
  }
}

export function compress(compression: Compression, bytes: Uint8Array): { codec: number; bytes: Uint8Array } {
  const codec = CODECS.indexOf(compression)
  switch (compression) {
    case 'none':
      return { codec, bytes }
    case 'gzip':
      return { codec, bytes: gzipSync(bytes) }
    case 'zstd':
      return { codec, bytes: zstdCompressSync(bytes) }
  }
}
