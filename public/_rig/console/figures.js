// The figures of the last hour as the plots need them. Pure.

/** @typedef {{ sum: number, counts: number[] }} Histogram */
/** @typedef {Record<string, number | Histogram>} Series */
/** @typedef {{ atMs: number, series: Record<string, Series | undefined> }} Point */
/** @typedef {{ name: string, labels: string[], value: number }} Sample */
/** @typedef {{ source: string, atMs: number, values: Sample[], detail: FollowerDetail | null }} Source */
/** @typedef {{ code: string, reason: string, rule: string | null, offset: number, timestampMs: number }} LastLetter */
/** @typedef {{ counters: { offset: number, generation: number, records: number, deadLetters: number, lost: number } | null, lag: number | null, running: boolean, failures: number, lastError: string | null, deadLetters: { byReason: Record<string, number>, last: LastLetter | null } }} FollowerDetail */
/** @typedef {{ nowMs: number, stepMs: number, shards: number, buckets: Record<string, number[]>, history: Point[], totals: Sample[], sources: Source[], errors: { source: string, atMs: number, message: string }[] }} Figures */
/** @typedef {{ labels: string[], times: number[], lines: (number | null)[][] }} Lines */

const STEPS = 240
/** Objects report every ten seconds: a step is whole a while after its end. */
const LATE_MS = 12_000

/** The steps that came replace those that are known. @param {Point[]} known @param {Point[]} came */
export function mergeHistory(known, came) {
  const byTime = new Map([...known, ...came].map((point) => [point.atMs, point]))
  return [...byTime.values()].toSorted((a, b) => a.atMs - b.atMs).slice(-STEPS)
}

/** @param {Figures} figures */
function whole({ history, nowMs, stepMs }) {
  const done = history.filter(({ atMs }) => atMs + stepMs + LATE_MS <= nowMs)
  return done.length > 0 ? done : history
}

/** @param {readonly Point[]} points @param {string} metric */
function keysOf(points, metric) {
  return [...new Set(points.flatMap(({ series }) => Object.keys(series[metric] ?? {})))].toSorted()
}

/** @param {Point} point @param {string} metric @param {string} key */
function valueAt({ series }, metric, key) {
  const value = series[metric]?.[key]
  return typeof value === 'number' ? value : undefined
}

/** Increments as a rate per `perMs`. @param {Figures} figures @param {string} metric @param {number} perMs @returns {Lines} */
export function rates(figures, metric, perMs = 1_000) {
  const points = whole(figures)
  const keys = keysOf(points, metric)
  return {
    labels: keys,
    times: points.map(({ atMs }) => atMs / 1_000),
    lines: keys.map((key) => points.map((point) => ((valueAt(point, metric, key) ?? 0) * perMs) / figures.stepMs)),
  }
}

/** @param {Figures} figures @param {string} metric @returns {Lines} */
export function gauges({ history }, metric) {
  const keys = keysOf(history, metric)
  return {
    labels: keys,
    times: history.map(({ atMs }) => atMs / 1_000),
    lines: keys.map((key) => history.map((point) => valueAt(point, metric, key) ?? null)),
  }
}

/** What a sum grew by in each step, per `perMs`. @param {Figures} figures @param {string} metric @param {number} perMs @returns {Lines} */
export function growth(figures, metric, perMs = 60_000) {
  const sums = gauges(figures, metric)
  const lines = sums.lines.map((line) =>
    line.map((value, index) => {
      const before = line[index - 1]
      if (index === 0 || value === null) return null
      return (Math.max(0, value - (before ?? 0)) * perMs) / figures.stepMs
    }),
  )
  const growing = lines.map((line) => line.some((value) => value !== null && value > 0))
  return { ...sums, labels: sums.labels.filter((_, at) => growing[at]), lines: lines.filter((_, at) => growing[at]) }
}

/** @param {Figures} figures @param {string} metric @returns {Lines} */
export function percentiles(figures, metric) {
  const points = whole(figures)
  const bounds = figures.buckets[metric] ?? []
  const at = (/** @type {number} */ q) => points.map(({ series }) => quantile(q, bounds, sumOf(series[metric] ?? {})))
  return { labels: ['p50', 'p99'], times: points.map(({ atMs }) => atMs / 1_000), lines: [at(0.5), at(0.99)] }
}

/** @param {Series} series */
function sumOf(series) {
  /** @type {number[]} */
  const counts = []
  for (const value of Object.values(series)) {
    if (typeof value !== 'number')
      for (const [at, count] of value.counts.entries()) counts[at] = (counts[at] ?? 0) + count
  }
  return counts
}

/**
 * As Prometheus' histogram_quantile: linear within a bucket. Null without a value.
 * @param {number} q @param {readonly number[]} bounds @param {readonly number[]} counts
 */
export function quantile(q, bounds, counts) {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  let seen = 0
  for (const [index, count] of counts.entries()) {
    if (seen + count < q * total) {
      seen += count
      continue
    }
    const upper = bounds[index]
    const lower = bounds[index - 1] ?? 0
    return upper === undefined ? (bounds.at(-1) ?? null) : lower + ((upper - lower) * (q * total - seen)) / count
  }
  return bounds.at(-1) ?? null
}

/** @param {readonly Lines[]} all @param {readonly string[]} names @returns {Lines} */
export function together(all, names) {
  return {
    labels: all.flatMap(({ labels }, index) => labels.map((label) => label || (names[index] ?? ''))),
    times: all[0]?.times ?? [],
    lines: all.flatMap(({ lines }) => lines),
  }
}

/** The values of a gauge, of all sources. @param {Figures} figures @param {string} name */
export function samples({ sources }, name) {
  return sources.flatMap(({ atMs, source, values }) =>
    values.filter((value) => value.name === name).map((value) => ({ ...value, source, atMs })),
  )
}
