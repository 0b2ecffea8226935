import { expect, it } from 'vitest'
import { costOf } from '../../../../src/core/subscriptions/subscription-cost.ts'
import { SubscriptionPool } from '../../../../src/objects/shard/connections/subscription-pool.ts'

const set = (...types: readonly string[]) => types.map((eventType) => ({ eventType, oneOf: [] }))

const costsOf = (subscriptions: ReturnType<typeof set>) => costOf(subscriptions, JSON.stringify(subscriptions))

it('equal sets are one object, which counts once, and an index entry each', () => {
  const pool = new SubscriptionPool()
  const first = pool.acquire(set('a', 'b'))
  const { each, shared } = costsOf(set('a', 'b'))
  expect(pool.costOf(set('a', 'b'))).toBe(each)
  expect(pool.acquire(set('a', 'b'))).toBe(first)
  expect(pool.bytes).toBe(shared + 2 * each)
  expect(pool.costOf(set('b', 'a'))).toBe(shared + each)
})

it('a set is held until its last connection has released it', () => {
  const pool = new SubscriptionPool()
  const { each, shared } = costsOf(set('a'))
  const held = pool.acquire(set('a'))
  pool.acquire(set('a'))
  pool.release(held)
  expect(pool.bytes).toBe(shared + each)
  pool.release(held)
  expect([pool.bytes, pool.costOf(set('a'))]).toEqual([0, shared + each])
  pool.release(held)
  expect(pool.bytes).toBe(0)
})
