// Contract of MetricsStore, the objects that hold the figures of all others: their stubs, a reporter for isolates and
// objects, and reading all of them. Figures are spread over a few objects by their source; sums are added when read.
import type { Config } from '../config/parse-config.ts'
import { shardOf } from '../core/delivery/shard-hash.ts'
import { mergeHistories, type HistoryPoint } from '../core/metrics/history.ts'
import type { MetricValue } from '../core/metrics/metric-counts.ts'
import type { MetricsSnapshot } from '../core/metrics/metrics-state.ts'
import { MetricsReporter, type Schedule } from '../core/metrics/reporter.ts'
import { objectStub } from './object-stub.ts'

/** Reports come from each shard, each partition and each isolate at most every ten seconds. */
const SHARDS_PER_STORE = 16
const MAX_STORES = 16

/** The source of reports, and its gauges. */
export interface ReporterOptions {
  /** `worker`, or the name of the object. Each name but `worker` must be of one object. */
  readonly source: string
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number
  readonly values?: () => readonly MetricValue[] | Promise<readonly MetricValue[]>
  /** JSON that the console shows; at most 4,000 characters. */
  readonly detail?: () => string | Promise<string>
}

/** Returns a reporter that reports nothing if METRICS_PUSH_SECONDS is 0. */
export function createReporter(env: Env, config: Config, options: ReporterOptions): MetricsReporter {
  const { detail, source, nowMs, values = () => [] } = options
  return new MetricsReporter({
    source,
    intervalMs: config.metricsPushMs,
    nowMs,
    values,
    ...(detail === undefined ? {} : { detail }),
    send: async (report) => storeStub(env, shardOf(source, storeCount(config))).report(report),
  })
}

/** Returns the timer of a Durable Object's reporter. It keeps the object awake until the report is sent. */
export function timerOf(object: Pick<DurableObjectState, 'waitUntil'>): Schedule {
  return (ms, report) => void setTimeout(() => object.waitUntil(report()), ms)
}

/** Returns the sum of all metrics objects. Throws if one of them does not answer. */
export async function readMetrics(env: Env, config: Config): Promise<MetricsSnapshot> {
  // RPC types turn the series, which are tuples, into lists.
  const parts = await Promise.all(
    allStores(config).map(async (store) => (await storeStub(env, store).read()) as MetricsSnapshot),
  )
  return {
    totals: parts.flatMap(({ totals }) => totals),
    sources: parts.flatMap(({ sources }) => sources),
    errors: parts.flatMap(({ errors }) => errors).toSorted((a, b) => a.atMs - b.atMs),
  }
}

/** Returns the steps of the last hour since `sinceMs`, milliseconds since the epoch. */
export async function readHistory(env: Env, config: Config, sinceMs: number): Promise<readonly HistoryPoint[]> {
  const parts = await Promise.all(allStores(config).map(async (store) => storeStub(env, store).history(sinceMs)))
  return mergeHistories(parts)
}

function allStores(config: Config): readonly number[] {
  return Array.from({ length: storeCount(config) }, (_, store) => store)
}

function storeCount({ placement, shards }: Config): number {
  const all = shards * (1 + placement.groupNumbers.length)
  return Math.min(MAX_STORES, Math.ceil(all / SHARDS_PER_STORE))
}

function storeStub(env: Env, store: number) {
  return objectStub(env, env.METRICS_STORE, `metrics-${store}`)
}
