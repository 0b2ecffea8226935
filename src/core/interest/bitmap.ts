// Interest as a bitmap: which event types a shard wants, in 2 KiB however many types there are (a Bloom filter). Two bits
// per type; a type whose bits are set may be wanted, a type with a bit that is not set is certainly not. If a shard wants
// 1,000 types, 1.3 % of the other types are sent to it too, at 3,000 types 9 %; a full bitmap means "send everything". The
// shard filters exactly before it stores. Used by shards, the Directory and followers. Pure.
import { hash64 } from '../delivery/shard-hash.ts'
import { patternsOf } from '../events/event-type-pattern.ts'

/** A power of two. Must never change: bitmaps are stored, and compared across versions of the code. */
export const INTEREST_BITS = 16_384

/** Size of a bitmap: 2 KiB. */
export const INTEREST_BYTES = INTEREST_BITS / 8

/** The two bits of an event type or of a pattern of types (`orders.*`), each in `0 .. INTEREST_BITS - 1`. */
export type TypeBits = readonly [number, number]

/**
 * Returns the two bits of a type or pattern. They depend on the text only, and are the same in every version of the
 * code.
 */
export function bitsOf(type: string): TypeBits {
  const { high, low } = hash64(type)
  return [high & (INTEREST_BITS - 1), low & (INTEREST_BITS - 1)]
}

/** Returns a bitmap without a set bit: no type is wanted. */
export function emptyBitmap(): Uint8Array {
  return new Uint8Array(INTEREST_BYTES)
}

/** Returns true if both bits are set. */
export function hasBits(bitmap: Uint8Array, [first, second]: TypeBits): boolean {
  return hasBit(bitmap, first) && hasBit(bitmap, second)
}

/** Sets both bits, in place. */
export function setBits(bitmap: Uint8Array, bits: TypeBits): void {
  for (const bit of bits) bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) | (1 << (bit & 7))
}

/** Returns the bits of an event's type and of all patterns that cover it. Compute once per type, not once per shard. */
export function matchBitsOf(type: string): readonly TypeBits[] {
  return patternsOf(type).map(bitsOf)
}

/** Returns whether a shard with this bitmap may want an event with these bits. */
export function mayWant(bitmap: Uint8Array, matchBits: readonly TypeBits[]): boolean {
  return matchBits.some((bits) => hasBits(bitmap, bits))
}

/** Returns the bitmap of all these types and patterns. */
export function bitmapOf(types: Iterable<string>): Uint8Array {
  const bitmap = emptyBitmap()
  for (const type of types) setBits(bitmap, bitsOf(type))
  return bitmap
}

/** Keeps only the bits of `bitmap` that `other` has too. */
export function intersect(bitmap: Uint8Array, other: Uint8Array): void {
  for (let index = 0; index < bitmap.length; index += 1) bitmap[index] = (bitmap[index] ?? 0) & (other[index] ?? 0)
}

/** Returns true if the bitmaps have the same bits. */
export function isSameBitmap(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

function hasBit(bitmap: Uint8Array, bit: number): boolean {
  return ((bitmap[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0
}
