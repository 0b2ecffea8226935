// Counts in memory, and reports what has changed since the last report: at most once an interval, and only after
// activity, so that nothing idle has a timer. The first report after a pause comes soon. Used by isolates of the Worker and
// by Durable Objects. Pure: clock, timer and call are dependencies.
import { MetricCounts, type MetricDelta, type MetricValue } from './metric-counts.ts'

/** An error, as an operator sees it. */
export interface ReportedError {
  /** Milliseconds since the epoch. */
  readonly atMs: number
  readonly message: string
}

/** What one isolate or object reports. */
export interface MetricsReport {
  /** `worker` for isolates, otherwise the object: `shard 3`, `rig/0`. */
  readonly source: string
  /** Increments since its last report. */
  readonly deltas: readonly MetricDelta[]
  /** Replace those of its last report. */
  readonly values: readonly MetricValue[]
  readonly errors: readonly ReportedError[]
  /** What the console shows of the object beside its figures, as JSON. Null: nothing. */
  readonly detail: string | null
}

/** What a reporter needs from outside. */
export interface ReporterDeps {
  readonly source: string
  /** 0: nothing is reported. */
  readonly intervalMs: number
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number
  /** Gauges, read when a report is sent. */
  readonly values: () => readonly MetricValue[] | Promise<readonly MetricValue[]>
  /** Read after the values. Absent: there is none. */
  readonly detail?: () => string | Promise<string>
  readonly send: (report: MetricsReport) => Promise<void>
}

/** Runs `act` after `ms`. */
export type Schedule = (ms: number, act: () => Promise<void>) => void

/** A report waits this long for more of the same activity. */
const SETTLE_MS = 1_000

/** A report that was due this long ago never comes: its request was ended. The next activity schedules another one. */
const GIVE_UP_MS = 5_000

const MAX_ERRORS = 20
const MAX_ERROR_CHARS = 500

/** Counts for one isolate or object, and reports. */
export class MetricsReporter {
  readonly counts = new MetricCounts()
  readonly #deps: ReporterDeps
  #errors: readonly ReportedError[] = []
  /** Until then a scheduled report is waited for. 0: none is scheduled. */
  #expectedMs = 0
  #sentMs = -Infinity

  constructor(deps: ReporterDeps) {
    this.#deps = deps
  }

  /** Something was counted, or a value has changed. Costs two comparisons if a report is scheduled. */
  touch(schedule: Schedule): void {
    const { intervalMs, nowMs } = this.#deps
    if (intervalMs === 0) return
    const now = nowMs()
    if (now < this.#expectedMs) return
    const waitMs = Math.max(Math.min(SETTLE_MS, intervalMs), this.#sentMs + intervalMs - now)
    this.#expectedMs = now + waitMs + GIVE_UP_MS
    schedule(waitMs, () => this.#report())
  }

  /** Keeps an error for the next report. `where` is a label: one of few words. */
  failed(where: string, message: string): void {
    this.counts.count('rigel_errors_total', [where])
    const error = { atMs: this.#deps.nowMs(), message: message.slice(0, MAX_ERROR_CHARS) }
    this.#errors = [...this.#errors, error].slice(-MAX_ERRORS)
  }

  /** Never rejects. What could not be sent comes with the next report. */
  async #report(): Promise<void> {
    const { detail, nowMs, send, source, values } = this.#deps
    const read = await readOr(values, [])
    const shown = await readOr(detail ?? (() => null), null)
    // From here to the call nothing is awaited: what is counted later comes with the next report.
    this.#expectedMs = 0
    this.#sentMs = nowMs()
    const deltas = this.counts.take()
    const errors = this.#errors
    this.#errors = []
    try {
      await send({ source, deltas, values: read, errors, detail: shown })
    } catch {
      this.counts.add(deltas)
      this.#errors = [...errors, ...this.#errors].slice(-MAX_ERRORS)
    }
  }
}

/** What cannot be read is left out: counters are not. */
async function readOr<T>(read: () => T | Promise<T>, instead: T): Promise<T> {
  try {
    return await read()
  } catch {
    return instead
  }
}
