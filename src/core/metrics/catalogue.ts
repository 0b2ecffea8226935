// The table of all metrics: name, kind, help text, labels and buckets. The first group has RIG's names and labels
// (docs/metrics-details.md of RIG), so that dashboards of RIG work.

/** One family of series. Label values come in the order of `labels`. */
export interface MetricSpec {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds of a histogram, inclusive, ascending. Larger values are counted in a last bucket without a bound. */
  readonly buckets?: readonly number[]
}

/** RIG's buckets. */
const PROCESSING_MS = [1, 2, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000]
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

function counter(help: string, ...labels: string[]): MetricSpec {
  return { kind: 'counter', help, labels }
}

function gauge(help: string, ...labels: string[]): MetricSpec {
  return { kind: 'gauge', help, labels }
}

function histogram(help: string, buckets: readonly number[], ...labels: string[]): MetricSpec {
  return { kind: 'histogram', help, labels, buckets }
}

/** All metrics by name. */
export const METRICS = {
  rig_proxy_requests_total: counter(
    'Proxied requests; path is the pattern of the route',
    'method',
    'path',
    'target',
    'response_from',
    'status',
  ),
  rig_consumed_events_total: counter('Records read from source topics', 'source', 'topic'),
  rig_consumed_events_failed_total: counter('Records that became dead letters', 'source', 'topic'),
  rig_consumed_events_forwarded_total: counter(
    'Events that went to at least one connection, once for each shard',
    'type',
  ),
  rig_consumed_event_processing_duration_milliseconds: histogram(
    'Time from fetching a record until every shard has stored and delivered it',
    PROCESSING_MS,
    'source',
    'topic',
  ),
  rig_produced_events_total: counter('Records produced to the log', 'target', 'topic'),
  rig_produced_events_failed_total: counter('Records that could not be produced', 'target', 'topic'),
  rig_subscriptions_total: gauge('Subscriptions of open connections'),
  rig_distributed_set_items_total: counter('Sessions that were revoked', 'name'),
  rig_distributed_set_items_current: gauge('Sessions that are revoked', 'name'),

  rigel_shards: gauge('Configured shards'),
  rigel_connections: gauge('Open connections', 'shard', 'transport'),
  rigel_connections_opened_total: counter('Connections that were opened', 'transport'),
  rigel_connections_ended_total: counter(
    'Connections that ended, by the reason why Rigel ended them; client: the client left',
    'transport',
    'reason',
  ),
  rigel_refusals_total: counter('Connections and publishes that were refused', 'reason'),
  rigel_appended_events_total: counter('Events stored in the logs of shards', 'shard'),
  rigel_delivered_events_total: counter('Events written to connections, once for each connection', 'shard'),
  rigel_log_bytes: gauge("Bytes in the shard's log", 'shard'),
  rigel_log_head: gauge("Sequence number of the newest event in the shard's log", 'shard'),
  rigel_log_floor: gauge("Sequence number of the newest event that the shard's log has dropped", 'shard'),
  rigel_append_seconds: histogram('Time until a shard has stored a batch durably', SECONDS),
  rigel_produce_to_receive_seconds: histogram(
    'Time from the timestamp of a record until it was delivered to connections',
    SECONDS,
    'topic',
  ),
  rigel_proxy_responses_total: counter('Responses to proxied requests', 'api', 'code'),
  rigel_proxy_duration_seconds: histogram('Time until the response to a proxied request began', SECONDS, 'api'),
  rigel_follower_lag: gauge('Records in the log that the follower has not read', 'topic', 'partition'),
  rigel_follower_failures: gauge('Failed attempts in a row', 'topic', 'partition'),
  rigel_records_total: counter('Records read from the log since the follower first started', 'topic', 'partition'),
  rigel_dead_letters_total: counter('Records that went to the dead-letter topic', 'topic', 'partition', 'reason'),
  rigel_dropped_records_total: counter(
    'Records that a rule of TOPICS dropped, by its filter or as tombstones',
    'topic',
    'partition',
  ),
  rigel_lost_records_total: counter('Records that retention removed before they were read', 'topic', 'partition'),
  rigel_errors_total: counter('Errors that were logged', 'where'),
  rigel_report_age_seconds: gauge('Time since an object last reported its figures', 'source'),
} satisfies Record<string, MetricSpec>

/** The name of a metric. */
export type MetricName = keyof typeof METRICS

/** The label `name` of RIG's only distributed set. */
export const BLACKLIST = 'Elixir.SessionBlacklist'

/** Returns whether this version of Rigel has the metric: a report may come from another version. */
export function isMetric(name: string): name is MetricName {
  return Object.hasOwn(METRICS, name)
}

/** Returns the spec of a metric. */
export function specOf(name: MetricName): MetricSpec {
  return METRICS[name]
}
