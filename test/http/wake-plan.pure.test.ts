import { describe, expect, it } from 'vitest'
import type { WakeResult } from '../../src/rpc/follower.ts'
import { wakeAll, type WakePlanDeps } from '../../src/http/wake-plan.ts'

function makeDeps(broken: readonly string[] = []) {
  const woken: string[] = []
  const failed: string[] = []
  const name = ({ topic, partition }: { topic?: string; partition?: number }) => [topic, partition].join('/')
  const deps: WakePlanDeps = {
    topics: ['a', 'b'],
    partitions: async (topic) => {
      if (broken.includes(topic)) throw new Error('down')
      return [0, 1, 2]
    },
    matched: async () => [],
    firstSeen: async (_topic, count) => count,
    firstSeenMatched: async (counts) => counts.map(({ count }) => count),
    nudge: async (wakes) =>
      wakes.map(({ isLate, partition, topic }): WakeResult => {
        const follower = { topic, partition }
        if (broken.includes(name(follower))) return { ...follower, ok: false, error: 'down' }
        woken.push(isLate ? `${name(follower)} late` : name(follower))
        return { ...follower, ok: true, value: null }
      }),
    failed: (follower) => failed.push(name(follower)),
  }
  return { deps, woken, failed }
}

describe('waking', () => {
  it.each([
    [{}, ['a/0', 'a/1', 'a/2', 'b/0', 'b/1', 'b/2']],
    [{ topic: 'b' }, ['b/0', 'b/1', 'b/2']],
    [{ topic: 'b', partition: 1 }, ['b/1']],
    [{ partition: 2 }, ['a/2', 'b/2']],
    [{ topic: 'foreign' }, []],
    [{ topic: 'a', partition: 9 }, []],
  ])('%o wakes the followers that it names, and creates no others', async (wanted, expected) => {
    const { deps, woken } = makeDeps()
    await wakeAll(deps, wanted)
    expect(woken.toSorted()).toEqual(expected)
  })

  it('one topic that cannot be listed and one follower that cannot be woken do not keep the others asleep', async () => {
    const { deps, woken, failed } = makeDeps(['a', 'b/0'])
    await wakeAll(deps, {})
    expect([woken, failed]).toEqual([
      ['b/1', 'b/2'],
      ['a/', 'b/0'],
    ])
  })

  it('tells a partition that it came later than its topic was first looked for', async () => {
    const { deps, woken } = makeDeps()
    await wakeAll({ ...deps, firstSeen: async (topic) => (topic === 'a' ? 2 : 0) }, {})
    expect(woken.toSorted()).toEqual(['a/0', 'a/1', 'a/2 late', 'b/0 late', 'b/1 late', 'b/2 late'])
  })

  it('wakes topics of patterns too, late ones too, by one question to the Directory', async () => {
    const { deps, woken } = makeDeps()
    const asked: object[] = []
    const firstSeenMatched: WakePlanDeps['firstSeenMatched'] = async (counts) => (asked.push(counts), [3, 0])
    await wakeAll({ ...deps, topics: ['a'], matched: async () => ['m1', 'm2'], firstSeenMatched }, {})
    const late = ['m2/0 late', 'm2/1 late', 'm2/2 late']
    expect(woken.toSorted()).toEqual(['a/0', 'a/1', 'a/2', 'm1/0', 'm1/1', 'm1/2', ...late])
    const counts = ['m1', 'm2'].map((topic) => ({ topic, count: 3 }))
    expect(asked).toEqual([counts])
  })

  it('a log that does not list its topics does not keep those that are named asleep', async () => {
    const { deps, failed, woken } = makeDeps()
    await wakeAll({ ...deps, matched: () => Promise.reject(new Error('down')) }, {})
    expect([woken.length, failed]).toEqual([6, ['/']])
  })

  it('is one call for all: the tree of relays spreads it', async () => {
    const { deps } = makeDeps()
    const calls: number[] = []
    await wakeAll({ ...deps, nudge: async (wakes) => (calls.push(wakes.length), []) }, {})
    expect(calls).toEqual([6])
  })
})
