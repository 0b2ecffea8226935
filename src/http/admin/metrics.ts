// GET /_rig/api/metrics: the figures of the metrics objects in Prometheus' text format. A scrape calls no shard and no
// follower, so it wakes none. `rigel_report_age_seconds` has the age of the figures.
import type { Context } from 'hono'
import { toPrometheus } from '../../core/metrics/exposition.ts'
import { openShards } from '../../core/shard-map/shard-map.ts'
import type { MetricValue } from '../../core/metrics/metric-counts.ts'
import type { SourceValues } from '../../core/metrics/metrics-state.ts'
import { readMetrics } from '../../rpc/metrics.ts'
import type { HttpEnv } from '../worker-context.ts'

export async function metrics(c: Context<HttpEnv>): Promise<Response> {
  const { config } = c.var
  const { sources, totals } = await readMetrics(c.env, config)
  const values = sources.flatMap((source) => source.values)
  const own: MetricValue[] = [['rigel_shards', [], openShards(c.var.shardMap.map)], ...sources.map(toAge)]
  return c.text(toPrometheus([...totals, ...values, ...own]), 200, {
    'content-type': 'text/plain; version=0.0.4; charset=utf-8',
  })
}

function toAge({ atMs, source }: SourceValues): MetricValue {
  return ['rigel_report_age_seconds', [source], Math.max(0, Date.now() - atMs) / 1_000]
}
