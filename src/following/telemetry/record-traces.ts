// The spans of a follower: one for each sampled record, from its fetch until every shard has stored and delivered it. The parent
// is the record's header `traceparent`, as OpenTelemetry's Kafka clients write it, or else the event's extension of that name.
// Rigel starts no trace at a record. Used by both objects that follow partitions.
import type { LogRecord, TopicPartition } from '../../core/events/kafka-record.ts'
import type { CloudEvent } from '../../core/events/stored-event.ts'
import { sourceOf } from '../../core/events/topic-source.ts'
import { headerText } from '../../decoding/record-headers.ts'
import { continuedTrace, type Trace } from '../../telemetry/trace-context.ts'
import type { Tracer } from '../../telemetry/tracer.ts'

/** A fetch may have thousands of records. */
const MAX_SPANS_PER_BATCH = 200

interface Traced {
  readonly trace: Trace
  readonly offset: number
  readonly event: Pick<CloudEvent, 'id' | 'type'>
}

export class RecordTraces {
  readonly #tracer: Tracer
  readonly #at: TopicPartition
  /** The sampled records of the batch under way. */
  #traced: Traced[] = []

  constructor(tracer: Tracer, at: TopicPartition) {
    this.#tracer = tracer
    this.#at = at
  }

  /** A batch is planned. What is left of one that failed is fetched again. */
  begin(): void {
    this.#traced = []
  }

  /** A record of the batch was decoded. */
  decoded(record: LogRecord, event: CloudEvent): void {
    if (this.#traced.length >= MAX_SPANS_PER_BATCH) return
    const given =
      headerText(record, 'traceparent') ?? headerText(record, 'ce_traceparent') ?? event.parsed['traceparent']
    if (typeof given !== 'string') return
    const state = headerText(record, 'tracestate') ?? headerText(record, 'ce_tracestate') ?? null
    const trace = continuedTrace(given, state)
    if (trace?.isSampled === true) this.#traced.push({ trace, offset: record.offset, event })
  }

  /** Every shard has confirmed the batch. Times are milliseconds since the epoch. */
  end(startMs: number, endMs: number): void {
    const { kind, name } = sourceOf(this.#at.topic)
    for (const { event, offset, trace } of this.#traced) {
      const attributes = {
        'messaging.system': kind,
        'messaging.operation.type': 'process',
        'messaging.destination.name': name,
        'messaging.destination.partition.id': String(this.#at.partition),
        'messaging.kafka.offset': offset,
        'cloudevents.event_id': event.id,
        'cloudevents.event_type': event.type,
      }
      this.#tracer.record({ trace, name: `process ${name}`, kind: 'consumer', startMs, endMs, attributes, error: null })
    }
    this.#traced = []
  }
}
