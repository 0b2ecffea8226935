// The state of a metrics object: sums of all reports, the last values of each source, the last errors and the last
// hour. Pure. objects/metrics stores it, rpc/metrics.ts reads it.
import { isMetric } from './catalogue.ts'
import { addToPoint, fillHistory, HISTORY_STEPS, setValues, STEP_MS, stepOf, type HistoryPoint } from './history.ts'
import { MetricCounts, type MetricDelta, type MetricValue } from './metric-counts.ts'
import type { MetricsReport, ReportedError } from './reporter.ts'

/** The values that one object reported last. */
export interface SourceValues {
  readonly source: string
  /** When it reported, in milliseconds since the epoch. */
  readonly atMs: number
  readonly values: readonly MetricValue[]
  /** JSON; absent if there is none. */
  readonly detail?: string
}

/** An error and the object that reported it. */
export interface SourceError extends ReportedError {
  readonly source: string
}

/** What a metrics object returns to a scrape. */
export interface MetricsSnapshot {
  readonly totals: readonly MetricDelta[]
  readonly sources: readonly SourceValues[]
  /** Oldest first. */
  readonly errors: readonly SourceError[]
}

/** What is stored in one row. The steps of the history have rows of their own. */
export type StoredMetrics = MetricsSnapshot

const MAX_SOURCES = 4_096
const MAX_VALUES = 200
const MAX_ERRORS = 100
const MAX_DETAIL_CHARS = 4_000
/**
 * A source without a report for this long is removed: the number of shards or partitions has probably become smaller.
 */
const FORGET_AFTER_MS = 7 * 86_400_000

/** The figures of one metrics object. */
export class MetricsState {
  readonly #totals = new MetricCounts()
  readonly #sources = new Map<string, SourceValues>()
  #errors: readonly SourceError[]
  /** Oldest first. The last one is of the step that the last report came in. */
  #points: readonly HistoryPoint[]

  constructor(stored: StoredMetrics | undefined, points: readonly HistoryPoint[]) {
    this.#totals.add(stored?.totals ?? [])
    for (const source of stored?.sources ?? []) this.#sources.set(source.source, source)
    this.#errors = stored?.errors ?? []
    this.#points = points
  }

  /** Returns the step that reports are being added to. Undefined before the first report. */
  point(): HistoryPoint | undefined {
    const point = this.#points.at(-1)
    if (point !== undefined) setValues(point, this.#values())
    return point
  }

  add({ deltas, detail, errors, source, values }: MetricsReport, nowMs: number): void {
    // Before the new values are set: if a step has ended, `#pointAt` stores the gauges that held in it.
    const point = this.#pointAt(nowMs)
    this.#totals.add(deltas)
    const known = values.slice(0, MAX_VALUES).filter(([name]) => isMetric(name))
    const isShown = typeof detail === 'string' && detail.length <= MAX_DETAIL_CHARS
    this.#setSource({ source, atMs: nowMs, values: known, ...(isShown ? { detail } : {}) })
    this.#errors = [...this.#errors, ...errors.map((error) => ({ ...error, source }))].slice(-MAX_ERRORS)
    addToPoint(point, deltas)
  }

  read(): MetricsSnapshot {
    return { totals: this.#totals.all(), sources: [...this.#sources.values()], errors: this.#errors }
  }

  /** Returns the steps since `sinceMs`, up to now. */
  history(sinceMs: number, nowMs: number): readonly HistoryPoint[] {
    this.point()
    return fillHistory(this.#points, sinceMs, nowMs)
  }

  /** The newest sources are last, so that the oldest is found first. */
  #setSource(reported: SourceValues): void {
    this.#sources.delete(reported.source)
    this.#sources.set(reported.source, reported)
    for (const [name, { atMs }] of this.#sources) {
      if (this.#sources.size <= MAX_SOURCES && atMs > reported.atMs - FORGET_AFTER_MS) break
      this.#sources.delete(name)
    }
  }

  #pointAt(nowMs: number): HistoryPoint {
    const atMs = stepOf(nowMs)
    const last = this.#points.at(-1)
    if (last !== undefined && last.atMs >= atMs) return last
    // Stores the gauges of the step that has ended.
    this.point()
    const point: HistoryPoint = { atMs, series: {} }
    // One step more than is shown, because its gauges fill the first shown steps.
    const oldestMs = atMs - HISTORY_STEPS * STEP_MS
    this.#points = [...this.#points.filter((known) => known.atMs >= oldestMs), point]
    return point
  }

  *#values(): Generator<MetricValue> {
    for (const { values } of this.#sources.values()) yield* values
  }
}
