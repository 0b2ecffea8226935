import { expect, it } from 'vitest'
import { murmur2, partitionOf } from '../../../src/core/events/partitioner.ts'

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
