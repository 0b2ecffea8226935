import { expect, it } from 'vitest'
import {
  bitmapOf,
  bitsOf,
  hasBits,
  INTEREST_BITS,
  INTEREST_BYTES,
  intersect,
  matchBitsOf,
  mayWant,
} from '../../../src/core/interest/bitmap.ts'

const types = (count: number, prefix: string) => Array.from({ length: count }, (_, n) => `${prefix}.${n}`)

it('a type has the same two bits for good: bitmaps are stored', () => {
  expect(INTEREST_BYTES).toBe(2_048)
  expect(['news', 'com.github.*', '*', 'größe', ''].map(bitsOf)).toMatchInlineSnapshot(`
    [
      [
        11871,
        976,
      ],
      [
        15456,
        7050,
      ],
      [
        2970,
        9618,
      ],
      [
        13969,
        15065,
      ],
      [
        15858,
        15442,
      ],
    ]
  `)
})

it.each([
  [1_000, 0.013],
  [3_000, 0.09],
])('at %i types a shard, other types are sent in vain at the documented rate', (count, expected) => {
  const bitmap = bitmapOf(types(count, 'com.example.orders'))
  for (const type of types(count, 'com.example.orders')) expect(hasBits(bitmap, bitsOf(type))).toBe(true)
  const others = types(20_000, 'org.example.payments').filter((type) => hasBits(bitmap, bitsOf(type)))
  expect(others.length / 20_000).toBeGreaterThan(expected * 0.8)
  expect(others.length / 20_000).toBeLessThan(expected * 1.25)
})

it('a pattern is found by the types that it covers', () => {
  const bitmap = bitmapOf(['com.github.*'])
  expect(
    ['com.github.push', 'com.github.pull.create', 'com.gitlab.push', 'com.github'].map((type) =>
      mayWant(bitmap, matchBitsOf(type)),
    ),
  ).toEqual([true, true, false, false])
})

it('a full bitmap wants everything', () => {
  const full = new Uint8Array(INTEREST_BYTES).fill(255)
  expect(types(100, 'any').every((type) => mayWant(full, matchBitsOf(type)))).toBe(true)
})

it('an intersection has the bits of both', () => {
  const bitmap = bitmapOf(['a', 'b'])
  intersect(bitmap, bitmapOf(['b', 'c']))
  expect(['a', 'b', 'c'].map((type) => hasBits(bitmap, bitsOf(type)))).toEqual([false, true, false])
})

it('bits are spread evenly over the bitmap', () => {
  const parts = Map.groupBy(types(50_000, 'x').flatMap(bitsOf), (bit) => Math.floor((bit * 64) / INTEREST_BITS))
  const expected = (50_000 * 2) / 64
  expect(parts.size).toBe(64)
  for (const { length: count } of parts.values()) expect(Math.abs(count - expected) / expected).toBeLessThan(0.15)
})
