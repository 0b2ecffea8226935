import { describe, expect, it } from 'vitest'
import { wakeAll, type WakeDeps } from '../../src/ingest/wake.ts'

function makeDeps(broken: readonly string[] = []) {
  const woken: string[] = []
  const failed: string[] = []
  const name = ({ topic, partition }: { topic?: string; partition?: number }) => [topic, partition].join('/')
  const deps: WakeDeps = {
    topics: ['a', 'b'],
    partitions: async (topic) => {
      if (broken.includes(topic)) throw new Error('down')
      return [0, 1, 2]
    },
    nudge: async (follower) => {
      if (broken.includes(name(follower))) throw new Error('down')
      woken.push(name(follower))
    },
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
  ])('%o wakes those of the log that are meant, and creates no others', async (wanted, expected) => {
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

  it('does not wait for one follower before it wakes the next', async () => {
    const { deps, woken } = makeDeps()
    const never = new Promise<void>(() => undefined)
    void wakeAll({ ...deps, nudge: (at) => (at.partition === 0 ? never : deps.nudge(at)) }, { topic: 'a' })
    await expect.poll(() => woken).toEqual(['a/1', 'a/2'])
  })
})
