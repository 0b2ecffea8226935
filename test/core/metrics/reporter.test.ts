import { describe, expect, it } from 'vitest'
import type { MetricValue } from '../../../src/core/metrics/metric-counts.ts'
import { MetricsReporter, type MetricsReport } from '../../../src/core/metrics/reporter.ts'

const INTERVAL_MS = 10_000

function makeReporter(intervalMs = INTERVAL_MS) {
  const sent: MetricsReport[] = []
  const scheduled: { atMs: number; act: () => Promise<void> }[] = []
  const world = { nowMs: 1_000_000, isDown: false, values: [] as MetricValue[] }
  const reporter = new MetricsReporter({
    source: 'shard 1',
    intervalMs,
    nowMs: () => world.nowMs,
    values: () => world.values,
    send: async (report) => {
      if (world.isDown) throw new Error('Network connection lost')
      sent.push(report)
    },
  })
  const touch = () => reporter.touch((ms, act) => void scheduled.push({ atMs: world.nowMs + ms, act }))
  /** Runs the next scheduled report. */
  const run = async () => {
    const next = scheduled.shift()
    if (next === undefined) throw new Error('nothing is scheduled')
    world.nowMs = next.atMs
    await next.act()
  }
  const count = (by: number) => {
    reporter.counts.count('rigel_appended_events_total', ['1'], by)
    touch()
  }
  return { reporter, world, sent, scheduled, run, count, touch }
}

describe('MetricsReporter', () => {
  it('reports a second after the first activity, and then at most once an interval, by one timer', async () => {
    const { count, run, scheduled, sent } = makeReporter()
    for (let n = 0; n < 5; n += 1) count(1)
    expect(scheduled.map(({ atMs }) => atMs)).toEqual([1_001_000])
    await run()
    count(3)
    count(4)
    expect(scheduled.map(({ atMs }) => atMs)).toEqual([1_011_000])
    await run()
    expect(sent.map(({ deltas }) => deltas)).toEqual([
      [['rigel_appended_events_total', ['1'], 5]],
      [['rigel_appended_events_total', ['1'], 7]],
    ])
    expect(scheduled).toEqual([])
  })

  it('sends what could not be sent with the next report, errors too', async () => {
    const { count, reporter, run, sent, world } = makeReporter()
    world.isDown = true
    reporter.failed('follower', 'no broker answers')
    count(2)
    await run()
    world.isDown = false
    count(1)
    await run()
    expect(sent).toEqual([
      {
        source: 'shard 1',
        deltas: [
          ['rigel_errors_total', ['follower'], 1],
          ['rigel_appended_events_total', ['1'], 3],
        ],
        values: [],
        errors: [{ atMs: 1_000_000, message: 'no broker answers' }],
        detail: null,
      },
    ])
  })

  it('does not wait for ever for a report whose request was ended', async () => {
    const { count, run, scheduled, sent, world } = makeReporter()
    count(1)
    scheduled.length = 0
    world.nowMs += 5_999
    count(1)
    expect(scheduled).toEqual([])
    world.nowMs += 1
    count(1)
    await run()
    expect(sent[0]?.deltas).toEqual([['rigel_appended_events_total', ['1'], 3]])
  })

  it('reports nothing with an interval of 0', () => {
    const { count, scheduled } = makeReporter(0)
    count(1)
    expect(scheduled).toEqual([])
  })
})
