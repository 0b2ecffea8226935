// MetricsStore: the Durable Object that sums the reports of isolates and other objects, and keeps the last hour.
// Scrapes and the console read only these objects, so they wake no others. State is stored at most every ten seconds
// while reports arrive; a crash loses what came since. Called through rpc/metrics.ts.
import { logIncident } from '../../telemetry/incident-log.ts'
import { DurableObject } from 'cloudflare:workers'
import { HISTORY_STEPS, STEP_MS, type HistoryPoint } from '../../core/metrics/history.ts'
import { MetricsState, type MetricsSnapshot, type StoredMetrics } from '../../core/metrics/metrics-state.ts'
import type { MetricsReport } from '../../core/metrics/reporter.ts'

const STORE_EVERY_MS = 10_000

export class MetricsStore extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql
  readonly #state = this.#load()
  #storedMs = -Infinity
  #timer: ReturnType<typeof setTimeout> | undefined

  report(report: MetricsReport): void {
    const nowMs = Date.now()
    this.#state.add(report, nowMs)
    if (this.#timer !== undefined) return
    const waitMs = this.#storedMs + STORE_EVERY_MS - nowMs
    if (waitMs <= 0) return this.#store()
    // Only a report sets the timer, so an idle object has none and can hibernate.
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#store()
    }, waitMs)
  }

  read(): MetricsSnapshot {
    return this.#state.read()
  }

  history(sinceMs: number): readonly HistoryPoint[] {
    return this.#state.history(sinceMs, Date.now())
  }

  #load(): MetricsState {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS metrics (id INTEGER PRIMARY KEY, state TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS history (slot INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, point TEXT NOT NULL);
    `)
    const [row] = this.#sql.exec<{ state: string }>('SELECT state FROM metrics').toArray()
    const points = this.#sql.exec<{ point: string }>('SELECT point FROM history ORDER BY at_ms').toArray()
    return new MetricsState(
      row === undefined ? undefined : (JSON.parse(row.state) as StoredMetrics),
      points.map(({ point }) => JSON.parse(point) as HistoryPoint),
    )
  }

  /**
   * Writes two rows: the sums, and the current step, which replaces the row of an hour ago. Deleting a row would be
   * billed.
   */
  #store(): void {
    this.#storedMs = Date.now()
    const state = JSON.stringify(this.#state.read())
    const point = this.#state.point()
    try {
      this.ctx.storage.transactionSync(() => {
        this.#sql.exec('INSERT OR REPLACE INTO metrics VALUES (0, ?)', state)
        if (point === undefined) return
        const slot = (point.atMs / STEP_MS) % (HISTORY_STEPS + 1)
        this.#sql.exec('INSERT OR REPLACE INTO history VALUES (?, ?, ?)', slot, point.atMs, JSON.stringify(point))
      })
    } catch (error) {
      logIncident('figures could not be stored', {}, { bytes: state.length, error: String(error) })
    }
  }
}
