import { describe, expect, it } from 'vitest'
import { mergeHistories } from '../../../src/core/metrics/history.ts'
import { MetricCounts, type MetricDelta } from '../../../src/core/metrics/metric-counts.ts'
import { MetricsState } from '../../../src/core/metrics/metrics-state.ts'
import type { MetricsReport } from '../../../src/core/metrics/reporter.ts'
import { toPrometheus } from '../../../src/core/metrics/exposition.ts'

const NOW_MS = 1_800_000_000_000

function report(changes: Partial<MetricsReport>): MetricsReport {
  return { source: 'shard 0', deltas: [], values: [], errors: [], detail: null, ...changes }
}

const consumed = (count: number): MetricDelta => ['rig_consumed_events_total', ['kafka', 'rig'], count]

describe('MetricsState', () => {
  it('adds increments, replaces the values of a source, and knows how old they are', () => {
    const state = new MetricsState(undefined, [])
    state.add(report({ deltas: [consumed(2)], values: [['rigel_connections', ['0', 'sse'], 7]] }), NOW_MS)
    state.add(report({ source: 'worker', deltas: [consumed(3)] }), NOW_MS + 1)
    state.add(report({ values: [['rigel_connections', ['0', 'sse'], 4]] }), NOW_MS + 20_000)
    const { sources, totals } = state.read()
    expect(totals).toEqual([consumed(5)])
    expect(sources).toEqual([
      { source: 'worker', atMs: NOW_MS + 1, values: [] },
      { source: 'shard 0', atMs: NOW_MS + 20_000, values: [['rigel_connections', ['0', 'sse'], 4]] },
    ])
  })

  it('goes on after a restart where it was stored', () => {
    const state = new MetricsState(undefined, [])
    state.add(report({ deltas: [consumed(2)], errors: [{ atMs: NOW_MS, message: 'oops' }] }), NOW_MS)
    const point = state.point()
    const restored = new MetricsState(state.read(), point === undefined ? [] : [structuredClone(point)])
    restored.add(report({ deltas: [consumed(1)] }), NOW_MS + 1)
    expect(restored.read()).toMatchObject({ totals: [consumed(3)], errors: [{ source: 'shard 0', message: 'oops' }] })
    expect(restored.history(0, NOW_MS + 1)).toEqual([
      { atMs: NOW_MS, series: { rig_consumed_events_total: { '': 3 } } },
    ])
  })

  it('keeps an hour in steps: increments of each step, and gauges that hold on where nothing was reported', () => {
    const state = new MetricsState(undefined, [])
    state.add(report({ deltas: [consumed(2)], values: [['rigel_connections', ['0', 'ws'], 7]] }), NOW_MS)
    state.add(report({ source: 'shard 1', values: [['rigel_connections', ['1', 'ws'], 1]] }), NOW_MS + 1_000)
    state.add(report({ deltas: [consumed(5)], values: [['rigel_connections', ['0', 'ws'], 2]] }), NOW_MS + 45_000)
    const shown = state
      .history(0, NOW_MS + 60_000)
      .map(({ series }) => [series.rig_consumed_events_total?.[''], series.rigel_connections?.['ws']])
    expect(shown).toEqual([
      [2, 8],
      [undefined, 8],
      [undefined, 8],
      [5, 3],
      [undefined, 3],
    ])
    expect(state.history(NOW_MS + 45_000, NOW_MS + 60_000)).toHaveLength(2)
    const anHourLater = state.history(0, NOW_MS + 4_000_000)
    expect(anHourLater).toHaveLength(240)
    expect(anHourLater[0]?.series).toEqual({ rigel_connections: { ws: 3 } })
  })

  it('forgets an object that has not reported for a week', () => {
    const state = new MetricsState(undefined, [])
    state.add(report({ source: 'shard 9' }), NOW_MS)
    state.add(report({}), NOW_MS + 7 * 86_400_000)
    expect(state.read().sources.map(({ source }) => source)).toEqual(['shard 0'])
  })
})

describe('MetricCounts', () => {
  it('counts label values past the limit of a family as one', () => {
    const counts = new MetricCounts()
    for (let n = 0; n < 1_500; n += 1) counts.count('rig_consumed_events_forwarded_total', [`type ${n}`])
    const all = counts.all()
    expect(all).toHaveLength(1_001)
    expect(all.at(-1)).toEqual(['rig_consumed_events_forwarded_total', ['other'], 500])
  })

  it('leaves out metrics of another version, and adds histograms with other buckets where both have one', () => {
    const counts = new MetricCounts()
    counts.observe('rigel_append_seconds', [], 0.003, 2)
    const unknown = ['rigel_of_tomorrow_total', [], 1] as unknown as MetricDelta
    counts.add([unknown, ['rigel_append_seconds', [], { sum: 1, counts: [...Array(20).keys()] }]])
    const [[name, , histogram]] = counts.all() as unknown as [[string, unknown, { sum: number; counts: number[] }]]
    expect([name, histogram.counts.length, histogram.counts[2], histogram.sum]).toEqual([
      'rigel_append_seconds',
      15,
      4,
      1.006,
    ])
  })
})

it('parts of several metrics objects are added', () => {
  const part = (count: number) => [{ atMs: NOW_MS, series: { rigel_connections: { sse: count } } }]
  expect(mergeHistories([part(2), part(3)])).toEqual(part(5))
})

describe('toPrometheus', () => {
  it('writes help and type of every metric, and cumulative buckets', () => {
    const counts = new MetricCounts()
    counts.observe('rigel_proxy_duration_seconds', ['a"b\\\n'], 0.02)
    counts.observe('rigel_proxy_duration_seconds', ['a"b\\\n'], 99)
    const text = toPrometheus([...counts.all(), ['rigel_shards', [], 3]])
    expect(text).toContain('# TYPE rigel_shards gauge\nrigel_shards 3\n')
    expect(text).toContain('# TYPE rig_proxy_requests_total counter\n# HELP')
    const labels = 'api="a\\"b\\\\\\n"'
    expect(text).toContain(`rigel_proxy_duration_seconds_bucket{${labels},le="0.01"} 0\n`)
    expect(text).toContain(`rigel_proxy_duration_seconds_bucket{${labels},le="0.025"} 1\n`)
    expect(text).toContain(`rigel_proxy_duration_seconds_bucket{${labels},le="+Inf"} 2\n`)
    expect(text).toContain(
      `rigel_proxy_duration_seconds_sum{${labels}} 99.02\nrigel_proxy_duration_seconds_count{${labels}} 2`,
    )
  })

  it('adds equal series of several sources', () => {
    expect(
      toPrometheus([
        ['rig_subscriptions_total', [], 2],
        ['rig_subscriptions_total', [], 5],
      ]),
    ).toContain('rig_subscriptions_total 7')
  })
})
