import { describe, expect, it } from 'vitest'
import { FollowerNotifier } from '../../../src/objects/directory/follower-notifier.ts'
import type { FollowerResult } from '../../../src/rpc/follower.ts'
import { eventually } from '../../support/eventually.ts'

const followers = [0, 1, 2].map((partition) => ({ topic: 'rig', partition }))

interface Call {
  readonly partitions: readonly number[]
  readonly after: number
  readonly version: number
}

/** Followers at version 0 that apply what they are sent, unless `fails` or `hold` says otherwise. Waits take no time. */
function makeNotifier(fails: (partition: number, call: number) => boolean = () => false) {
  const world = { version: 0 }
  const calls: Call[] = []
  const waits: number[] = []
  const held: (() => void)[] = []
  const has = new Map(followers.map(({ partition }) => [partition, 0]))
  let holds: (partitions: readonly number[]) => boolean = () => false
  const notifier = new FollowerNotifier([], {
    version: () => world.version,
    wait: async (ms) => void waits.push(ms),
    random: () => 0.5,
    send: async (targets, after) => {
      const partitions = targets.map(({ partition }) => partition)
      const { version } = world
      const index = calls.push({ partitions, after, version }) - 1
      if (holds(partitions)) await new Promise<void>((resolve) => held.push(resolve))
      return targets.map((target): FollowerResult => {
        const own = has.get(target.partition) ?? 0
        if (fails(target.partition, index)) return { ...target, ok: false, error: 'down' }
        if (after > own) return { ...target, ok: true, value: { version: own, orphans: [] } }
        has.set(target.partition, version)
        return { ...target, ok: true, value: { version, orphans: [] } }
      })
    },
  })
  for (const follower of followers) notifier.register(follower, 0)
  const change = () => {
    world.version += 1
    return notifier.confirmed(world.version)
  }
  const release = () => {
    for (const resolve of held.splice(0)) resolve()
  }
  return { notifier, world, calls, waits, has, change, release, hold: (which: typeof holds) => (holds = which), held }
}

describe('followers', () => {
  it('are told together, and a change is confirmed when all have it', async () => {
    const { calls, change } = makeNotifier()
    await change()
    expect(calls).toEqual([{ partitions: [0, 1, 2], after: 0, version: 1 }])
  })

  it('have one call in flight, and what changed meanwhile comes with the next, however much it is', async () => {
    const world = makeNotifier()
    world.hold(() => true)
    const first = world.change()
    const others = Array.from({ length: 500 }, () => world.change())
    await eventually(() => expect(world.held).toHaveLength(1))
    world.hold(() => false)
    world.release()
    await Promise.all([first, ...others])
    expect(world.calls).toEqual([
      { partitions: [0, 1, 2], after: 0, version: 1 },
      { partitions: [0, 1, 2], after: 1, version: 501 },
    ])
  })

  it('that already have a version are not told again', async () => {
    const { calls, notifier, change } = makeNotifier()
    await change()
    await notifier.confirmed(1)
    expect(calls).toHaveLength(1)
  })

  it('that have an earlier version than they confirmed are told everything since that', async () => {
    const world = makeNotifier()
    for (let changes = 0; changes < 3; changes += 1) await world.change()
    // Its storage is that of an hour ago.
    world.has.set(1, 1)
    const confirmed = world.change()
    world.hold(() => world.calls.length > 10)
    await confirmed
    expect([...world.has.values()]).toEqual([4, 4, 4])
    expect(world.calls.at(-1)).toEqual({ partitions: [1], after: 1, version: 4 })
  })

  it('of whom one fails are tried again, by itself, and the change is confirmed then', async () => {
    const { calls, change, waits } = makeNotifier((partition, call) => partition === 1 && call < 2)
    await change()
    expect(calls.map(({ partitions }) => partitions)).toEqual([[0, 1, 2], [1], [1]])
    expect(waits).toEqual([50, 100])
  })

  it('of whom one cannot be told make the change fail, by name, without blocking the next change of the others', async () => {
    const world = makeNotifier((partition) => partition === 1)
    await expect(world.change()).rejects.toThrow('follower rig/1 could not be told: down')
    expect([...world.has.values()]).toEqual([1, 0, 1])
    await expect(world.change()).rejects.toThrow('down')
    expect([...world.has.values()]).toEqual([2, 0, 2])
  })

  it('that failed are told everything that they missed when they are back', async () => {
    let isDown = true
    const world = makeNotifier((partition) => partition === 1 && isDown)
    await world.change().catch(() => undefined)
    isDown = false
    await world.change()
    expect(world.calls.at(-1)).toEqual({ partitions: [1], after: 0, version: 2 })
    expect([...world.has.values()]).toEqual([2, 2, 2])
  })

  it('that hang do not delay those that do not', async () => {
    const world = makeNotifier((partition, call) => partition === 1 && call === 0)
    world.hold((partitions) => partitions.length === 1)
    const confirmed = world.change()
    await eventually(() => expect(world.held).toHaveLength(1))
    void world.change().catch(() => undefined)
    await eventually(() => expect(world.has.get(0)).toBe(2))
    world.hold(() => false)
    world.release()
    await confirmed
    expect(world.has.get(1)).toBe(2)
  })

  it('whose version is not known, as after a restart, are asked, and told what they lack', async () => {
    const world = makeNotifier()
    await world.change()
    world.world.version = 5
    const restarted = new FollowerNotifier(followers, {
      version: () => 5,
      wait: async () => undefined,
      random: () => 0,
      send: async (targets, after) => {
        world.calls.push({ partitions: targets.map(({ partition }) => partition), after, version: 5 })
        return targets.map((target) => ({ ...target, ok: true, value: { version: after > 1 ? 1 : 5, orphans: [] } }))
      },
    })
    await restarted.refresh()
    expect(world.calls.slice(1)).toEqual([
      { partitions: [0, 1, 2], after: 5, version: 5 },
      { partitions: [0, 1, 2], after: 1, version: 5 },
    ])
  })

  it('that nobody has registered make no change wait', async () => {
    const notifier = new FollowerNotifier([], {
      version: () => 3,
      wait: async () => undefined,
      random: () => 0,
      send: async () => expect.fail('nobody is there'),
    })
    await expect(notifier.confirmed(3)).resolves.toBeUndefined()
  })
})
