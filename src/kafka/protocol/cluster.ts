// One Kafka cluster as a follower or producer sees it: finds the leader of a partition, sends requests to it, and retries
// after retriable errors. Combines the metadata cache and the connection pool. Lives as long as its Durable Object, whose
// events share it.
import { retry, type BackoffLimits } from '../../core/retry.ts'
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import type { Api } from './api/api.ts'
import { metadata } from './api/metadata.ts'
import type { BrokerConnection } from './connection.ts'
import { ConnectionPool, type ConnectionPoolOptions, type ConnectionPurpose } from './connection-pool.ts'
import { BrokerError, ConnectionError, isRetriable, UNKNOWN_TOPIC_OR_PARTITION } from './errors.ts'
import { MetadataCache, type PartitionLeader } from './metadata-cache.ts'
import type { SocketAddress } from './socket-port.ts'

const REQUEST_TIMEOUT_MS = 10_000

/** Attempts within one call. The caller retries with a longer backoff after that. */
const ATTEMPTS = 5
const BACKOFF: BackoffLimits = { baseMs: 100, capMs: 2_000, jitter: 'half' }

/** Brokers to begin with, and what a cluster needs of its runtime. */
export interface ClusterOptions extends ConnectionPoolOptions {
  /** Any brokers of the cluster. The others are learned from their metadata. */
  readonly bootstrap: readonly SocketAddress[]
  /** In [0, 1). */
  readonly random: () => number
  readonly sleep: (ms: number) => Promise<void>
}

/** A client of one Kafka cluster. Throws a BrokerError for an error code, a ConnectionError for a broken connection. */
export class Cluster {
  readonly #options: ClusterOptions
  readonly #metadata = new MetadataCache()
  readonly #connections: ConnectionPool

  constructor(options: ClusterOptions) {
    this.#options = options
    this.#connections = new ConnectionPool(options)
  }

  get options(): Pick<ClusterOptions, 'nowMs' | 'random' | 'sleep'> {
    return this.#options
  }

  /** Returns the partitions of a topic in ascending order; none if the topic does not exist. Never answers from the cache. */
  async partitions(topic: string): Promise<readonly number[]> {
    const found = await this.#refreshMetadata(topic, false)
    return found === undefined ? [] : [...found.keys()].toSorted((a, b) => a - b)
  }

  /** Returns the number of partitions to produce to. Waits while the cluster creates the topic, if it does. */
  async partitionCount(topic: string): Promise<number> {
    const found =
      this.#metadata.freshPartitions(topic, this.#options.nowMs()) ??
      (await this.withRetries(() => this.#refreshMetadata(topic, true)))
    if (found === undefined) throw new BrokerError(UNKNOWN_TOPIC_OR_PARTITION, `producing to ${topic}`)
    return found.size
  }

  /**
   * Sends a request to the leader of a partition, and retries with fresh metadata when the leader moved or is gone. Returns
   * undefined if the partition does not exist. Throws the error of the last attempt.
   */
  async withLeader<T>(
    { topic, partition }: TopicPartition,
    purpose: ConnectionPurpose,
    ask: (connection: BrokerConnection, leader: PartitionLeader) => Promise<T>,
  ): Promise<T | undefined> {
    return this.withRetries(async () => {
      const leader = await this.leader({ topic, partition })
      return leader && ask(await this.connection(leader.broker, purpose), leader)
    }, topic)
  }

  /** Returns the leader from the cache, or asks once if the partition is not in it. For callers with their own retries. */
  async leader({ topic, partition }: TopicPartition): Promise<PartitionLeader | undefined> {
    const leader =
      this.#metadata.leader({ topic, partition }) ?? (await this.#refreshMetadata(topic, false))?.get(partition)
    if (leader instanceof BrokerError) throw leader
    return leader
  }

  /** Drops the cached metadata of a topic, which a broker has contradicted. */
  forget(topic: string): void {
    this.#metadata.forget(topic)
  }

  connection(address: SocketAddress, purpose: ConnectionPurpose): Promise<BrokerConnection> {
    return this.#connections.get(address, purpose)
  }

  /** Sends a request that any broker can answer, first to known brokers, then to the configured ones, until one answers. */
  async askAny<Request, Response>(api: Api<Request, Response>, request: Request): Promise<Response> {
    let lastError: unknown = new ConnectionError('Kafka: no broker is configured')
    for (const address of this.#addresses()) {
      try {
        const connection = await this.connection(address, 'control')
        return await connection.send(api, request, REQUEST_TIMEOUT_MS)
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error
        lastError = error
      }
    }
    throw lastError
  }

  /** Returns the names of all topics that this user may see. */
  async topics(): Promise<readonly string[]> {
    const { topics } = await this.withRetries(() => this.askAny(metadata, { topics: null, create: false }))
    return topics.map(({ name }) => name)
  }

  /** Repeats an attempt that failed with a retriable error, with backoff, and drops the metadata of `topic` before each. */
  async withRetries<T>(attempt: () => Promise<T>, topic?: string): Promise<T> {
    const { random, sleep } = this.#options
    const mayRetry = (error: unknown) => {
      if (topic !== undefined) this.forget(topic)
      return isRetriable(error)
    }
    return retry(attempt, { attempts: ATTEMPTS, backoff: BACKOFF, isRetriable: mayRetry, random, sleep })
  }

  /** Each address once: an unreachable broker costs a whole connect timeout. */
  #addresses(): Iterable<SocketAddress> {
    return uniqueAddresses([...this.#rotated(this.#metadata.brokers), ...this.#rotated(this.#options.bootstrap)])
  }

  /** Returns undefined if the topic does not exist. */
  async #refreshMetadata(topic: string, create: boolean) {
    const response = await this.askAny(metadata, { topics: [topic], create })
    return this.#metadata.store(topic, response, create, this.#options.nowMs())
  }

  /** The same items, beginning at a random one, so that clients spread over the brokers. */
  #rotated<T>(items: readonly T[]): readonly T[] {
    const from = Math.floor(this.#options.random() * items.length)
    return [...items.slice(from), ...items.slice(0, from)]
  }
}

function uniqueAddresses(addresses: readonly SocketAddress[]): Iterable<SocketAddress> {
  const byName = new Map<string, SocketAddress>()
  for (const address of addresses) {
    const name = `${address.host}:${address.port}`
    if (!byName.has(name)) byName.set(name, address)
  }
  return byName.values()
}
