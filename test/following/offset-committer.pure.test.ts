// A position told to Kafka: not too often, one at a time, the newest in the end, and never in the way.
import { beforeEach, expect, it } from 'vitest'
import { OffsetCommitter } from '../../src/following/offset-committer.ts'

let told: number[]
let warnings: string[]
let failure: Error | null
/** Commits wait for it. */
let gate: Promise<void>
let report: OffsetCommitter
/** What goes on in the background. */
let work: Promise<void>[]

beforeEach(() => {
  told = []
  warnings = []
  failure = null
  gate = Promise.resolve()
  work = []
  report = new OffsetCommitter({
    commit: async (offset) => {
      told.push(offset)
      await gate
      if (failure !== null) throw failure
    },
    warn: (error) => warnings.push(error),
    inBackground: (one) => work.push(one),
  })
})

const T0 = 1_000_000

async function moved(offset: number, nowMs: number): Promise<void> {
  report.moved(offset, nowMs)
  await Promise.all(work)
}

async function flush(nowMs: number): Promise<void> {
  report.flush(nowMs)
  await Promise.all(work)
}

it('tells the first at once, then the newest every five seconds', async () => {
  for (const [offset, afterMs] of [
    [1, 0],
    [2, 100],
    [3, 4_999],
    [4, 5_000],
    [5, 6_000],
  ] as const) {
    await moved(offset, T0 + afterMs)
  }
  expect(told).toEqual([1, 4])
})

it('tells the end when it is reached, once', async () => {
  await moved(1, T0)
  await moved(2, T0 + 1)
  await flush(T0 + 2)
  await flush(T0 + 9_000)
  expect(told).toEqual([1, 2])
})

it('tells nothing before anything was read', async () => {
  await flush(T0)
  expect(told).toEqual([])
})

it('tells one at a time, so that an older one cannot arrive last; what was newer is told with the next', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  gate = promise
  report.moved(1, T0)
  report.moved(2, T0 + 6_000)
  report.flush(T0 + 7_000)
  expect(told).toEqual([1])
  resolve()
  await Promise.all(work)
  await flush(T0 + 8_000)
  expect(told).toEqual([1, 2])
})

it('warns of a failure, rejects nothing, and tells it again', async () => {
  failure = new Error('no coordinator')
  await moved(1, T0)
  expect(warnings).toEqual(['Error: no coordinator'])
  await moved(2, T0 + 1_000)
  expect(told).toEqual([1])
  failure = null
  await moved(2, T0 + 5_000)
  await flush(T0 + 5_001)
  expect(told).toEqual([1, 2])
})

it('goes back where the log began anew', async () => {
  await moved(9, T0)
  await moved(0, T0 + 5_000)
  expect(told).toEqual([9, 0])
})

it('holds up nobody: a coordinator that does not answer must not keep events waiting', () => {
  gate = new Promise(() => undefined)
  report.moved(1, T0)
  expect(report.flush(T0 + 6_000)).toBeUndefined()
  expect(work).toHaveLength(1)
})
