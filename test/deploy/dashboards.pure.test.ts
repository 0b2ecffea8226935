// deploy/grafana and deploy/prometheus: every query is PromQL, by Prometheus' own grammar, and every metric and label in
// it is one that a scrape has.
import { parser } from '@prometheus-io/lezer-promql'
import { parse } from 'yaml'
import { describe, expect, it } from 'vitest'
import dashboardText from '../../deploy/grafana/rigel.json?raw'
import alertsText from '../../deploy/prometheus/alerts.yml?raw'
import { isMetric, METRICS, specOf } from '../../src/core/metrics/catalogue.ts'

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[]
}
interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}

const dashboard = JSON.parse(dashboardText) as Dashboard
const alerts = parse(alertsText) as Rules
const QUERIES = [
  ...dashboard.panels.flatMap(({ targets = [], title }) => targets.map(({ expr }) => [title, expr] as const)),
  ...alerts.groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => [alert, expr] as const)),
]
/** Grafana puts an interval there. */
const toPromQl = (expr: string) => expr.replaceAll('$__rate_interval', '5m')
/** Prometheus' own, and what PromQL makes of a histogram. */
const SCRAPED = new Set(['up'])
const familyOf = (name: string) => name.replace(/_(bucket|sum|count)$/, '')

function inspect(expr: string) {
  const text = toPromQl(expr)
  const found = { errors: [] as string[], metrics: [] as string[], labels: [] as string[] }
  parser.parse(text).iterate({
    enter: ({ from, name, to, type }) => {
      const part = text.slice(from, to)
      if (type.isError) found.errors.push(`at ${from}: ${text}`)
      if (name === 'VectorSelector') found.metrics.push(/^[\w:]+/.exec(part)?.[0] ?? part)
      if (name === 'LabelName') found.labels.push(part)
    },
  })
  return found
}

describe('queries of the dashboard and of the alerts', () => {
  it.each(QUERIES)('%s: %s', (_title, expr) => {
    const { errors, labels, metrics } = inspect(expr)
    expect(errors).toEqual([])
    expect(metrics.length).toBeGreaterThan(0)
    const specs = metrics
      .filter((name) => !SCRAPED.has(name))
      .map((name) => {
        const known = isMetric(name) ? name : familyOf(name)
        if (!isMetric(known)) throw new Error(`there is no metric ${name}`)
        // Only histograms have buckets.
        expect([name, known === name || specOf(known).kind === 'histogram']).toEqual([name, true])
        return specOf(known)
      })
    const has = new Set([...specs.flatMap((spec) => spec.labels), 'le', 'job'])
    expect(labels.filter((label) => !has.has(label))).toEqual([])
  })

  it('the grammar finds what is no PromQL', () => {
    expect(inspect('sum(rate(rigel_errors_total[5m])').errors).not.toEqual([])
  })

  it('show every metric', () => {
    const shown = new Set(QUERIES.flatMap(([, expr]) => inspect(expr).metrics.map(familyOf)))
    // Sums since a follower began: the console shows them.
    const beside = ['rigel_records_total', 'rigel_dropped_records_total']
    expect(Object.keys(METRICS).filter((name) => !shown.has(name) && !beside.includes(name))).toEqual([])
  })
})
