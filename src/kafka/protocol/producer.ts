// The idempotent producer (KIP-98). Each partition has one batch in flight; records that arrive meanwhile form the next one,
// which keeps their order and makes batches larger under load. A batch is resent until all in-sync replicas have it, and the
// broker deduplicates it by producer id and sequence. Owned by each KafkaProducer object.
import { partitionName, sizeOfRecord, type NewRecord, type ProducedRecord } from '../../core/events/kafka-record.ts'
import { choosePartition, type Partitioner } from '../../core/events/partitioner.ts'
import { BatchSender, type ProducerCluster } from './batch-sender.ts'
import type { Compression } from './compression/compression.ts'
import { BrokerError, ConnectionError, RECORD_REJECTED } from './errors.ts'
import {
  createQueue,
  nextSequence,
  rejectExpired,
  settle,
  takeBatch,
  type PartitionQueue,
  type QueuedRecord,
  type StampedRecord,
} from './record-queue.ts'

/** Limit of queued records while brokers are unreachable. An isolate has 128 MB. */
const MAX_IN_FLIGHT_BYTES = 32 * 1_048_576

/** Produces to one cluster. One call's records to one partition are stored in order. */
export class IdempotentProducer {
  readonly #cluster: ProducerCluster
  readonly #sender: BatchSender
  readonly #partitioner: Partitioner
  readonly #partitions = new Map<string, PartitionQueue>()
  #inFlightBytes = 0

  constructor(cluster: ProducerCluster, compression: Compression, partitioner: Partitioner = 'kafka') {
    this.#cluster = cluster
    this.#partitioner = partitioner
    this.#sender = new BatchSender(cluster, compression)
  }

  /**
   * Resolves when all in-sync replicas have all records, with their positions in the order given. Throws if that is not
   * known of one of them; some may then be stored.
   */
  async produce(records: readonly NewRecord[]): Promise<readonly ProducedRecord[]> {
    const bytes = records.reduce((sum, record) => sum + sizeOfRecord(record), 0)
    if (this.#inFlightBytes > 0 && this.#inFlightBytes + bytes > MAX_IN_FLIGHT_BYTES) {
      throw new ConnectionError(`Kafka: ${this.#inFlightBytes} bytes are already waiting to be stored`)
    }
    this.#inFlightBytes += bytes
    try {
      return await this.#produce(records)
    } finally {
      this.#inFlightBytes -= bytes
    }
  }

  async #produce(records: readonly NewRecord[]): Promise<readonly ProducedRecord[]> {
    const nowMs = this.#cluster.options.nowMs()
    /** Records without a key share one partition per call, as with Kafka's sticky partitioner (KIP-480). */
    const sticky = this.#cluster.options.random()
    const counts = new Map<string, number>()
    for (const topic of new Set(records.map((record) => record.topic))) {
      counts.set(topic, await this.#cluster.partitionCount(topic))
    }
    // Choose all partitions before the first record is queued: an invalid one must fail the whole call.
    const partitions = records.map((record) =>
      choosePartition(record, counts.get(record.topic) ?? 1, sticky, this.#partitioner),
    )
    const places = records.map((record, index) => {
      const stamped = { ...record, timestampMs: record.timestampMs ?? nowMs }
      return this.#enqueue(partitions[index] ?? 0, stamped, nowMs)
    })
    return Promise.all(places)
  }

  #enqueue(partition: number, record: StampedRecord, sinceMs: number): Promise<ProducedRecord> {
    const { topic } = record
    const key = partitionName({ topic, partition })
    const queue = this.#partitions.get(key) ?? createQueue(topic, partition)
    this.#partitions.set(key, queue)
    const { promise, resolve, reject } = Promise.withResolvers<ProducedRecord>()
    queue.queued.push({ record, bytes: sizeOfRecord(record), sinceMs, resolve, reject })
    // In a microtask, so that the records of one call share a batch.
    if (!queue.isSending) {
      queue.isSending = true
      queueMicrotask(() => void this.#sendAll(key, queue))
    }
    return promise
  }

  async #sendAll(key: string, queue: PartitionQueue): Promise<void> {
    while (queue.queued.length > 0) {
      rejectExpired(queue, this.#cluster.options.nowMs())
      const entries = takeBatch(queue.queued)
      if (entries.length > 0) await this.#deliver(queue, entries)
    }
    queue.isSending = false
    if (queue.identity === null) this.#partitions.delete(key)
  }

  /**
   * Settles every entry. A batch that the broker rejects because of one record is halved and sent again, because its records
   * may come from different callers. Nothing of a rejected batch was stored, so the sequence stays the same.
   */
  async #deliver(queue: PartitionQueue, entries: readonly QueuedRecord[]): Promise<void> {
    try {
      const stored = await this.#sender.untilStored(queue, entries)
      queue.sequence = nextSequence(queue.sequence, entries.length)
      settle(queue, entries, stored)
    } catch (error) {
      const isRecordRejected = error instanceof BrokerError && RECORD_REJECTED.has(error.code)
      if (isRecordRejected && entries.length > 1) {
        const half = Math.ceil(entries.length / 2)
        await this.#deliver(queue, entries.slice(0, half))
        return this.#deliver(queue, entries.slice(half))
      }
      // The broker may or may not have the batch, so the next sequence is unknown: start again with a new producer id.
      if (!isRecordRejected) queue.identity = null
      for (const { reject } of entries) reject(error)
    }
  }
}
