// The idempotent producer: what waits for a partition goes out as one batch while the batch before is on its way, so that
// order is kept and load makes batches larger by itself. A batch is sent until every replica in sync has it; the broker
// knows it by producer id and sequence, and stores it once. One lives in each KafkaProducer object.
import { sizeOfRecord, type NewRecord, type ProducedRecord } from '../../core/events/kafka-record.ts'
import { partitionOf } from '../../core/events/partitioner.ts'
import { initProducerId } from './api/init-producer-id.ts'
import type { BrokerAddress } from './api/metadata.ts'
import { produce, type ProducedPartition } from './api/produce.ts'
import { isPassing, type Cluster, type Lane } from './cluster.ts'
import type { Compression } from './compression/compression.ts'
import type { Connection } from './connection.ts'
import {
  BrokerError,
  ConnectionError,
  DUPLICATE_SEQUENCE_NUMBER,
  NO_ERROR,
  NO_IDENTITY,
  OF_ONE_RECORD,
  PRODUCER_STATE_LOST,
  throwIfError,
  UNKNOWN_TOPIC_OR_PARTITION,
} from './errors.ts'
import { encodeBatch } from './record-batch.ts'

/** Below the 1 MiB that brokers take of a batch by default. A larger record goes alone, and the broker decides. */
const MAX_BATCH_BYTES = 900_000

/** How long the leader may wait for its replicas, and we for the leader. */
const REPLICATION_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 15_000

/** From when it was asked for. Whoever asked is told then that the outcome is not known. */
const DELIVERY_TIMEOUT_MS = 25_000

/** While brokers are out of reach, what is asked for must not fill an isolate, which has 128 MB. */
const MAX_BYTES_UNDER_WAY = 32 * 1_048_576

/** Sequences are 32 bits, never negative: after the last comes the first. */
const SEQUENCES = 2 ** 31
const NO_OFFSET = -1

const RETRY_BASE_MS = 100
const RETRY_CAP_MS = 2_000

type StampedRecord = NewRecord & { readonly timestampMs: number }

interface Entry {
  readonly record: StampedRecord
  readonly bytes: number
  readonly sinceMs: number
  readonly resolve: (place: ProducedRecord) => void
  readonly reject: (error: unknown) => void
}

/** Who the broker knows us as. Without an id it takes every batch for news. */
interface Identity {
  readonly producerId: number
  readonly epoch: number
}

const NOBODY: Identity = { producerId: -1, epoch: -1 }

interface Partition {
  readonly topic: string
  readonly partition: number
  readonly waiting: Entry[]
  isSending: boolean
  identity: Identity | null
  /** Of the next record. */
  sequence: number
}

/** What it needs of a Cluster. */
export interface ProducerCluster extends Pick<Cluster, 'options' | 'partitionCount' | 'leader' | 'askAny' | 'forget'> {
  connection(address: BrokerAddress, lane: Lane): Promise<Pick<Connection, 'send'>>
}

export class Producer {
  readonly #cluster: ProducerCluster
  readonly #compression: Compression
  readonly #partitions = new Map<string, Partition>()
  #bytesUnderWay = 0

  constructor(cluster: ProducerCluster, compression: Compression) {
    this.#cluster = cluster
    this.#compression = compression
  }

  /** Resolves when all are stored, with their places in the order given. Throws if one is not known to be. */
  async produce(records: readonly NewRecord[]): Promise<readonly ProducedRecord[]> {
    const bytes = records.reduce((sum, record) => sum + sizeOfRecord(record), 0)
    if (this.#bytesUnderWay > 0 && this.#bytesUnderWay + bytes > MAX_BYTES_UNDER_WAY) {
      throw new ConnectionError(`Kafka: ${this.#bytesUnderWay} bytes wait to be stored already`)
    }
    this.#bytesUnderWay += bytes
    try {
      return await this.#produce(records)
    } finally {
      this.#bytesUnderWay -= bytes
    }
  }

  async #produce(records: readonly NewRecord[]): Promise<readonly ProducedRecord[]> {
    const nowMs = this.#cluster.options.nowMs()
    /** Records without a key stay together within a call, as Kafka's sticky partitioner keeps them. */
    const sticky = this.#cluster.options.random()
    const counts = new Map<string, number>()
    for (const topic of new Set(records.map((record) => record.topic))) {
      counts.set(topic, await this.#cluster.partitionCount(topic))
    }
    // Of all, before the first goes out: one that has no place must not leave the others behind, unseen.
    const partitions = records.map((record) => choosePartition(record, counts.get(record.topic) ?? 1, sticky))
    const places = records.map((record, index) => {
      const stamped = { ...record, timestampMs: record.timestampMs ?? nowMs }
      return this.#enqueue(partitions[index] ?? 0, stamped, nowMs)
    })
    return Promise.all(places)
  }

  #enqueue(partition: number, record: StampedRecord, sinceMs: number): Promise<ProducedRecord> {
    const { topic } = record
    const key = `${topic}/${partition}`
    const queue = this.#partitions.get(key) ?? newPartition(topic, partition)
    this.#partitions.set(key, queue)
    const { promise, resolve, reject } = Promise.withResolvers<ProducedRecord>()
    queue.waiting.push({ record, bytes: sizeOfRecord(record), sinceMs, resolve, reject })
    // After this turn of the event loop, so that the records of one call go together.
    if (!queue.isSending) {
      queue.isSending = true
      queueMicrotask(() => void this.#sendAll(key, queue))
    }
    return promise
  }

  async #sendAll(key: string, queue: Partition): Promise<void> {
    while (queue.waiting.length > 0) {
      this.#rejectLate(queue)
      const entries = takeBatch(queue.waiting)
      if (entries.length > 0) await this.#deliver(queue, entries)
    }
    queue.isSending = false
    if (queue.identity === null) this.#partitions.delete(key)
  }

  /** Those whose time ran out behind others: nothing was sent of them. */
  #rejectLate({ topic, partition, waiting }: Partition): void {
    const oldestMs = this.#cluster.options.nowMs() - DELIVERY_TIMEOUT_MS
    const inTime = waiting.findIndex(({ sinceMs }) => sinceMs >= oldestMs)
    const error = new ConnectionError(
      `Kafka: producing to ${topic}/${partition}: had to wait for ${DELIVERY_TIMEOUT_MS} ms, and was not sent`,
    )
    for (const { reject } of waiting.splice(0, inTime === -1 ? waiting.length : inTime)) reject(error)
  }

  /**
   * Settles every entry. A batch that is too large for the broker, or has a record in it that it refuses, goes in halves:
   * those that came together in a batch know nothing of each other. Nothing of it was stored, so the sequence stands.
   */
  async #deliver(queue: Partition, entries: readonly Entry[]): Promise<void> {
    try {
      const stored = await this.#untilStored(queue, entries)
      queue.sequence = nextSequence(queue.sequence, entries.length)
      settle(queue, entries, stored)
    } catch (error) {
      const isOfOne = error instanceof BrokerError && OF_ONE_RECORD.has(error.code)
      if (isOfOne && entries.length > 1) {
        const half = Math.ceil(entries.length / 2)
        await this.#deliver(queue, entries.slice(0, half))
        return this.#deliver(queue, entries.slice(half))
      }
      // Whether the broker has the batch is not known, so neither is the next sequence.
      if (!isOfOne) queue.identity = null
      for (const { reject } of entries) reject(error)
    }
  }

  async #untilStored(queue: Partition, entries: readonly Entry[]): Promise<ProducedPartition> {
    const { nowMs, random, sleep } = this.#cluster.options
    const deadlineMs = (entries[0]?.sinceMs ?? nowMs()) + DELIVERY_TIMEOUT_MS
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#send(queue, entries)
      } catch (error) {
        const isForgotten = error instanceof BrokerError && PRODUCER_STATE_LOST.has(error.code)
        if (isForgotten) queue.identity = null
        if (!(isForgotten || isPassing(error)) || nowMs() > deadlineMs) throw error
        this.#cluster.forget(queue.topic)
        await sleep(Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** (attempt - 1)) * (0.5 + random() / 2))
      }
    }
  }

  /** One attempt. Repeated with the same identity and sequence it is the same batch to the broker. */
  async #send(queue: Partition, entries: readonly Entry[]): Promise<ProducedPartition> {
    if (queue.identity === null) {
      queue.identity = await this.#identify()
      queue.sequence = 0
    }
    const state = { ...queue.identity, sequence: queue.identity === NOBODY ? -1 : queue.sequence }
    const records = entries.map(({ record }) => record)
    const { topic, partition } = queue
    const leader = await this.#cluster.leader(queue)
    if (leader === undefined) throw new BrokerError(UNKNOWN_TOPIC_OR_PARTITION, `producing to ${topic}/${partition}`)
    const connection = await this.#cluster.connection(leader.broker, 'control')
    const batch = encodeBatch(records, state, this.#compression)
    const request = { timeoutMs: REPLICATION_TIMEOUT_MS, topics: [{ topic, partitions: [{ partition, batch }] }] }
    const [answer] = await connection.send(produce, request, REQUEST_TIMEOUT_MS)
    if (answer === undefined) throw new BrokerError(-1, `producing to ${topic}/${partition}: no answer`)
    if (answer.errorCode === NO_ERROR || answer.errorCode === DUPLICATE_SEQUENCE_NUMBER) return answer
    throw new BrokerError(answer.errorCode, `producing to ${topic}/${partition}`, answer.message)
  }

  /** Where that is not known, or not allowed (brokers before 2.8 ask for a permission of its own), batches go as they are. */
  async #identify(): Promise<Identity> {
    try {
      const { errorCode, producerId, epoch } = await this.#cluster.askAny(initProducerId, null)
      throwIfError(errorCode, 'asking for a producer id')
      return { producerId, epoch }
    } catch (error) {
      if (error instanceof BrokerError && NO_IDENTITY.has(error.code)) return NOBODY
      throw error
    }
  }
}

/** Behind so many records. */
export function nextSequence(sequence: number, count: number): number {
  return (sequence + count) % SEQUENCES
}

function newPartition(topic: string, partition: number): Partition {
  return { topic, partition, waiting: [], isSending: false, identity: null, sequence: 0 }
}

function choosePartition({ partition, key }: NewRecord, count: number, sticky: number): number {
  if (partition === undefined) return key ? partitionOf(key, count) : Math.floor(sticky * count)
  if (!Number.isInteger(partition) || partition < 0 || partition >= count) {
    throw new RangeError(`partition must be 0 to ${count - 1}, got ${partition}`)
  }
  return partition
}

function takeBatch(waiting: Entry[]): readonly Entry[] {
  let bytes = 0
  const end = waiting.findIndex((entry, index) => {
    bytes += entry.bytes
    return index > 0 && bytes > MAX_BATCH_BYTES
  })
  return waiting.splice(0, end === -1 ? waiting.length : end)
}

/** A broker that knows the batch already may not know its offset any more. */
function settle({ topic, partition }: Partition, entries: readonly Entry[], stored: ProducedPartition): void {
  for (const [index, { record, resolve }] of entries.entries()) {
    const timestampMs = stored.appendTimeMs >= 0 ? stored.appendTimeMs : record.timestampMs
    const offset = stored.baseOffset < 0 ? NO_OFFSET : stored.baseOffset + index
    resolve({ topic, partition, offset, timestampMs })
  }
}
