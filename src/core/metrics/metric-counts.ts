// Counters and histograms by series. Isolates and objects count with it before they report; the metrics objects sum
// reports with it. A family has a limited number of series; further label values are counted as one. Pure.
import { isMetric, specOf, type MetricName } from './catalogue.ts'

/** A histogram's series. */
export interface HistogramSum {
  sum: number
  /** Number of values by bucket, not cumulative; the last is of values above every bound. */
  readonly counts: number[]
}

/** A series of a counter or histogram, and its value or increment. As stored, and as reported. */
export type MetricDelta = readonly [name: MetricName, labels: readonly string[], value: number | HistogramSum]

/** A value that an object reports as it is: a gauge, or a counter that the object stores itself. */
export type MetricValue = readonly [name: MetricName, labels: readonly string[], value: number]

/** Series of one family. Further label values are counted under `other`. */
const MAX_SERIES = 1_000
const MAX_LABEL_CHARS = 120
/** The label value of what exceeds a limit. */
export const OTHER = 'other'

interface Series {
  readonly labels: readonly string[]
  value: number
  readonly histogram: HistogramSum | null
}

/** Counters and histograms of one source, or of all. Callers must not mutate the histograms that they read. */
export class MetricCounts {
  readonly #families = new Map<MetricName, Family>()

  get isEmpty(): boolean {
    return this.#families.size === 0
  }

  /** Adds to a counter. */
  count(name: MetricName, labels: readonly string[] = [], by = 1): void {
    this.#find(name, labels).value += by
  }

  /** Adds a value to a histogram, `times` times. */
  observe(name: MetricName, labels: readonly string[], value: number, times = 1): void {
    const { histogram } = this.#find(name, labels)
    if (histogram !== null) addTo(histogram, specOf(name).buckets ?? [], value, times)
  }

  /** Adds series of another MetricCounts. Those of metrics that this version does not have are left out. */
  add(deltas: readonly MetricDelta[]): void {
    for (const [name, labels, value] of deltas) {
      if (!isMetric(name)) continue
      const series = this.#find(name, labels)
      if (typeof value === 'number') series.value += value
      else if (series.histogram !== null) addHistogram(series.histogram, value)
    }
  }

  /** Returns every series. */
  all(): readonly MetricDelta[] {
    return [...this.#families].flatMap(([name, family]) =>
      family.all.map(({ histogram, labels, value }): MetricDelta => [name, labels, histogram ?? value]),
    )
  }

  /** Returns every series, and forgets them. */
  take(): readonly MetricDelta[] {
    const all = this.all()
    this.#families.clear()
    return all
  }

  #find(name: MetricName, labels: readonly string[]): Series {
    let family = this.#families.get(name)
    if (family === undefined) this.#families.set(name, (family = { root: createNode(), all: [] }))
    return findSeries(family.root, labels) ?? addSeries(family, name, labels)
  }
}

/**
 * The series of one metric, found by one label after the other: a joined key would be a new text for each value
 * counted.
 */
interface Family {
  readonly root: LabelNode
  readonly all: Series[]
}

interface LabelNode {
  readonly next: Map<string, LabelNode>
  series: Series | undefined
}

function createNode(): LabelNode {
  return { next: new Map(), series: undefined }
}

function findSeries(root: LabelNode, labels: readonly string[]): Series | undefined {
  let node: LabelNode | undefined = root
  for (let at = 0; at < labels.length && node !== undefined; at += 1) node = node.next.get(labels[at] ?? '')
  return node?.series
}

function createPath(root: LabelNode, labels: readonly string[]): LabelNode {
  let node = root
  for (const label of labels) {
    const next = node.next.get(label) ?? createNode()
    node.next.set(label, next)
    node = next
  }
  return node
}

function addTo(histogram: HistogramSum, buckets: readonly number[], value: number, times: number): void {
  const found = buckets.findIndex((bound) => value <= bound)
  const index = found === -1 ? buckets.length : found
  histogram.counts[index] = (histogram.counts[index] ?? 0) + times
  histogram.sum += value * times
}

function addSeries(family: Family, name: MetricName, labels: readonly string[]): Series {
  const isFull = family.all.length >= MAX_SERIES
  const kept = labels.map((value) => (isFull ? OTHER : value.slice(0, MAX_LABEL_CHARS)))
  const node = createPath(family.root, isFull ? kept : labels)
  if (node.series !== undefined) return node.series
  const { buckets, kind } = specOf(name)
  const counts = Array.from({ length: (buckets?.length ?? 0) + 1 }, () => 0)
  const series: Series = { labels: kept, value: 0, histogram: kind === 'histogram' ? { sum: 0, counts } : null }
  node.series = series
  family.all.push(series)
  return series
}

/** Adds `from` to `to`. If they have different numbers of buckets, as of two versions, only buckets of both are added. */
export function addHistogram(to: HistogramSum, from: HistogramSum): void {
  to.sum += from.sum
  for (const [index, count] of from.counts.entries()) {
    if (index < to.counts.length) to.counts[index] = (to.counts[index] ?? 0) + count
  }
}
