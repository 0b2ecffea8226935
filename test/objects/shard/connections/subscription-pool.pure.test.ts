import { expect, it } from 'vitest'
import { bytesOf, SubscriptionPool } from '../../../../src/objects/shard/connections/subscription-pool.ts'

const set = (...types: readonly string[]) => types.map((eventType) => ({ eventType, oneOf: [] }))

it('equal sets are one object, and count once', () => {
  const pool = new SubscriptionPool()
  const first = pool.acquire(set('a', 'b'))
  expect(pool.costOf(set('a', 'b'))).toBe(0)
  expect(pool.acquire(set('a', 'b'))).toBe(first)
  expect(pool.bytes).toBe(bytesOf(first))
  const other = pool.acquire(set('b', 'a'))
  expect(pool.bytes).toBe(bytesOf(first) + bytesOf(other))
})

it('a set is held until its last connection has released it', () => {
  const pool = new SubscriptionPool()
  const shared = pool.acquire(set('a'))
  pool.acquire(set('a'))
  pool.release(shared)
  expect(pool.bytes).toBe(bytesOf(shared))
  pool.release(shared)
  expect([pool.bytes, pool.costOf(set('a'))]).toEqual([0, bytesOf(shared)])
  pool.release(shared)
  expect(pool.bytes).toBe(0)
})
