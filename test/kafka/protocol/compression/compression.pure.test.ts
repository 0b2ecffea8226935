// Snappy and LZ4 as others wrote them; what is broken is a RangeError or other bytes, never a hang or anything else; what
// would become too large is refused before memory is taken for it.
import { describe, expect, it } from 'vitest'
import { compress, decompress } from '../../../../src/kafka/protocol/compression/compression.ts'
import { concat } from '../../../../src/core/bytes.ts'
import { lz4Decompress } from '../../../../src/kafka/protocol/compression/lz4.ts'
import { snappyDecompress } from '../../../../src/kafka/protocol/compression/snappy.ts'
import {
  BIG,
  LZ4_BIG_LINKED,
  LZ4_NOISE,
  LZ4_WORDS,
  LZ4_WORDS_WITH_ALL,
  NOISE,
  SNAPPY_NOISE,
  SNAPPY_WORDS,
  WORDS,
} from '../fixtures.ts'

const LIMIT_BYTES = 1_000_000
const XERIAL_HEADER = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]

/** As snappy-java writes it. */
const xerial = (...blocks: Uint8Array[]) =>
  Uint8Array.from([
    ...XERIAL_HEADER,
    ...blocks.flatMap((block) => [0, 0, block.length >> 8, block.length & 255, ...block]),
  ])

const cases = [
  ['Snappy: words', snappyDecompress, SNAPPY_WORDS, WORDS],
  ['Snappy: noise', snappyDecompress, SNAPPY_NOISE, NOISE],
  ['Snappy: nothing', snappyDecompress, Uint8Array.of(0), new Uint8Array()],
  [
    'Snappy, framed: two blocks',
    snappyDecompress,
    xerial(SNAPPY_NOISE, SNAPPY_WORDS),
    Uint8Array.of(...NOISE, ...WORDS),
  ],
  ['Snappy, framed: nothing', snappyDecompress, xerial(), new Uint8Array()],
  ['LZ4: words', lz4Decompress, LZ4_WORDS, WORDS],
  ['LZ4: with size and checksums', lz4Decompress, LZ4_WORDS_WITH_ALL, WORDS],
  ['LZ4: a block that is stored', lz4Decompress, LZ4_NOISE, NOISE],
  ['LZ4: blocks that refer to each other', lz4Decompress, LZ4_BIG_LINKED, BIG],
] as const

describe.each(cases)('%s', (_name, decode, compressed, original) => {
  it('is read', () => {
    expect(decode(compressed, LIMIT_BYTES)).toEqual(original)
  })

  it('is read from the middle of a buffer', () => {
    const buffer = new Uint8Array(compressed.length + 20)
    buffer.set(compressed, 7)
    expect(decode(buffer.subarray(7, 7 + compressed.length), LIMIT_BYTES)).toEqual(original)
  })

  it('is a RangeError, or less, cut off at any length', () => {
    for (let length = 0; length < compressed.length; length += 1) {
      const bytes = lengthOf(() => decode(compressed.subarray(0, length), LIMIT_BYTES))
      expect(bytes).toBeLessThanOrEqual(original.length)
    }
  })

  // Two seconds of work for the largest of them: on a machine that does something else as well, more than Vitest's five.
  it('is a RangeError, or other bytes, with any byte changed', () => {
    for (let at = 0; at < compressed.length; at += 1) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const broken = compressed.slice()
        broken[at] = (broken[at] ?? 0) ^ flip
        expect(lengthOf(() => decode(broken, LIMIT_BYTES))).toBeLessThanOrEqual(LIMIT_BYTES)
      }
    }
  }, 30_000)
})

const compressing = cases.filter(([, , , original]) => original.length > 0)

it.each(compressing)('%s: up to its limit, to the byte', (_name, decode, compressed, original) => {
  expect(decode(compressed, original.length)).toHaveLength(original.length)
  expect(() => decode(compressed, original.length - 1)).toThrow(RangeError)
})

it('refuses Snappy that promises what it cannot hold, before memory is taken for it', () => {
  const promise = Uint8Array.of(0xff, 0xff, 0xff, 0x0f, 0, 0)
  expect(() => snappyDecompress(promise, 2 ** 30)).toThrow('Snappy content of 33554431 bytes cannot come from 6 bytes')
})

it('refuses blocks of a negative length', () => {
  const negative = Uint8Array.of(...XERIAL_HEADER, 0xff, 0xff, 0xff, 0xfc, 0)
  expect(() => snappyDecompress(negative, LIMIT_BYTES)).toThrow('a Snappy block is truncated')
})

it('reads all frames of LZ4, and skips frames without content', () => {
  const skippable = Uint8Array.of(0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3)
  const several = concat([LZ4_WORDS, skippable, LZ4_WORDS, LZ4_NOISE])
  expect(lz4Decompress(several, LIMIT_BYTES)).toEqual(concat([WORDS, WORDS, NOISE]))
  expect(() => lz4Decompress(several, WORDS.length * 2)).toThrow('at most')
  expect(() => lz4Decompress(concat([LZ4_WORDS, Uint8Array.of(1, 2, 3, 4, 5)]), LIMIT_BYTES)).toThrow(
    'not an LZ4 frame',
  )
  expect(() => lz4Decompress(concat([LZ4_WORDS, skippable.subarray(0, 9)]), LIMIT_BYTES)).toThrow('truncated')
})

it('refuses LZ4 frames that need a dictionary, and what is none', () => {
  const dictionary = LZ4_WORDS.slice()
  dictionary[4] = (dictionary[4] ?? 0) | 1
  expect(() => lz4Decompress(dictionary, LIMIT_BYTES)).toThrow('LZ4 frames with a dictionary are not supported')
  expect(() => lz4Decompress(WORDS, LIMIT_BYTES)).toThrow('not an LZ4 frame')
})

describe('of a batch', () => {
  it.each(['none', 'gzip', 'zstd'] as const)('%s is read as it is written', (compression) => {
    const { codec, bytes } = compress(compression, WORDS)
    expect(decompress(codec, bytes)).toEqual(WORDS)
  })

  it.each(['gzip', 'zstd'] as const)('%s gives bytes whose slice is a copy, not a view of the batch', (compression) => {
    const { codec, bytes } = compress(compression, WORDS)
    expect(decompress(codec, bytes).slice(0, 3).buffer.byteLength).toBe(3)
  })

  it.each(['gzip', 'zstd'] as const)('%s of more than 48 MiB is refused', (compression) => {
    const { codec, bytes } = compress(compression, new Uint8Array(48 * 1_048_576 + 1))
    expect(() => decompress(codec, bytes)).toThrow(/larger|memory|length/i)
  })

  it('an unknown codec is named', () => {
    expect(() => decompress(5, WORDS)).toThrow(new RangeError('compression codec 5 is unknown'))
  })
})

/** 0 for a RangeError, which is what broken bytes have to be. Any other error fails the test. */
function lengthOf(read: () => Uint8Array): number {
  try {
    return read().length
  } catch (error) {
    if (error instanceof RangeError) return 0
    throw error
  }
}
