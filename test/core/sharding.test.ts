import { expect, it } from 'vitest'
import { shardOf } from '../../src/core/sharding.ts'

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
