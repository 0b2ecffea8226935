import { describe, expect, it, vi } from 'vitest'
import { FollowerNotifier, type FollowerNotifierDeps } from '../../../src/objects/directory/follower-notifier.ts'

const change = (version: number) => ({ version, shard: 0, gained: [`t${version}`], lost: [] })
const followers = [
  { topic: 'rig', partition: 0 },
  { topic: 'rig', partition: 1 },
]

/** Waits take no time, and are noted. */
function makeQueues(tell: FollowerNotifierDeps['tell']) {
  const waits: number[] = []
  const queues = new FollowerNotifier({ tell, wait: async (ms) => void waits.push(ms), random: () => 0.5 })
  return { queues, waits }
}

describe('interest changes', () => {
  it('reach each follower in the order of their numbers, however slow it is', async () => {
    const told: string[] = []
    const release: (() => void)[] = []
    const { queues } = makeQueues(async ({ partition }, { version }) => {
      if (partition === 0 && version === 1) await new Promise<void>((resolve) => release.push(resolve))
      told.push(`${partition}:${version}`)
    })
    const pushes = [queues.push(followers, change(1)), queues.push(followers, change(2))]
    await vi.waitFor(() => expect(told).toEqual(['1:1', '1:2']))
    release[0]?.()
    await Promise.all(pushes)
    expect(told).toEqual(['1:1', '1:2', '0:1', '0:2'])
  })

  it('are tried again, and one that a follower does not take rejects, without blocking the next', async () => {
    const told: string[] = []
    const { queues, waits } = makeQueues(async ({ partition }, { version }) => {
      told.push(`${partition}:${version}`)
      if (partition === 1 && version === 1) throw new Error('down')
    })
    await expect(queues.push(followers, change(1))).rejects.toThrow('down')
    await queues.push(followers, change(2))
    expect(told.filter((one) => one === '1:1').length).toBe(3)
    expect(told.at(-1)).toBe('1:2')
    expect(waits).toEqual([50, 100])
  })

  it('are confirmed only when the slowest follower has applied them', async () => {
    const release: (() => void)[] = []
    const { queues } = makeQueues(({ partition }) =>
      partition === 0 ? Promise.resolve() : new Promise((resolve) => release.push(resolve)),
    )
    let confirmed = false
    const push = queues.push(followers, change(1)).then(() => (confirmed = true))
    await vi.waitFor(() => expect(release).toHaveLength(1))
    expect(confirmed).toBe(false)
    release[0]?.()
    await push
    expect(confirmed).toBe(true)
  })

  it('that nobody has to know are confirmed at once', async () => {
    const { queues } = makeQueues(() => Promise.reject(new Error('nobody')))
    await expect(queues.push([], change(1))).resolves.toBeUndefined()
  })
})
