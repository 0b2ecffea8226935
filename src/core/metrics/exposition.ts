// Writes series in Prometheus' text format, version 0.0.4. Pure.
import { METRICS, isMetric, specOf, type MetricName, type MetricSpec } from './catalogue.ts'
import { MetricCounts, type HistogramSum, type MetricDelta, type MetricValue } from './metric-counts.ts'

/**
 * Returns one block for each metric of the catalogue, also for those without a series. Sums series with equal labels.
 */
export function toPrometheus(series: readonly (MetricDelta | MetricValue)[]): string {
  const summed = new MetricCounts()
  summed.add(series)
  const byName = Map.groupBy(summed.all(), ([name]) => name)
  const blocks = Object.keys(METRICS)
    .filter(isMetric)
    .map((name) => toBlock(name, byName.get(name) ?? []))
  return `${blocks.join('\n')}\n`
}

function toBlock(name: MetricName, series: readonly MetricDelta[]): string {
  const spec = specOf(name)
  const lines = series.flatMap(([, labels, value]) =>
    typeof value === 'number' ? toLine(name, spec.labels, labels, value) : histogramLines(name, spec, labels, value),
  )
  return [`# HELP ${name} ${spec.help}`, `# TYPE ${name} ${spec.kind}`, ...lines].join('\n')
}

/** Buckets of Prometheus are cumulative. */
function histogramLines(
  name: MetricName,
  { buckets = [], labels: names }: MetricSpec,
  labels: readonly string[],
  { counts, sum }: HistogramSum,
): readonly string[] {
  let count = 0
  const bounds = [...buckets.map(String), '+Inf']
  const lines = bounds.map((bound, index) => {
    count += counts[index] ?? 0
    return toLine(`${name}_bucket`, [...names, 'le'], [...labels, bound], count)
  })
  return [...lines, toLine(`${name}_sum`, names, labels, sum), toLine(`${name}_count`, names, labels, count)]
}

function toLine(name: string, names: readonly string[], values: readonly string[], value: number): string {
  const pairs = names.map((label, index) => `${label}="${escape(values[index] ?? '')}"`)
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`
}

function escape(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
