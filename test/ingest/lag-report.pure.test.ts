// A position told to Kafka: not too often, one at a time, the newest in the end, and never in the way.
import { beforeEach, expect, it } from 'vitest'
import { LagReport } from '../../src/ingest/lag-report.ts'

let told: number[]
let warnings: string[]
let failure: Error | null
/** Commits wait for it. */
let gate: Promise<void>
let report: LagReport

beforeEach(() => {
  told = []
  warnings = []
  failure = null
  gate = Promise.resolve()
  report = new LagReport({
    commit: async (offset) => {
      told.push(offset)
      await gate
      if (failure !== null) throw failure
    },
    warn: (error) => warnings.push(error),
  })
})

const T0 = 1_000_000

it('tells the first at once, then the newest every five seconds', async () => {
  for (const [offset, afterMs] of [
    [1, 0],
    [2, 100],
    [3, 4_999],
    [4, 5_000],
    [5, 6_000],
  ] as const) {
    await report.moved(offset, T0 + afterMs)
  }
  expect(told).toEqual([1, 4])
})

it('tells the end when it is reached, once', async () => {
  await report.moved(1, T0)
  await report.moved(2, T0 + 1)
  await report.flush(T0 + 2)
  await report.flush(T0 + 9_000)
  expect(told).toEqual([1, 2])
})

it('tells nothing before anything was read', async () => {
  await report.flush(T0)
  expect(told).toEqual([])
})

it('tells one at a time, so that an older one cannot arrive last; what was newer is told with the next', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  gate = promise
  const first = report.moved(1, T0)
  await report.moved(2, T0 + 6_000)
  await report.flush(T0 + 7_000)
  expect(told).toEqual([1])
  resolve()
  await first
  await report.flush(T0 + 8_000)
  expect(told).toEqual([1, 2])
})

it('warns of a failure, rejects nothing, and tells it again', async () => {
  failure = new Error('no coordinator')
  await report.moved(1, T0)
  expect(warnings).toEqual(['Error: no coordinator'])
  await report.moved(2, T0 + 1_000)
  expect(told).toEqual([1])
  failure = null
  await report.moved(2, T0 + 5_000)
  await report.flush(T0 + 5_001)
  expect(told).toEqual([1, 2])
})

it('goes back where the log began anew', async () => {
  await report.moved(9, T0)
  await report.moved(0, T0 + 5_000)
  expect(told).toEqual([9, 0])
})
