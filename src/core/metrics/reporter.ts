// Counts in memory and reports the changes at most once per interval, and only after activity: a timer of an idle
// object would keep it awake. The first report after a pause is sent after SETTLE_MS. Used by isolates of the Worker
// and by Durable Objects. Pure: clock, timer and call are dependencies.
import { MetricCounts, type MetricDelta, type MetricValue } from './metric-counts.ts'

/** An error that operators see in the console. */
export interface ReportedError {
  /** Milliseconds since the epoch. */
  readonly atMs: number
  readonly message: string
}

/** A report of one isolate or object. */
export interface MetricsReport {
  /** `worker` for isolates, otherwise the object: `shard 3`, `rig/0`. */
  readonly source: string
  /** Increments since its last report. */
  readonly deltas: readonly MetricDelta[]
  /** Replace the values of its last report. */
  readonly values: readonly MetricValue[]
  readonly errors: readonly ReportedError[]
  /** Further data of the object that the console shows, as JSON. Null: none. */
  readonly detail: string | null
}

/** Dependencies of a reporter. */
export interface ReporterDeps {
  readonly source: string
  /** 0: nothing is reported. */
  readonly intervalMs: number
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number
  /** Gauges, read when a report is sent. */
  readonly values: () => readonly MetricValue[] | Promise<readonly MetricValue[]>
  /** Called after `values`. Absent: reports have no detail. */
  readonly detail?: () => string | Promise<string>
  readonly send: (report: MetricsReport) => Promise<void>
}

/** Runs `act` after `ms`. */
export type Schedule = (ms: number, act: () => Promise<void>) => void

/** A first report waits this long, so that it contains the whole of a short activity. */
const SETTLE_MS = 1_000

/**
 * A report that is overdue by this long is lost, because the platform ended its request. The next activity schedules
 * one.
 */
const GIVE_UP_MS = 5_000

const MAX_ERRORS = 20
const MAX_ERROR_CHARS = 500

/** Counts for one isolate or object, and reports. */
export class MetricsReporter {
  readonly counts = new MetricCounts()
  readonly #deps: ReporterDeps
  #errors: readonly ReportedError[] = []
  /** The time until which a scheduled report is expected, in milliseconds since the epoch. 0: none is scheduled. */
  #expectedMs = 0
  #sentMs = -Infinity

  constructor(deps: ReporterDeps) {
    this.#deps = deps
  }

  /** Call after counting, or after a value has changed. Costs two comparisons if a report is scheduled. */
  touch(schedule: Schedule): void {
    const { intervalMs, nowMs } = this.#deps
    if (intervalMs === 0) return
    const now = nowMs()
    if (now < this.#expectedMs) return
    const waitMs = Math.max(Math.min(SETTLE_MS, intervalMs), this.#sentMs + intervalMs - now)
    this.#expectedMs = now + waitMs + GIVE_UP_MS
    schedule(waitMs, () => this.#report())
  }

  /** Keeps an error for the next report. `where` is a label, so it must be one of a few constant words. */
  failed(where: string, message: string): void {
    this.counts.count('rigel_errors_total', [where])
    const error = { atMs: this.#deps.nowMs(), message: message.slice(0, MAX_ERROR_CHARS) }
    this.#errors = [...this.#errors, error].slice(-MAX_ERRORS)
  }

  /** Never rejects. The next report contains what could not be sent. */
  async #report(): Promise<void> {
    const { detail, nowMs, send, source, values } = this.#deps
    const read = await readOr(values, [])
    const shown = await readOr(detail ?? (() => null), null)
    // No await from here to the call, so that no count is lost between `take` and `send`.
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

/** A failure to read values or detail must not prevent the report of counters. */
async function readOr<T>(read: () => T | Promise<T>, instead: T): Promise<T> {
  try {
    return await read()
  } catch {
    return instead
  }
}
