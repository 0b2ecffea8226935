// What the brokers last said about topics: partitions, their leaders, and the addresses of all brokers. Sends no requests:
// cluster.ts sends the Metadata requests and stores the responses here. Pure.
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import type { BrokerAddress, MetadataResponse, TopicMetadata } from './api/metadata.ts'
import { BrokerError, ConnectionError, LEADER_NOT_AVAILABLE, NO_ERROR, UNKNOWN_TOPIC_OR_PARTITION } from './errors.ts'

/** Producers notice added partitions after this time. A wrong leader is noticed at once, by the broker's error. */
const MAX_AGE_MS = 60_000

/** The leader of a partition, as the brokers last reported it. */
export interface PartitionLeader {
  readonly broker: BrokerAddress
  /** Leader epoch (KIP-320). −1 where the broker tells none. */
  readonly epoch: number
  /** 32 hexadecimal digits; null where the broker tells none (before Kafka 2.8). */
  readonly topicId: string | null
}

interface CachedTopic {
  readonly fetchedAtMs: number
  /** By partition. A partition without a leader has the error to throw. */
  readonly partitions: ReadonlyMap<number, PartitionLeader | BrokerError>
}

/** The topics and brokers that a cluster's client has learned of. Errors of partitions are kept as values. */
export class MetadataCache {
  readonly #topics = new Map<string, CachedTopic>()
  #brokers: readonly BrokerAddress[] = []

  /** All brokers of the last response; empty before the first. */
  get brokers(): readonly BrokerAddress[] {
    return this.#brokers
  }

  /** Partitions of a topic, if they were asked for within the last minute. */
  freshPartitions(topic: string, nowMs: number): CachedTopic['partitions'] | undefined {
    const cached = this.#topics.get(topic)
    return cached && cached.fetchedAtMs > nowMs - MAX_AGE_MS ? cached.partitions : undefined
  }

  /** The leader as last reported, whatever its age. */
  leader({ topic, partition }: TopicPartition): PartitionLeader | BrokerError | undefined {
    return this.#topics.get(topic)?.partitions.get(partition)
  }

  forget(topic: string): void {
    this.#topics.delete(topic)
  }

  /**
   * Stores the response to a request for one topic. Returns undefined if the topic does not exist, and throws a retriable
   * error while it is being created (`create`: the request asked the broker to create it).
   */
  store(topic: string, response: MetadataResponse, create: boolean, nowMs: number) {
    this.#brokers = response.brokers
    const found = response.topics[0]
    if (found === undefined) throw new ConnectionError('Kafka: the metadata response has no topic')
    if (found.errorCode === UNKNOWN_TOPIC_OR_PARTITION && !create) {
      this.forget(topic)
      return undefined
    }
    // On some brokers a topic that is being created has no partitions for a moment.
    const errorCode = found.errorCode || (found.partitions.length === 0 ? LEADER_NOT_AVAILABLE : NO_ERROR)
    if (errorCode !== NO_ERROR) throw new BrokerError(errorCode, `asking for topic ${topic}`)
    const partitions = toLeaders(found, response.brokers)
    this.#topics.set(topic, { fetchedAtMs: nowMs, partitions })
    return partitions
  }
}

function toLeaders({ name, topicId, partitions }: TopicMetadata, brokers: readonly BrokerAddress[]) {
  const byId = new Map(brokers.map((broker) => [broker.id, broker]))
  return new Map(
    partitions.map(({ partition, leader, leaderEpoch, errorCode }): [number, PartitionLeader | BrokerError] => {
      const broker = byId.get(leader)
      if (broker !== undefined) return [partition, { broker, epoch: leaderEpoch, topicId }]
      const doing = `finding the leader of ${name}/${partition}`
      return [partition, new BrokerError(errorCode || LEADER_NOT_AVAILABLE, doing)]
    }),
  )
}
