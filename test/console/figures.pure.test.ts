// What the console makes of figures: public/_rig/console/figures.js.
import { describe, expect, it } from 'vitest'
import {
  gauges,
  growth,
  mergeHistory,
  percentiles,
  quantile,
  rates,
  type Figures,
} from '../../public/_rig/console/figures.js'

const STEP_MS = 15_000
const START_MS = 1_800_000_000_000

type Series = Figures['history'][number]['series']

function figures(series: Series[], afterMs = 60_000): Figures {
  const history = series.map((one, index) => ({ atMs: START_MS + index * STEP_MS, series: one }))
  return {
    nowMs: START_MS + series.length * STEP_MS + afterMs,
    stepMs: STEP_MS,
    shards: 3,
    buckets: { rigel_append_seconds: [1, 2, 4] },
    history,
    totals: [],
    sources: [],
    errors: [],
  }
}

describe('figures of the console', () => {
  it('increments are rates, of whole steps only: objects report late', () => {
    const steps: Series[] = [{ x: { a: 30 } }, { x: { b: 15 } }, { x: { a: 3 } }]
    expect(rates(figures(steps), 'x')).toMatchObject({
      labels: ['a', 'b'],
      lines: [
        [2, 0, 0.2],
        [0, 1, 0],
      ],
    })
    expect(rates(figures(steps, 11_999), 'x').lines).toEqual([
      [2, 0],
      [0, 1],
    ])
    expect(rates(figures(steps), 'x', 60_000).lines[0]).toEqual([120, 0, 12])
  })

  it('gauges have gaps, and sums grow', () => {
    const steps: Series[] = [{ x: { a: 30 } }, {}, { x: { a: 45, b: 0 } }]
    expect(gauges(figures(steps), 'x').lines).toEqual([
      [30, null, 45],
      [null, null, 0],
    ])
    expect(growth(figures([{ x: { a: 30 } }, { x: { a: 45, b: 0 } }]), 'x')).toMatchObject({
      labels: ['a'],
      lines: [[null, 60]],
    })
  })

  it.each([
    [0.5, [2, 2, 0, 0], 1],
    [0.75, [2, 2, 0, 0], 1.5],
    [0.99, [0, 0, 0, 5], 4],
    [0.5, [0, 0, 0, 0], null],
    [0.5, [], null],
  ])('quantile %s of %j is %s, as Prometheus has it', (q, counts, expected) => {
    expect(quantile(q, [1, 2, 4], counts)).toBe(expected)
  })

  it('percentiles are of all series together', () => {
    const step = { rigel_append_seconds: { '': { sum: 1, counts: [1, 0, 0, 0] }, x: { sum: 1, counts: [0, 1, 0, 0] } } }
    expect(percentiles(figures([step]), 'rigel_append_seconds').lines).toEqual([[1], [1.98]])
  })

  it('steps that come again replace those before', () => {
    const [a, b, c] = figures([{ x: { a: 1 } }, { x: { a: 2 } }, { x: { a: 3 } }]).history
    if (a === undefined || b === undefined || c === undefined) throw new Error('no steps')
    const again = { ...b, series: { x: { a: 9 } } }
    expect(mergeHistory([a, b], [again, c])).toEqual([a, again, c])
  })
})
