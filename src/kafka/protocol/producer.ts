// The idempotent producer (KIP-98). Each partition has one batch in flight; records that arrive meanwhile form the next one,
// which keeps their order and makes batches larger under load. A batch is resent until all in-sync replicas have it, and the
// broker deduplicates it by producer id and sequence. Owned by each KafkaProducer object.
import { backoffMs, type BackoffLimits } from '../../core/retry.ts'
import { sizeOfRecord, partitionName, type NewRecord, type ProducedRecord } from '../../core/events/kafka-record.ts'
import { choosePartition, type Partitioner } from '../../core/events/partitioner.ts'
import { initProducerId } from './api/init-producer-id.ts'
import type { BrokerAddress } from './api/metadata.ts'
import { produce, type ProducedPartition } from './api/produce.ts'
import type { Cluster } from './cluster.ts'
import type { Compression } from './compression/compression.ts'
import type { ConnectionPurpose } from './connection-pool.ts'
import type { BrokerConnection } from './connection.ts'
import {
  BrokerError,
  ConnectionError,
  DUPLICATE_SEQUENCE_NUMBER,
  isRetriable,
  NO_ERROR,
  PRODUCER_ID_UNAVAILABLE,
  RECORD_REJECTED,
  PRODUCER_STATE_LOST,
  throwIfError,
  UNKNOWN_TOPIC_OR_PARTITION,
} from './errors.ts'
import { encodeBatch } from './record-batch.ts'

/** Below the brokers' default limit of 1 MiB. A larger record is sent alone, and the broker decides. */
const MAX_BATCH_BYTES = 900_000

/** How long the leader may wait for its replicas, and how long Rigel waits for the leader. */
const REPLICATION_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 15_000

/** Counted from the call. After it the caller gets an error, and the outcome is unknown. */
const DELIVERY_TIMEOUT_MS = 25_000

/** Limit of queued records while brokers are unreachable. An isolate has 128 MB. */
const MAX_IN_FLIGHT_BYTES = 32 * 1_048_576

/** Sequences wrap around at 2^31 (KIP-98). */
const SEQUENCES = 2 ** 31
const NO_OFFSET = -1

const BACKOFF: BackoffLimits = { baseMs: 100, capMs: 2_000, jitter: 'half' }

type StampedRecord = NewRecord & { readonly timestampMs: number }

interface QueuedRecord {
  readonly record: StampedRecord
  readonly bytes: number
  readonly sinceMs: number
  readonly resolve: (place: ProducedRecord) => void
  readonly reject: (error: unknown) => void
}

/** Producer id and epoch. Without an id the broker cannot recognise a batch that is sent again. */
interface ProducerIdentity {
  readonly producerId: number
  readonly epoch: number
}

const NO_PRODUCER_ID: ProducerIdentity = { producerId: -1, epoch: -1 }

interface PartitionQueue {
  readonly topic: string
  readonly partition: number
  readonly queued: QueuedRecord[]
  isSending: boolean
  identity: ProducerIdentity | null
  /** Sequence of the next record. */
  sequence: number
}

/** The part of Cluster that the producer uses, so that tests can replace it. */
export interface ProducerCluster extends Pick<Cluster, 'options' | 'partitionCount' | 'leader' | 'askAny' | 'forget'> {
  connection(address: BrokerAddress, lane: ConnectionPurpose): Promise<Pick<BrokerConnection, 'send'>>
}

/** Produces to one cluster. One call's records to one partition are stored in order. */
export class IdempotentProducer {
  readonly #cluster: ProducerCluster
  readonly #compression: Compression
  readonly #partitioner: Partitioner
  readonly #partitions = new Map<string, PartitionQueue>()
  #inFlightBytes = 0

  constructor(cluster: ProducerCluster, compression: Compression, partitioner: Partitioner = 'kafka') {
    this.#cluster = cluster
    this.#partitioner = partitioner
    this.#compression = compression
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
      this.#rejectExpired(queue)
      const entries = takeBatch(queue.queued)
      if (entries.length > 0) await this.#deliver(queue, entries)
    }
    queue.isSending = false
    if (queue.identity === null) this.#partitions.delete(key)
  }

  /** Rejects records whose deadline passed while they were queued. They were never sent. */
  #rejectExpired({ topic, partition, queued }: PartitionQueue): void {
    const oldestMs = this.#cluster.options.nowMs() - DELIVERY_TIMEOUT_MS
    const inTime = queued.findIndex(({ sinceMs }) => sinceMs >= oldestMs)
    const error = new ConnectionError(
      `Kafka: producing to ${topic}/${partition}: waited for ${DELIVERY_TIMEOUT_MS} ms and was not sent`,
    )
    for (const { reject } of queued.splice(0, inTime === -1 ? queued.length : inTime)) reject(error)
  }

  /**
   * Settles every entry. A batch that the broker rejects because of one record is halved and sent again, because its records
   * may come from different callers. Nothing of a rejected batch was stored, so the sequence stays the same.
   */
  async #deliver(queue: PartitionQueue, entries: readonly QueuedRecord[]): Promise<void> {
    try {
      const stored = await this.#untilStored(queue, entries)
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

  async #untilStored(queue: PartitionQueue, entries: readonly QueuedRecord[]): Promise<ProducedPartition> {
    const { nowMs, random, sleep } = this.#cluster.options
    const deadlineMs = (entries[0]?.sinceMs ?? nowMs()) + DELIVERY_TIMEOUT_MS
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#send(queue, entries)
      } catch (error) {
        const isForgotten = error instanceof BrokerError && PRODUCER_STATE_LOST.has(error.code)
        if (isForgotten) queue.identity = null
        if (!(isForgotten || isRetriable(error)) || nowMs() > deadlineMs) throw error
        this.#cluster.forget(queue.topic)
        await sleep(backoffMs(attempt, random(), BACKOFF))
      }
    }
  }

  /** One attempt. Repeated with the same producer id and sequence it is the same batch to the broker. */
  async #send(queue: PartitionQueue, entries: readonly QueuedRecord[]): Promise<ProducedPartition> {
    if (queue.identity === null) {
      queue.identity = await this.#requestProducerId()
      queue.sequence = 0
    }
    const state = { ...queue.identity, sequence: queue.identity === NO_PRODUCER_ID ? -1 : queue.sequence }
    const records = entries.map(({ record }) => record)
    const { topic, partition } = queue
    const leader = await this.#cluster.leader(queue)
    if (leader === undefined) throw new BrokerError(UNKNOWN_TOPIC_OR_PARTITION, `producing to ${topic}/${partition}`)
    const connection = await this.#cluster.connection(leader.broker, 'control')
    const batch = encodeBatch(records, state, this.#compression)
    const request = { timeoutMs: REPLICATION_TIMEOUT_MS, topics: [{ topic, partitions: [{ partition, batch }] }] }
    const [answer] = await connection.send(produce, request, REQUEST_TIMEOUT_MS)
    if (answer === undefined) throw new BrokerError(-1, `producing to ${topic}/${partition}: no response`)
    if (answer.errorCode === NO_ERROR || answer.errorCode === DUPLICATE_SEQUENCE_NUMBER) return answer
    throw new BrokerError(answer.errorCode, `producing to ${topic}/${partition}`, answer.message)
  }

  /** Requests a producer id. Continues without one where the broker has none or denies it (before Kafka 2.8, IDEMPOTENT_WRITE). */
  async #requestProducerId(): Promise<ProducerIdentity> {
    try {
      const { errorCode, producerId, epoch } = await this.#cluster.askAny(initProducerId, null)
      throwIfError(errorCode, 'asking for a producer id')
      return { producerId, epoch }
    } catch (error) {
      if (error instanceof BrokerError && PRODUCER_ID_UNAVAILABLE.has(error.code)) return NO_PRODUCER_ID
      throw error
    }
  }
}

/** Returns the sequence after `count` more records. */
export function nextSequence(sequence: number, count: number): number {
  return (sequence + count) % SEQUENCES
}

function createQueue(topic: string, partition: number): PartitionQueue {
  return { topic, partition, queued: [], isSending: false, identity: null, sequence: 0 }
}

function takeBatch(waiting: QueuedRecord[]): readonly QueuedRecord[] {
  let bytes = 0
  const end = waiting.findIndex((entry, index) => {
    bytes += entry.bytes
    return index > 0 && bytes > MAX_BATCH_BYTES
  })
  return waiting.splice(0, end === -1 ? waiting.length : end)
}

/** A broker that recognises a resent batch may no longer know its offset, which is then −1. */
function settle(
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
