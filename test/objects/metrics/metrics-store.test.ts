import { env } from 'cloudflare:workers'
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { expect, it } from 'vitest'
import type { MetricsReport } from '../../../src/core/metrics/reporter.ts'

const store = () => env.METRICS_STORE.getByName('metrics-of-this-test')

function report(count: number): MetricsReport {
  return {
    source: 'shard 7',
    deltas: [['rigel_appended_events_total', ['7'], count]],
    values: [['rigel_log_head', ['7'], count]],
    errors: [{ atMs: 1, message: 'oops' }],
    detail: '{"x":1}',
  }
}

it('goes on after it slept with the sums, the gauges and the history that it had', async () => {
  await store().report(report(3))
  await evictDurableObject(store())
  await store().report(report(4))
  const { errors, sources, totals } = await store().read()
  expect(totals).toEqual([['rigel_appended_events_total', ['7'], 7]])
  expect(sources).toMatchObject([{ source: 'shard 7', values: [['rigel_log_head', ['7'], 4]], detail: '{"x":1}' }])
  expect(errors.map(({ message }) => message)).toEqual(['oops', 'oops'])
  expect((await store().history(0)).length).toBeGreaterThan(0)
})

it('writes two rows for the reports of ten seconds, however many come', async () => {
  const other = env.METRICS_STORE.getByName('metrics-of-another-test')
  for (let n = 0; n < 20; n += 1) await other.report(report(1))
  await runInDurableObject(other, (_store, { storage: { sql } }) => {
    expect(sql.exec('SELECT COUNT(*) AS count FROM history').one()).toEqual({ count: 1 })
    const { state } = sql.exec<{ state: string }>('SELECT state FROM metrics').one()
    // The first report is stored at once, the others together by a timer.
    expect(JSON.parse(state)).toMatchObject({ totals: [['rigel_appended_events_total', ['7'], 1]] })
  })
})
