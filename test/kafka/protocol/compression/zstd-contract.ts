// zstd of others is read to its end, wherever node:zlib comes from: of Node (zstd.pure.test.ts), of workerd (zstd.test.ts).
import { expect, it } from 'vitest'
import { zstdDecompress } from '../../../../src/kafka/protocol/compression/zstd.ts'
import {
  BIG,
  NOISE,
  WORDS,
  ZSTD_BIG_STREAMED,
  ZSTD_NOISE,
  ZSTD_WORDS,
  ZSTD_WORDS_STREAMED,
  ZSTD_WORDS_WITH_CHECKSUM,
  ZSTD_ZEROS,
} from '../fixtures.ts'

const LIMIT_BYTES = 1_000_000
const ZEROS = new Uint8Array(163_840)
const SKIPPED = Uint8Array.of(0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3)
const NO_BYTES = new Uint8Array()

const joined = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))

const PARTS = [SKIPPED, ZSTD_WORDS, SKIPPED, SKIPPED, ZSTD_NOISE, SKIPPED]

const cases = [
  ['words', ZSTD_WORDS, WORDS],
  ['words, with a checksum', ZSTD_WORDS_WITH_CHECKSUM, WORDS],
  ['words, of a length that is not said', ZSTD_WORDS_STREAMED, WORDS],
  ['a block that is stored', ZSTD_NOISE, NOISE],
  ['blocks that refer to each other', ZSTD_BIG_STREAMED, BIG],
  ['blocks of one byte, to the last of the buffer of workerd', ZSTD_ZEROS, ZEROS],
  ['two frames', joined(ZSTD_WORDS, ZSTD_NOISE), joined(WORDS, NOISE)],
  ['two frames that fill a buffer', joined(ZSTD_ZEROS, ZSTD_ZEROS), new Uint8Array(327_680)],
  ['many frames', joined(ZSTD_ZEROS, ...nine(ZSTD_WORDS_STREAMED)), joined(ZEROS, ...nine(WORDS))],
  ['what is to be skipped', joined(...PARTS), joined(WORDS, NOISE)],
  ['nothing', NO_BYTES, NO_BYTES],
] as const

export function zstdContract(): void {
  it.each(cases)('%s: is read', (_name, compressed, original) => {
    expect(isSame(zstdDecompress(compressed, LIMIT_BYTES), original)).toBe(true)
  })

  it.each(cases)('%s: is read from the middle of a buffer', (_name, compressed, original) => {
    const buffer = joined(new Uint8Array(7), compressed, new Uint8Array(13))
    expect(isSame(zstdDecompress(buffer.subarray(7, 7 + compressed.length), LIMIT_BYTES), original)).toBe(true)
  })

  it.each(cases.slice(0, -1))('%s: is refused beyond its limit', (_name, compressed, original) => {
    // workerd counts what its buffer grows to, which may be twice as much.
    expect(zstdDecompress(compressed, 2 * original.length + 81_920)).toHaveLength(original.length)
    expect(() => zstdDecompress(compressed, original.length - 1)).toThrow(/larger|memory|length|limit|more than/i)
  })

  it('is refused, cut off at any length', () => {
    const compressed = joined(...PARTS)
    const whole = PARTS.map((_, count) => joined(...PARTS.slice(0, count)).length)
    for (let length = 0; length < compressed.length; length += 1) {
      const read = () => zstdDecompress(compressed.subarray(0, length), LIMIT_BYTES)
      expect(isRead(read), `${length} bytes`).toBe(whole.includes(length))
    }
  })

  it('is refused with what is no frame behind it', () => {
    for (const garbage of [Uint8Array.of(0), new Uint8Array(4), WORDS]) {
      expect(() => zstdDecompress(joined(ZSTD_WORDS, garbage), LIMIT_BYTES)).toThrow(RangeError)
    }
  })

  it('is refused where its checksum, or the frame behind it, tells that a byte was changed', () => {
    const whole = joined(ZSTD_WORDS_WITH_CHECKSUM, ZSTD_NOISE)
    const unseen = Array.from(ZSTD_WORDS_WITH_CHECKSUM.keys()).filter((at) => {
      const broken = whole.slice()
      broken[at] = (broken[at] ?? 0) ^ 0xff
      return isRead(() => zstdDecompress(broken, LIMIT_BYTES))
    })
    expect(unseen).toEqual([])
  })

  it('is refused with more frames than are worth a call each', () => {
    const empty = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0)
    const frames = (count: number) => joined(...Array<Uint8Array>(count).fill(empty))
    expect(zstdDecompress(frames(1_000), LIMIT_BYTES)).toHaveLength(0)
    expect(() => zstdDecompress(frames(1_001), LIMIT_BYTES)).toThrow('zstd with more than 1000 frames')
  })
}

function nine<T>(one: T): readonly T[] {
  return Array<T>(9).fill(one)
}

function isRead(read: () => Uint8Array): boolean {
  try {
    return read().length >= 0
  } catch {
    return false
  }
}

/** `toEqual` takes seconds for so many bytes. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at])
}
