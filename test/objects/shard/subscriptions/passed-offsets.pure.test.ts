// What a client may ask for about offsets has limits: each question calls followers, and perhaps the Directory.
import { expect, it } from 'vitest'
import { JoinFactsReader } from '../../../../src/objects/shard/subscriptions/join-facts.ts'
import { PassedOffsets } from '../../../../src/objects/shard/subscriptions/passed-offsets.ts'
import { Timers } from '../../../../src/objects/shard/timers.ts'
import { FakeConnection } from '../../../support/fake-connection.ts'

it('a question costs its connection a change, and one above the rate is refused late and asks nobody', async () => {
  const connection = new FakeConnection()
  const calls: string[] = []
  let left = 2
  const passed = new PassedOffsets({
    facts: { unpassed: async () => (calls.push('followers'), new Map()) },
    connections: { get: () => connection },
    log: { settle: async () => undefined, committedSeq: 0 },
    timers: new Timers(() => 0),
    changeRate: {
      mayChange: (_connection, size) => (left -= size) >= 0,
      waitToRefuse: async () => void calls.push('wait'),
    },
    isFollowed: () => true,
  })
  const ask = (offsets: string) => passed.wait(connection.state.id, offsets)
  expect((await ask('orders/0@1')).ok).toBe(true)
  expect(await ask('orders/0@1,orders/1@1')).toEqual({ ok: false, reason: { kind: 'rate_limited' } })
  expect(calls).toEqual(['followers', 'wait'])
})

it('partitions that do not exist make the Directory list them once a second at most', async () => {
  let nowMs = 1_000
  let listed = 0
  const reader = new JoinFactsReader({
    log: { stored: {}, rows: () => [], floor: 0 } as never,
    committedSeq: () => 0,
    partitions: async () => ((listed += 1), [{ topic: 'orders', partition: 0 }]),
    isFollowed: () => true,
    progress: async () => null,
    shards: () => 1,
    nowMs: () => nowMs,
  })
  for (let n = 0; n < 100; n += 1) {
    await reader.unpassed(new Map([['orders/999', 1]]))
    nowMs += 50
  }
  expect(listed).toBeLessThanOrEqual(5)
})
