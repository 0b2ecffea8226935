// The types that a Kafka log is made of: partitions, positions and records. Used by the KafkaLog port, its adapters and
// the follower.

/** One partition of one topic. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/**
 * Returns `topic/partition`, which is unique because a topic's name has no slash: the name of Durable Objects and map
 * keys.
 */
export function partitionName({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

/** A place in a partition: the offset of the next record to read. */
export interface LogPosition extends TopicPartition {
  readonly offset: number
}

/** A header of a Kafka record (KIP-82). A record can have several headers with the same key. */
export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array
}

/** One Kafka record, as fetched. `timestampMs` is milliseconds since the epoch; a null `value` is a tombstone. */
export interface LogRecord extends LogPosition {
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly headers: readonly RecordHeader[]
  readonly value: Uint8Array | null
}

/** A record to be produced. Without `partition`: by key (Kafka's murmur2), without key: any. */
export interface NewRecord {
  readonly topic: string
  readonly partition?: number
  readonly timestampMs?: number
  readonly key?: Uint8Array | null
  readonly headers?: readonly RecordHeader[]
  readonly value: Uint8Array | null
  /**
   * A log that can remember keys stores a record with one that it knows no second time. The record must then choose the
   * same partition every time, by `key`. The embedded log can, and Rigel's producers in front of brokers; others store it
   * as any record.
   */
  readonly idempotencyKey?: string
}

/** The approximate overhead of a record besides key, headers and value. */
const RECORD_OVERHEAD_BYTES = 64

/**
 * Returns about how many bytes a record takes in a produce request, rounded up: a code unit of a header's name counts
 * as three bytes.
 */
export function sizeOfRecord({ key, value, headers = [] }: NewRecord): number {
  const inHeaders = headers.reduce((sum, header) => sum + header.key.length * 3 + header.value.length, 0)
  return RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0) + inHeaders
}

/** Where the broker put a produced record. */
export interface ProducedRecord extends LogPosition {
  readonly timestampMs: number
  /** Its idempotency key was known: this is the place of the first one, and nothing was stored. */
  readonly duplicate?: true
}
