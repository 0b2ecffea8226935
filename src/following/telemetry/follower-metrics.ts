// The metrics of a follower: RIG's counter of consumed events, processing times, and the position. Used by
// TopicFollower and the embedded log's partition. Costs a few additions per batch, and one per record.
import { partitionName, type LogRecord, type TopicPartition } from '../../core/events/kafka-record.ts'
import { sourceOf } from '../../core/events/topic-source.ts'
import type { MetricValue } from '../../core/metrics/metric-counts.ts'
import type { MetricsReporter, Schedule } from '../../core/metrics/reporter.ts'
import type { Config } from '../../config/parse-config.ts'
import { createReporter } from '../../rpc/metrics.ts'
import type { FollowerStatus } from '../../rpc/follower.ts'

/** A batch that every shard has confirmed. Times are milliseconds since the epoch. */
export interface ConsumedBatch {
  readonly records: readonly LogRecord[]
  readonly deadLetters: number
  readonly fetchedMs: number
  readonly nowMs: number
}

export interface FollowerMetricsOptions {
  readonly env: Env
  readonly config: Config
  readonly at: TopicPartition
  readonly status: () => FollowerStatus | Promise<FollowerStatus>
  readonly nowMs: () => number
  readonly schedule: Schedule
}

export function createFollowerMetrics(options: FollowerMetricsOptions): FollowerMetrics {
  const { at, config, env, nowMs, schedule, status } = options
  let last: FollowerStatus | undefined
  const values = async () => toMetricValues(at, (last = await status()))
  // The reporter calls `values` first. The status is reused, because the lag of a remote log costs a call.
  const detail = () => JSON.stringify({ ...last, interest: null })
  const reporter = createReporter(env, config, { source: partitionName(at), nowMs, values, detail })
  return new FollowerMetrics(reporter, at.topic, () => reporter.touch(schedule))
}

export class FollowerMetrics {
  readonly #reporter: MetricsReporter
  readonly #topic: string
  readonly #touch: () => void

  constructor(reporter: MetricsReporter, topic: string, touch: () => void) {
    this.#reporter = reporter
    this.#topic = topic
    this.#touch = touch
  }

  consumed({ deadLetters, fetchedMs, nowMs, records }: ConsumedBatch): void {
    if (records.length === 0) return
    const { counts } = this.#reporter
    // RIG's names of the sources. The embedded log counts as Kafka.
    const labels = [sourceOf(this.#topic).kind, this.#topic]
    counts.count('rig_consumed_events_total', labels, records.length)
    if (deadLetters > 0) counts.count('rig_consumed_events_failed_total', labels, deadLetters)
    const processing = 'rig_consumed_event_processing_duration_milliseconds'
    counts.observe(processing, labels, Math.max(0, nowMs - fetchedMs), records.length)
    for (const [timestampMs, times] of countByTimestamp(records)) {
      const seconds = Math.max(0, nowMs - timestampMs) / 1_000
      counts.observe('rigel_produce_to_receive_seconds', [this.#topic], seconds, times)
    }
    this.#touch()
  }

  failed(message: string): void {
    this.#reporter.failed('follower', message)
    this.#touch()
  }
}

/** Timestamp → number of records. In a backlog many records have the same. A record without a timestamp has -1. */
function countByTimestamp(records: readonly LogRecord[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>()
  for (const { timestampMs } of records) {
    if (timestampMs >= 0) counts.set(timestampMs, (counts.get(timestampMs) ?? 0) + 1)
  }
  return counts
}

/** Returns a follower's status as metrics. An unknown lag has no sample. */
function toMetricValues(
  { topic, partition }: TopicPartition,
  { counters, deadLetters, failures, lag }: FollowerStatus,
): readonly MetricValue[] {
  const at = [topic, String(partition)]
  const values: MetricValue[] = [['rigel_follower_failures', at, failures]]
  if (lag !== null) values.push(['rigel_follower_lag', at, lag])
  if (counters === null) return values
  values.push(
    ['rigel_records_total', at, counters.records],
    ['rigel_lost_records_total', at, counters.lost],
    ['rigel_dropped_records_total', at, counters.dropped],
  )
  return [...values, ...deadLetterValues(at, counters.deadLetters, deadLetters.byReason)]
}

/**
 * One value per reason. Dead letters that an older version counted are `unknown`. Without any it is one zero, for
 * alerts.
 */
function deadLetterValues(
  at: readonly string[],
  total: number,
  byReason: Readonly<Record<string, number>>,
): readonly MetricValue[] {
  const reasons = Object.entries(byReason)
  const unknown = total - reasons.reduce((sum, [, count]) => sum + count, 0)
  const all = reasons.length === 0 || unknown > 0 ? [...reasons, ['unknown', unknown] as const] : reasons
  return all.map(([reason, value]) => ['rigel_dead_letters_total', [...at, reason], value])
}
