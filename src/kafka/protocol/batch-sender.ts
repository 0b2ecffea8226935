// Sends one batch to the leader of its partition until all in-sync replicas have it. The broker recognises a batch that it is
// sent again by producer id and sequence (KIP-98). Used by producer.ts.
import { backoffMs, type BackoffLimits } from '../../core/retry.ts'
import { initProducerId } from './api/init-producer-id.ts'
import type { BrokerAddress } from './api/metadata.ts'
import { produce, type ProducedPartition } from './api/produce.ts'
import type { Cluster } from './cluster.ts'
import type { Compression } from './compression/compression.ts'
import type { ConnectionPurpose } from './connection-pool.ts'
import type { BrokerConnection } from './connection.ts'
import {
  BrokerError,
  DUPLICATE_SEQUENCE_NUMBER,
  isRetriable,
  NO_ERROR,
  PRODUCER_ID_UNAVAILABLE,
  PRODUCER_STATE_LOST,
  throwIfError,
  UNKNOWN_TOPIC_OR_PARTITION,
} from './errors.ts'
import { encodeBatch } from './record-batch.ts'
import { DELIVERY_TIMEOUT_MS, type PartitionQueue, type ProducerIdentity, type QueuedRecord } from './record-queue.ts'

/** How long the leader may wait for its replicas, and how long Rigel waits for the leader. */
const REPLICATION_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 15_000

const BACKOFF: BackoffLimits = { baseMs: 100, capMs: 2_000, jitter: 'half' }

const NO_PRODUCER_ID: ProducerIdentity = { producerId: -1, epoch: -1 }

/** The part of Cluster that the producer uses, so that tests can replace it. */
export interface ProducerCluster extends Pick<Cluster, 'options' | 'partitionCount' | 'leader' | 'askAny' | 'forget'> {
  connection(address: BrokerAddress, purpose: ConnectionPurpose): Promise<Pick<BrokerConnection, 'send'>>
}

/** Sends the batches of one cluster's partitions. */
export class BatchSender {
  readonly #cluster: ProducerCluster
  readonly #compression: Compression

  constructor(cluster: ProducerCluster, compression: Compression) {
    this.#cluster = cluster
    this.#compression = compression
  }

  /** Throws when the deadline of the first entry has passed, or the broker refuses the batch. */
  async untilStored(queue: PartitionQueue, entries: readonly QueuedRecord[]): Promise<ProducedPartition> {
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
