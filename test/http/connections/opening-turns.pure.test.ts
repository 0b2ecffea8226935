// Clients that all come at once, over a simulated isolate: work takes its time, and timers are late while it runs.
import { expect, it } from 'vitest'
import { OpeningTurns } from '../../../src/http/connections/opening-turns.ts'

interface Timer {
  readonly atMs: number
  readonly act: () => void
}

interface OneOpening {
  readonly client?: string
  readonly isLost?: boolean
  /** Instead of `shardMs`. */
  readonly waitsMs?: number
}

/** An isolate of one thread. `cpuMs` of an opening is spent in four steps; `shardMs` passes meanwhile without work. */
function makeIsolate({ cpuMs = 0, shardMs = 0 } = {}) {
  const timers: Timer[] = []
  const world = { nowMs: 1_000_000, running: 0, mostRunning: 0, waits: 0, latestTimerMs: 0, isDone: false }
  const after = (ms: number, act: () => void): void => {
    const timer = { atMs: world.nowMs + ms, act }
    let [from, to] = [0, timers.length]
    while (from < to) {
      const middle = Math.floor((from + to) / 2)
      if ((timers[middle]?.atMs ?? 0) <= timer.atMs) from = middle + 1
      else to = middle
    }
    timers.splice(from, 0, timer)
  }
  const sleep = (ms: number) => new Promise<void>((resolve) => after(ms, resolve))
  const turns = new OpeningTurns({
    nowMs: () => Math.floor(world.nowMs),
    wait: (ms) => {
      world.waits += 1
      return sleep(ms)
    },
  })
  /** Resolves to when it was served, or, with a sign, to when it is to come back. */
  const open = async (one: OneOpening = {}): Promise<{ servedMs: number } | { backMs: number }> => {
    const { client = null, isLost = false, waitsMs = shardMs } = one
    const request = {}
    const refusedMs = await turns.enter(request, client)
    if (refusedMs !== undefined) return { backMs: world.nowMs + refusedMs }
    world.running += 1
    world.mostRunning = Math.max(world.mostRunning, world.running)
    for (let step = 0; step < 4; step += 1) {
      world.nowMs += cpuMs / 4
      await sleep(waitsMs / 4)
    }
    world.running -= 1
    if (!isLost) turns.end(request)
    return { servedMs: world.nowMs }
  }
  const comeBackUntilServed = async (): Promise<number> => {
    for (;;) {
      const opened = await open()
      if ('servedMs' in opened) return opened.servedMs
      await sleep(opened.backMs - world.nowMs)
    }
  }
  const run = async <T>(work: readonly Promise<T>[]): Promise<readonly T[]> => {
    world.isDone = false
    const all = Promise.all(work).finally(() => (world.isDone = true))
    await turnOfNode()
    for (let timer = timers.shift(); !world.isDone && timer !== undefined; timer = timers.shift()) {
      world.latestTimerMs = Math.max(world.latestTimerMs, world.nowMs - timer.atMs)
      world.nowMs = Math.max(world.nowMs, timer.atMs)
      timer.act()
      await turnOfNode()
    }
    return all
  }
  return { comeBackUntilServed, open, run, sleep, world }
}

/** Lets everything run that waits for no timer. */
async function turnOfNode(): Promise<void> {
  for (let n = 0; n < 20; n += 1) await Promise.resolve()
}
const times = <T>(count: number, make: (n: number) => T): readonly T[] =>
  Array.from({ length: count }, (_, n) => make(n))

it('few openings wait for nothing', async () => {
  const { open, run, world } = makeIsolate({ cpuMs: 1 })
  await run(times(256, () => open()))
  expect([world.waits, world.mostRunning]).toEqual([0, 256])
})

it('3,000 clients at once are all served about as fast as the isolate can, and nothing else waits behind them for long', async () => {
  const { comeBackUntilServed, run, world } = makeIsolate({ cpuMs: 0.8 })
  const begunMs = world.nowMs
  const served = await run(times(3_000, comeBackUntilServed))
  expect(Math.max(...served) - begunMs).toBeLessThan(1.4 * 3_000 * 0.8)
  expect(world.mostRunning).toBeLessThanOrEqual(512)
  expect(world.latestTimerMs).toBeLessThan(500)
  // A request that waits looks few times whether it is its turn.
  expect(world.waits).toBeLessThan(5 * 3_000)
})

it('those who are refused come back spread, behind those who wait, and behind each other', async () => {
  const { open, run, world } = makeIsolate({ cpuMs: 0.8 })
  const begunMs = world.nowMs
  const all = await run(times(5_000, () => open()))
  const backMs = all.flatMap((opened) => ('backMs' in opened ? [opened.backMs - begunMs] : []))
  const perSecond = Map.groupBy(backMs, (ms) => Math.floor(ms / 1_000))
  expect([...perSecond.keys()].toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4])
  expect(Math.max(...[...perSecond.values()].map(({ length }) => length))).toBeLessThanOrEqual(1_000)
})

it('an isolate that is slower than that serves all in little more than the time that their work takes', async () => {
  const { comeBackUntilServed, run, world } = makeIsolate({ cpuMs: 3 })
  const begunMs = world.nowMs
  const served = await run(times(2_000, comeBackUntilServed))
  expect(Math.max(...served) - begunMs).toBeLessThan(1.3 * 2_000 * 3)
  expect(world.latestTimerMs).toBeLessThan(1_000)
})

it('shards that are far away slow nobody down: more openings run while the isolate has nothing else to do', async () => {
  const { comeBackUntilServed, run, world } = makeIsolate({ shardMs: 200 })
  const begunMs = world.nowMs
  const served = await run(times(1_000, comeBackUntilServed))
  expect(world.mostRunning).toBeGreaterThan(400)
  expect(Math.max(...served) - begunMs).toBeLessThan(2_000)
})

it('openings that wait for a service that hangs keep others waiting for two seconds, and no longer', async () => {
  const { open, run, sleep, world } = makeIsolate({ cpuMs: 0.4 })
  const begunMs = world.nowMs
  void times(512, () => open({ waitsMs: 20_000 }))
  await run([sleep(500)])
  const served = await run(times(100, () => open()))
  const servedMs = served.map((opened) => ('servedMs' in opened ? opened.servedMs - begunMs : Infinity))
  expect(Math.max(...servedMs)).toBeLessThan(3_000)
})

it('one client waits in half of the places at most, and others are served in turn', async () => {
  const { open, run } = makeIsolate({ cpuMs: 0.8 })
  const flood = times(3_000, () => open({ client: 'flood' }))
  const others = times(300, (n) => open({ client: `other ${n}` }))
  const opened = await run([...flood, ...others])
  expect(opened.slice(0, 3_000).filter((one) => 'backMs' in one)).toHaveLength(3_000 - 256 - 500)
  expect(opened.slice(3_000).filter((one) => 'backMs' in one)).toEqual([])
})

it('one client runs in half of the places at most, also if its openings take long: others wait for a moment', async () => {
  const { open, run, sleep, world } = makeIsolate()
  const flood = async () => {
    while (!world.isDone) {
      const opened = await open({ client: 'flood', waitsMs: 1_000 })
      if ('backMs' in opened) await sleep(opened.backMs - world.nowMs)
    }
  }
  void times(1_000, flood)
  await run([sleep(3_000)])
  const others = await run(
    times(50, async (n) => {
      await sleep(n * 40)
      const begunMs = world.nowMs
      const opened = await open({ client: `other ${n}` })
      return 'servedMs' in opened ? opened.servedMs - begunMs : Infinity
    }),
  )
  expect(Math.max(...others)).toBeLessThanOrEqual(260)
  world.isDone = true
})

it('an opening whose request the runtime has ended holds its place for two seconds, and no longer', async () => {
  const { open, run, world } = makeIsolate()
  await run(times(512, () => open({ isLost: true })))
  const begunMs = world.nowMs
  const [opened] = await run([open()])
  const servedMs = opened && 'servedMs' in opened ? opened.servedMs - begunMs : Infinity
  expect([servedMs > 1_000, servedMs <= 2_250]).toEqual([true, true])
})
