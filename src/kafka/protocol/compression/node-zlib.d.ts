// The part of node:zlib that Rigel uses. All of @types/node would replace the types of Workers.
declare module 'node:zlib' {
  interface Limits {
    /** Throws a RangeError beyond it. */
    readonly maxOutputLength?: number
  }
  export function crc32(bytes: Uint8Array): number
  export function gunzipSync(bytes: Uint8Array, limits?: Limits): Uint8Array
  export function gzipSync(bytes: Uint8Array): Uint8Array
  export function zstdDecompressSync(bytes: Uint8Array, limits?: Limits): Uint8Array
  export function zstdCompressSync(bytes: Uint8Array): Uint8Array
}
