// The port to a log of records. Fetches name an offset, so the reader keeps its own position. Adapters: the embedded
// log, the Kafka protocol, REST proxies, Upstash REST. Failures that a follower handles are values. Network failures
// throw, and the follower retries.
import type { LogPosition, LogRecord, NewRecord, ProducedRecord } from '../core/events/kafka-record.ts'

/** Limits of one fetch. */
export interface FetchLimits {
  /** Milliseconds that the log may wait for a record if there is none. */
  readonly maxWaitMs: number
  /** Approximate bytes of records to return. At least one record is returned, whatever its size. */
  readonly maxBytes: number
}

/**
 * Identifies one incarnation of a topic: a topic that is deleted and created again gets a new id (KIP-516). Null if
 * unknown.
 */
interface TopicIdentity {
  readonly topicId?: string | null
}

/**
 * Where to fetch from. With `topicId`, the log reports a recreated topic as out of range. `cursor` is the element of
 * the last fetch's `cursors` for this offset.
 */
export type FetchPosition = LogPosition & TopicIdentity & { readonly cursor?: string | null }

/** Result of a fetch. */
export type Fetched =
  /**
   * `next` is the offset of the next fetch. It may be more than one past the last record (compaction, transaction
   * markers), and may advance although there are no records.
   */
  | ({
      readonly kind: 'records'
      readonly records: readonly LogRecord[]
      readonly next: number
      /**
       * Only for logs that do not number their records: the log's cursor for each offset after the fetched one, up to
       * and including `next`.
       */
      readonly cursors?: readonly (string | null)[]
    } & TopicIdentity)
  /** The offset was deleted by retention, does not exist yet, or belongs to a deleted topic of the same name. */
  | ({ readonly kind: 'offset_out_of_range' } & OffsetRange & TopicIdentity)
  | { readonly kind: 'unknown_topic_or_partition' }
  /** The partition has ended and everything was read. The partitions `successors` continue it. */
  | { readonly kind: 'ended'; readonly successors: readonly number[] }

/** The offsets that a partition holds: `earliest` inclusive, `latest` exclusive. */
export interface OffsetRange {
  readonly earliest: number
  /** The offset that the next record will get. */
  readonly latest: number
}

/** A log with topics and partitions. Every method throws when the log cannot be reached. */
export interface KafkaLog {
  /** Whether producing wakes the follower, which can then sleep at the end of the log without a timer. */
  readonly wakesFollowers: boolean
  /** False: the reader counts offsets, so the offset of a partition's end is not known. True if absent. */
  readonly numbersRecords?: boolean
  /**
   * Returns the partitions of a topic in ascending order. The embedded log creates the topic; others return none if it
   * does not exist.
   */
  partitions(topic: string): Promise<readonly number[]>
  /** Returns the names of all topics, also internal ones. Absent where topics are not to be found by patterns. */
  topics?(): Promise<readonly string[]>
  /** Returns the range of a partition. Throws if it does not exist. */
  offsets(topic: string, partition: number): Promise<OffsetRange>
  /** Returns records from `position` on, in offset order. */
  fetch(position: FetchPosition, limits: FetchLimits): Promise<Fetched>
  /** Resolves once every record is durable, with their positions in the order given. */
  produce(records: readonly NewRecord[]): Promise<readonly ProducedRecord[]>
  /** Commits an offset for a consumer group, so that Kafka's tools show the lag. Absent where the log has no groups. */
  commit?(group: string, position: LogPosition): Promise<void>
}
