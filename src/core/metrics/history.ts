// The last hour of the figures that the console plots, in steps of 15 seconds. A step has the increments of counters
// and histograms, and the last value of gauges. Each metrics object has a part of the figures; mergeHistories adds
// them. Pure.
import { addHistogram, OTHER, type HistogramSum, type MetricDelta, type MetricValue } from './metric-counts.ts'
import { isMetric, specOf, type MetricName } from './catalogue.ts'

/** Length of a step. */
export const STEP_MS = 15_000
/** Steps in an hour. */
export const HISTORY_STEPS = 240

/** Series of one plot in a step. */
const MAX_PLOTTED = 40

/** The plotted metrics, each with the labels to plot by. Series that differ in other labels are summed. */
const PLOTTED: Readonly<Partial<Record<MetricName, readonly string[]>>> = {
  rig_consumed_events_total: [],
  rig_produced_events_total: [],
  rigel_delivered_events_total: [],
  rigel_connections: ['transport'],
  rigel_produce_to_receive_seconds: [],
  rigel_append_seconds: [],
  rigel_follower_lag: ['topic', 'partition'],
  rigel_dead_letters_total: ['reason'],
  rigel_refusals_total: ['reason'],
  rigel_proxy_responses_total: ['code'],
  rigel_proxy_duration_seconds: [],
  rigel_errors_total: ['where'],
}

/** One step: metric → label values, joined by a slash → value. */
export interface HistoryPoint {
  /** Start of the step in milliseconds since the epoch, a multiple of STEP_MS. */
  readonly atMs: number
  readonly series: Partial<Record<MetricName, Record<string, number | HistogramSum>>>
}

/** Returns the start of the step that a time is in. */
export function stepOf(nowMs: number): number {
  return nowMs - (nowMs % STEP_MS)
}

/** Adds increments to a step. */
export function addToPoint({ series }: HistoryPoint, deltas: readonly MetricDelta[]): void {
  for (const [name, labels, value] of deltas) {
    const key = plottedKey(name, labels)
    if (key !== undefined) addValue((series[name] ??= {}), key, value)
  }
}

/** Sets the plotted gauges of a step: the sum of what every source reported last. */
export function setValues({ series }: HistoryPoint, values: Iterable<MetricValue>): void {
  for (const name of Object.keys(PLOTTED)) if (isMetric(name) && isValue(name)) delete series[name]
  for (const [name, labels, value] of values) {
    const key = isMetric(name) && isValue(name) ? plottedKey(name, labels) : undefined
    if (key !== undefined) addValue((series[name] ??= {}), key, value)
  }
}

/** Adds the parts of several metrics objects, oldest first. */
export function mergeHistories(parts: readonly (readonly HistoryPoint[])[]): readonly HistoryPoint[] {
  const merged = new Map<number, HistoryPoint>()
  for (const { atMs, series } of parts.flat()) {
    const point = merged.get(atMs) ?? { atMs, series: {} }
    merged.set(atMs, point)
    for (const [name, values] of Object.entries(series)) {
      if (!isMetric(name)) continue
      for (const [key, value] of Object.entries(values)) addValue((point.series[name] ??= {}), key, value)
    }
  }
  return [...merged.values()].toSorted((a, b) => a.atMs - b.atMs)
}

/**
 * Returns the steps from `sinceMs` to `nowMs`. Steps without a report get the gauges of the step before, which still
 * hold: an object reports every change.
 */
export function fillHistory(points: readonly HistoryPoint[], sinceMs: number, nowMs: number): readonly HistoryPoint[] {
  const known = new Map(points.map((point) => [point.atMs, point]))
  const first = points[0]?.atMs
  if (first === undefined) return []
  const filled: HistoryPoint[] = []
  let gauges: HistoryPoint['series'] = {}
  const oldest = Math.max(first, stepOf(nowMs) - (HISTORY_STEPS - 1) * STEP_MS)
  for (const { atMs, series } of points) if (atMs < oldest) gauges = gaugesOf(series)
  for (let atMs = oldest; atMs <= stepOf(nowMs); atMs += STEP_MS) {
    const point = known.get(atMs)
    if (point !== undefined) gauges = gaugesOf(point.series)
    if (atMs >= sinceMs) filled.push(point ?? { atMs, series: gauges })
  }
  return filled
}

function gaugesOf(series: HistoryPoint['series']): HistoryPoint['series'] {
  return Object.fromEntries(Object.entries(series).filter(([name]) => isMetric(name) && isValue(name)))
}

/** True for metrics that are reported as values. Dead letters are one: followers store their sum and report that. */
function isValue(name: MetricName): boolean {
  return specOf(name).kind === 'gauge' || name === 'rigel_dead_letters_total'
}

function plottedKey(name: MetricName, labels: readonly string[]): string | undefined {
  const by = PLOTTED[name]
  if (by === undefined) return undefined
  const spec = specOf(name)
  return by.map((label) => labels[spec.labels.indexOf(label)] ?? '').join('/')
}

function addValue(series: Record<string, number | HistogramSum>, key: string, value: number | HistogramSum): void {
  const isFull = series[key] === undefined && Object.keys(series).length >= MAX_PLOTTED
  const kept = isFull ? OTHER : key
  const known = series[kept]
  if (typeof value === 'number') series[kept] = (typeof known === 'number' ? known : 0) + value
  else if (typeof known === 'object') addHistogram(known, value)
  else series[kept] = { sum: value.sum, counts: [...value.counts] }
}
