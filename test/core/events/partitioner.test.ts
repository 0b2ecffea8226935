import { describe, expect, it } from 'vitest'
import { choosePartition, murmur2, murmur3, partitionOf } from '../../../src/core/events/partitioner.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

// From Kafka's own UtilsTest.
it.each([
  ['21', -973_932_308],
  ['foobar', -790_332_482],
  ['a-little-bit-long-string', -985_981_536],
  ['a-little-bit-longer-string', -1_486_304_829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
  ['abc', 479_470_107],
])('hashes %s as Kafka does', (text, hash) => expect(murmur2(bytes(text))).toBe(hash))

it('chooses a partition that there is, also for negative hashes', () => {
  expect(partitionOf(bytes('21'), 4)).toBe((-973_932_308 & 0x7fff_ffff) % 4)
})

describe('as RIG does', () => {
  // By Python's mmh3, seed 0.
  it.each([
    ['', 0],
    ['hello', 613_153_351],
    ['hello, world', 345_750_399],
    ['The quick brown fox jumps over the lazy dog', 776_992_547],
    ['a', 1_009_084_850],
    ['ab', 2_613_040_991],
    ['abc', 3_017_643_002],
    ['abcd', 1_139_631_978],
    ['grüße', 1_418_952_266],
    ['user-17', 3_579_110_121],
  ])('hashes %s by murmur3', (text, hash) => expect(murmur3(bytes(text))).toBe(hash))

  it('a key chooses by it, an empty one chooses none, and a partition that is named is kept', () => {
    const record = (key: string | null, partition?: number) => ({
      topic: 'rig',
      key: key === null ? null : bytes(key),
      value: null,
      ...(partition === undefined ? {} : { partition }),
    })
    expect(choosePartition(record('user-17'), 7, 0.5, 'rig')).toBe(6)
    expect(choosePartition(record('user-17'), 7, 0.5)).toBe((murmur2(bytes('user-17')) & 0x7fff_ffff) % 7)
    expect([choosePartition(record(''), 4, 0.5, 'rig'), choosePartition(record(null), 4, 0.5, 'rig')]).toEqual([2, 2])
    expect(choosePartition(record('user-17', 1), 7, 0.5, 'rig')).toBe(1)
  })
})
