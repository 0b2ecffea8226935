import { expect, it } from 'vitest'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'

const users = Array.from({ length: 10_000 }, (_, n) => `user-${n}`)

it('spreads users evenly over shards', () => {
  const counts = new Map<number, number>()
  for (const user of users) counts.set(shardOf(user, 8), (counts.get(shardOf(user, 8)) ?? 0) + 1)
  expect(counts.size).toBe(8)
  for (const count of counts.values()) expect(Math.abs(count - 1_250)).toBeLessThan(200)
})

it('moves only to the new shard, and about one in N + 1, when a shard is added', () => {
  const moved = users.filter((user) => shardOf(user, 8) !== shardOf(user, 9))
  expect(moved.every((user) => shardOf(user, 9) === 8)).toBe(true)
  expect(Math.abs(moved.length - 10_000 / 9)).toBeLessThan(200)
})

/** As the paper and FNV have it, in whole words of 64 bits. */
function reference(id: string, shards: number): number {
  const mask = 0xffff_ffff_ffff_ffffn
  let key = 0xcbf2_9ce4_8422_2325n
  for (const byte of new TextEncoder().encode(id)) key = ((key ^ BigInt(byte)) * 0x100_0000_01b3n) & mask
  key ^= key >> 33n
  key = (key * 0xff51_afd7_ed55_8ccdn) & mask
  key ^= key >> 33n
  let [bucket, jump] = [-1, 0]
  while (jump < shards) {
    bucket = jump
    key = (key * 2_862_933_555_777_941_757n + 1n) & mask
    jump = Math.floor(((bucket + 1) * 2_147_483_648) / (Number(key >> 33n) + 1))
  }
  return bucket
}

it('is the hash that it says: a user stays where the user was', () => {
  const ids = [...users.slice(0, 2_000), '', 'ü', '漢字', '🙂'.repeat(100), '\u0000']
  for (const [n, id] of ids.entries()) expect(shardOf(id, (n % 997) + 1)).toBe(reference(id, (n % 997) + 1))
})
