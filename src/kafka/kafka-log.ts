// The port to Kafka: offset-based, so that the position belongs to whoever reads. Adapters: the embedded log, the Kafka
// protocol, REST proxies, Upstash REST. Failures that a follower must act on are values; anything else (network, bug)
// throws and is retried.
import type { LogPosition, LogRecord, NewRecord, ProducedRecord } from '../core/events/kafka-record.ts'

export interface FetchLimits {
  /** How long the log may hold the answer while there is nothing to read. */
  readonly maxWaitMs: number
  /** About how many bytes of records to answer with. One record is always answered, whatever its size. */
  readonly maxBytes: number
}

/** The life of a topic that an offset is of: a topic that is deleted and made again has another id. Null: not known. */
interface OfTopic {
  readonly topicId?: string | null
}

export type FetchPosition = LogPosition & OfTopic

export type Fetched =
  /**
   * `next`: where to read on. Behind the last record where a log has gaps (compaction, markers of transactions), so that
   * an answer without records may still move on.
   */
  | ({ readonly kind: 'records'; readonly records: readonly LogRecord[]; readonly next: number } & OfTopic)
  /** The log no longer, or not yet, has this offset, or the topic is another. `latest`: the offset that the next record will get. */
  | ({ readonly kind: 'offset_out_of_range' } & OffsetRange & OfTopic)
  | { readonly kind: 'unknown_topic_or_partition' }

export interface OffsetRange {
  readonly earliest: number
  /** The offset that the next record will get. */
  readonly latest: number
}

export interface KafkaLog {
  /** True: a produce wakes the follower by itself, so a follower at the end of the log may sleep without a timer. */
  readonly wakesFollowers: boolean
  /** The partitions of a topic, in ascending order. The embedded log creates the topic; others answer none for an unknown one. */
  partitions(topic: string): Promise<readonly number[]>
  offsets(topic: string, partition: number): Promise<OffsetRange>
  fetch(position: FetchPosition, limits: FetchLimits): Promise<Fetched>
  /** Resolves once every record is durable, with their places in the order given. */
  produce(records: readonly NewRecord[]): Promise<readonly ProducedRecord[]>
  /** Writes a position down for a consumer group, where Kafka's own tools look for lag. Only where that can be done. */
  commit?(group: string, position: LogPosition): Promise<void>
}
