// The records that wait for one partition, and how batches are taken of them and settled. Pure. Used by producer.ts and
// batch-sender.ts.
import type { NewRecord, ProducedRecord } from '../../core/events/kafka-record.ts'
import type { ProducedPartition } from './api/produce.ts'
import { ConnectionError } from './errors.ts'

/** Below the brokers' default limit of 1 MiB. A larger record is sent alone, and the broker decides. */
const MAX_BATCH_BYTES = 900_000

/** Counted from the call. After it the caller gets an error, and the outcome is unknown. */
export const DELIVERY_TIMEOUT_MS = 25_000

/** Sequences wrap around at 2^31 (KIP-98). */
const SEQUENCES = 2 ** 31
const NO_OFFSET = -1

/** A record with its timestamp set. */
export type StampedRecord = NewRecord & { readonly timestampMs: number }

/** A record, and the call that waits for it. */
export interface QueuedRecord {
  readonly record: StampedRecord
  readonly bytes: number
  readonly sinceMs: number
  readonly resolve: (place: ProducedRecord) => void
  readonly reject: (error: unknown) => void
}

/** Producer id and epoch. Without an id the broker cannot recognise a batch that is sent again. */
export interface ProducerIdentity {
  readonly producerId: number
  readonly epoch: number
}

/** What waits for one partition, and what the broker knows its producer by. */
export interface PartitionQueue {
  readonly topic: string
  readonly partition: number
  readonly queued: QueuedRecord[]
  isSending: boolean
  identity: ProducerIdentity | null
  /** Sequence of the next record. */
  sequence: number
}

/** Returns the sequence after `count` more records. */
export function nextSequence(sequence: number, count: number): number {
  return (sequence + count) % SEQUENCES
}

/** Returns an empty queue, for which no producer id was asked yet. */
export function createQueue(topic: string, partition: number): PartitionQueue {
  return { topic, partition, queued: [], isSending: false, identity: null, sequence: 0 }
}

/** Takes the first records, as many as one batch may have. */
export function takeBatch(waiting: QueuedRecord[]): readonly QueuedRecord[] {
  let bytes = 0
  const end = waiting.findIndex((entry, index) => {
    bytes += entry.bytes
    return index > 0 && bytes > MAX_BATCH_BYTES
  })
  return waiting.splice(0, end === -1 ? waiting.length : end)
}

/**
 * Resolves the records of a batch. A broker that recognises a resent batch may no longer know its offset, which is
 * then −1.
 */
export function settle(
  { topic, partition }: PartitionQueue,
  entries: readonly QueuedRecord[],
  stored: ProducedPartition,
): void {
  for (const [index, { record, resolve }] of entries.entries()) {
    const timestampMs = stored.appendTimeMs >= 0 ? stored.appendTimeMs : record.timestampMs
    const offset = stored.baseOffset < 0 ? NO_OFFSET : stored.baseOffset + index
    resolve({ topic, partition, offset, timestampMs })
  }
}

/** Rejects records whose deadline passed while they were queued. They were never sent. */
export function rejectExpired({ partition, queued, topic }: PartitionQueue, nowMs: number): void {
  const oldestMs = nowMs - DELIVERY_TIMEOUT_MS
  const inTime = queued.findIndex(({ sinceMs }) => sinceMs >= oldestMs)
  const error = new ConnectionError(
    `Kafka: producing to ${topic}/${partition}: waited for ${DELIVERY_TIMEOUT_MS} ms and was not sent`,
  )
  for (const { reject } of queued.splice(0, inTime === -1 ? queued.length : inTime)) reject(error)
}
