// What a shard counts of itself: appends, deliveries, connections that open, end or are refused. Per event it costs an
// addition, and a lookup by type. Reported by UserShard.
import type { AppendBatch } from '../../core/delivery/batch-codec.ts'
import type { RigelError } from '../../core/errors.ts'
import type { StoredEvent } from '../../core/events/stored-event.ts'
import type { MetricValue } from '../../core/metrics/metric-counts.ts'
import type { ConnectionRegistry } from './connections/connection-registry.ts'
import type { ConnectionState } from './connections/connection-state.ts'
import type { LogStore } from './log/log-store.ts'
import type { ShardContext } from './shard-context.ts'

export class ShardMetrics {
  readonly #context: Pick<ShardContext, 'metrics' | 'shard'>
  /** Type → events that went to connections, since the last report. Types that are delivered are bounded by those subscribed. */
  readonly #forwarded = new Map<string, number>()
  #delivered = 0

  constructor(context: Pick<ShardContext, 'metrics' | 'shard'>) {
    this.#context = context
  }

  appended(batches: readonly AppendBatch[], ms: number): void {
    const { counts, touch } = this.#context.metrics
    let events = 0
    for (const { packs } of batches) for (const { count } of packs) events += count
    counts.count('rigel_appended_events_total', [this.#shard], events)
    counts.observe('rigel_append_seconds', [], ms / 1_000)
    touch()
  }

  /** Rigel's own events are not counted. */
  matched({ connectionId, type }: StoredEvent, connections: number): void {
    if (connections === 0 || connectionId !== null) return
    this.#delivered += connections
    this.#forwarded.set(type, (this.#forwarded.get(type) ?? 0) + 1)
  }

  opened({ transport }: ConnectionState): void {
    this.#context.metrics.counts.count('rigel_connections_opened_total', [transport])
    this.#context.metrics.touch()
  }

  /** `reason` is null if the client has left. */
  ended({ transport }: ConnectionState, reason: RigelError | null): void {
    this.#context.metrics.counts.count('rigel_connections_ended_total', [transport, reason?.kind ?? 'client'])
    this.#context.metrics.touch()
  }

  refused({ kind }: RigelError): void {
    this.#context.metrics.counts.count('rigel_refusals_total', [kind])
    this.#context.metrics.touch()
  }

  /** Returns the gauges, and counts what was delivered. Called when a report is sent: visits every connection. */
  values(connections: ConnectionRegistry, log: LogStore): readonly MetricValue[] {
    this.#countDelivered()
    const byTransport = new Map<string, number>()
    let subscriptions = 0
    for (const { filter, state } of connections.all()) {
      byTransport.set(state.transport, (byTransport.get(state.transport) ?? 0) + 1)
      subscriptions += filter.byType.size
    }
    return [
      ...[...byTransport].map(([transport, count]): MetricValue => [
        'rigel_connections',
        [this.#shard, transport],
        count,
      ]),
      ['rig_subscriptions_total', [], subscriptions],
      ['rigel_log_bytes', [this.#shard], log.bytes],
      ['rigel_log_head', [this.#shard], log.head],
      ['rigel_log_floor', [this.#shard], log.floor],
    ]
  }

  #countDelivered(): void {
    const { counts } = this.#context.metrics
    if (this.#delivered === 0) return
    counts.count('rigel_delivered_events_total', [this.#shard], this.#delivered)
    for (const [type, events] of this.#forwarded) counts.count('rig_consumed_events_forwarded_total', [type], events)
    this.#delivered = 0
    this.#forwarded.clear()
  }

  get #shard(): string {
    return String(this.#context.shard)
  }
}
