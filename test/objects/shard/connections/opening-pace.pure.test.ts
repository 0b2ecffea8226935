import { expect, it } from 'vitest'
import { OpeningPace } from '../../../../src/objects/shard/connections/opening-pace.ts'

/** 12,000 a minute: 20 connections a second of a user, 100 without a user. */
function makePace(flooded: readonly string[] = []) {
  const waiting: { atMs: number; act: () => void }[] = []
  const world = {
    nowMs: 1_000_000,
    /** Lets time pass; what waits goes on in its order. */
    async pass(ms: number) {
      const untilMs = world.nowMs + ms
      for (;;) {
        const next = waiting.toSorted((a, b) => a.atMs - b.atMs)[0]
        if (next === undefined || next.atMs > untilMs) break
        waiting.splice(waiting.indexOf(next), 1)
        world.nowMs = next.atMs
        next.act()
        await settled()
      }
      world.nowMs = untilMs
      await settled()
    },
  }
  const pace = new OpeningPace({
    perMinute: 12_000,
    nowMs: () => world.nowMs,
    after: (ms, act) => void waiting.push({ atMs: world.nowMs + ms, act }),
    hasFlooded: (user) => flooded.includes(user),
  })
  const outcomes: boolean[] = []
  const enter = (count: number, user: string | null, way: 'socket' | 'session' = 'socket') => {
    for (let n = 0; n < count; n += 1) void pace.enter(user, way).then((entered) => outcomes.push(entered))
  }
  return { world, pace, enter, outcomes, waiting }
}

/** Resolves when every promise has settled that waits for no time to pass. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0))

const openedOf = (outcomes: readonly boolean[]) => outcomes.filter(Boolean).length

it('a user opens fifty connections at once; the next ones wait for at most a second, and then one is refused, late', async () => {
  const { enter, outcomes, world } = makePace()
  enter(71, 'alice')
  await world.pass(0)
  expect(outcomes).toEqual(Array.from({ length: 50 }, () => true))
  await world.pass(500)
  expect(openedOf(outcomes)).toBe(60)
  await world.pass(499)
  expect(outcomes).not.toContain(false)
  await world.pass(1)
  expect([openedOf(outcomes), outcomes.length]).toEqual([70, 71])
})

it('a page that is reloaded without end is never refused, and takes its part of the shard only', async () => {
  const { pace, world } = makePace()
  let opened = 0
  let isOver = false
  const reload = async () => {
    for (;;) {
      if (isOver) return
      expect(await pace.enter('mallory', 'socket')).toBe(true)
      opened += 1
    }
  }
  const pages = Array.from({ length: 4 }, reload)
  for (let n = 0; n < 240; n += 1) await world.pass(250)
  isOver = true
  await world.pass(1_000)
  await Promise.all(pages)
  expect(opened).toBeGreaterThan(900)
  expect(opened).toBeLessThanOrEqual(50 + 61 * 20)
})

it('a user who opens without end delays nobody else', async () => {
  const { enter, pace, world } = makePace()
  enter(10_000, 'mallory')
  enter(10_000, null)
  enter(10_000, null, 'session')
  const victim = pace.enter('alice', 'socket')
  await world.pass(0)
  expect(await victim).toBe(true)
})

it('refusals that wait have a limit, and so has what is remembered of users', async () => {
  const { enter, outcomes, waiting, world } = makePace()
  enter(100_000, 'mallory')
  expect(waiting).toHaveLength(20 + 10)
  await world.pass(0)
  expect(outcomes).toHaveLength(100_000 - 30)
  for (let n = 0; n < 20_000; n += 1) enter(1, `user-${n}`)
  await world.pass(0)
  expect(openedOf(outcomes)).toBe(20_050)
})

it('clients without a user pay together, and sessions without a socket apart from the others', async () => {
  const { enter, outcomes, world } = makePace()
  enter(301, null)
  enter(51, null, 'session')
  await world.pass(0)
  expect(openedOf(outcomes)).toBe(350)
})

it('a user who floods opens one connection a second', async () => {
  const { enter, outcomes, world } = makePace(['mallory'])
  enter(3, 'mallory')
  await world.pass(0)
  expect(outcomes).toEqual([true])
  await world.pass(1_000)
  expect([openedOf(outcomes), outcomes.length]).toEqual([2, 3])
})
