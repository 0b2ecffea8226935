// The brokers of a cluster as one follower or producer sees them: who leads which partition, and the connections to them,
// opened when they are needed and dropped when they die. Lives as long as its Durable Object, whose events may share it.
import type { Api } from './api/api.ts'
import { metadata, type BrokerAddress, type MetadataResponse, type TopicMetadata } from './api/metadata.ts'
import { authenticate, type Authentication } from './auth/authenticate.ts'
import { Connection } from './connection.ts'
import {
  AuthenticationError,
  BrokerError,
  ConnectionError,
  LEADER_NOT_AVAILABLE,
  NO_ERROR,
  UNKNOWN_TOPIC_OR_PARTITION,
} from './errors.ts'
import type { OpenSocket, SocketAddress } from './socket-port.ts'
import type { TopicPartition } from '../../core/events/kafka-record.ts'

/** A Worker invocation may hold six; one is left for what else is asked. */
const MAX_CONNECTIONS = 5

const REQUEST_TIMEOUT_MS = 10_000

/** Partitions that are added are seen by producers after this. Who leads is asked anew whenever a broker says it does not. */
const METADATA_AGE_MS = 60_000

/** How often a stale leader is asked about within one call; the caller's own retry, with backoff, comes after. */
const ATTEMPTS = 5
const RETRY_BASE_MS = 100

export interface Leader {
  readonly broker: BrokerAddress
  readonly epoch: number
  readonly topicId: string | null
}

export interface ClusterOptions {
  /** Any brokers of the cluster: the others are learned from them. */
  readonly bootstrap: readonly SocketAddress[]
  readonly open: OpenSocket
  readonly authentication: Authentication
  readonly nowMs: () => number
  /** In [0, 1). */
  readonly random: () => number
  readonly sleep: (ms: number) => Promise<void>
}

interface Topic {
  readonly fetchedAtMs: number
  readonly topicId: string | null
  readonly partitions: ReadonlyMap<number, Leader | BrokerError>
}

/** A connection for what waits, and one for what must not wait behind it: a broker answers in order. */
export type Lane = 'fetch' | 'control'

export class Cluster {
  readonly #options: ClusterOptions
  readonly #topics = new Map<string, Topic>()
  /** Of a broker and a lane, the least recently used first. */
  readonly #connections = new Map<string, Promise<Connection>>()
  #brokers: readonly BrokerAddress[] = []

  constructor(options: ClusterOptions) {
    this.#options = options
  }

  get options(): Pick<ClusterOptions, 'nowMs' | 'random' | 'sleep'> {
    return this.#options
  }

  /** Ascending; none if there is no such topic. Asks the cluster, whatever is known already. */
  async partitions(topic: string): Promise<readonly number[]> {
    const found = await this.#learn(topic, false)
    return found === undefined ? [] : [...found.partitions.keys()].toSorted((a, b) => a - b)
  }

  /** How many partitions a record may go to; the cluster may make the topic, and then takes a moment. */
  async partitionCount(topic: string): Promise<number> {
    const found = this.#fresh(topic) ?? (await this.retrying(() => this.#learn(topic, true)))
    if (found === undefined) throw new BrokerError(UNKNOWN_TOPIC_OR_PARTITION, `producing to ${topic}`)
    return found.partitions.size
  }

  /**
   * Asks the leader of a partition. If it leads no more, or is gone, asks who does, a few times. Undefined: there is no
   * such partition. Throws what the last attempt met.
   */
  async withLeader<T>(
    { topic, partition }: TopicPartition,
    lane: Lane,
    ask: (connection: Connection, leader: Leader) => Promise<T>,
  ): Promise<T | undefined> {
    return this.retrying(async () => {
      const leader = await this.leader({ topic, partition })
      return leader && ask(await this.connection(leader.broker, lane), leader)
    }, topic)
  }

  /** As it is known now, without retries: for who has its own. A partition that is not known yet is asked for. */
  async leader({ topic, partition }: TopicPartition): Promise<Leader | undefined> {
    const known = this.#topics.get(topic)?.partitions.get(partition)
    const leader = known ?? (await this.#learn(topic, false))?.partitions.get(partition)
    if (leader instanceof BrokerError) throw leader
    return leader
  }

  /** What is known of the topic may be wrong. */
  forget(topic: string): void {
    this.#topics.delete(topic)
  }

  async connection(address: SocketAddress, lane: Lane): Promise<Connection> {
    const key = `${address.host}:${address.port}/${lane}`
    const known = this.#connections.get(key)
    if (known !== undefined) {
      const connection = await known
      if (connection.isOpen && this.#options.nowMs() < connection.expiresAtMs) {
        this.#touch(key, known)
        return connection
      }
      if (this.#connections.get(key) === known) this.#connections.delete(key)
      connection.retire('its time is over')
    }
    // Another event of this object may have opened one while this one waited.
    const opening = this.#connections.get(key) ?? this.#open(address)
    this.#touch(key, opening)
    this.#dropSurplus()
    try {
      return await opening
    } catch (error) {
      if (this.#connections.get(key) === opening) this.#connections.delete(key)
      throw error
    }
  }

  /** Any broker will do: those that are known, then those that are configured, from a random one on. */
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

  /** What passes is tried again, a few times, and without what is known of the topic. Throws what the last attempt met. */
  async retrying<T>(attempt: () => Promise<T>, topic?: string): Promise<T> {
    for (let attempts = 1; ; attempts += 1) {
      try {
        return await attempt()
      } catch (error) {
        if (topic !== undefined) this.forget(topic)
        if (!isPassing(error) || attempts >= ATTEMPTS) throw error
        await this.#options.sleep(RETRY_BASE_MS * 2 ** (attempts - 1) * (0.5 + this.#options.random() / 2))
      }
    }
  }

  /** Each once: one that is out of reach takes its time to say so. */
  #addresses(): Iterable<SocketAddress> {
    const all = [...this.#shuffled(this.#brokers), ...this.#shuffled(this.#options.bootstrap)]
    const byName = new Map<string, SocketAddress>()
    for (const address of all) {
      const name = `${address.host}:${address.port}`
      if (!byName.has(name)) byName.set(name, address)
    }
    return byName.values()
  }

  #fresh(topic: string): Topic | undefined {
    const known = this.#topics.get(topic)
    return known && known.fetchedAtMs > this.#options.nowMs() - METADATA_AGE_MS ? known : undefined
  }

  /** Undefined: there is no such topic, or, if it is to be made, not yet. */
  async #learn(topic: string, create: boolean): Promise<Topic | undefined> {
    const answer = await this.askAny(metadata, { topics: [topic], create })
    this.#brokers = answer.brokers
    const found = answer.topics[0]
    if (found === undefined) throw new ConnectionError('Kafka: the metadata has no topic')
    if (found.errorCode === UNKNOWN_TOPIC_OR_PARTITION && !create) {
      this.forget(topic)
      return undefined
    }
    // A topic that is being made has no partitions for a moment, on some brokers.
    const errorCode = found.errorCode || (found.partitions.length === 0 ? LEADER_NOT_AVAILABLE : NO_ERROR)
    if (errorCode !== NO_ERROR) throw new BrokerError(errorCode, `asking for topic ${topic}`)
    const known = this.#toTopic(found, answer)
    this.#topics.set(topic, known)
    return known
  }

  #toTopic({ name, topicId, partitions }: TopicMetadata, { brokers }: MetadataResponse): Topic {
    const byId = new Map(brokers.map((broker) => [broker.id, broker]))
    const leaders = partitions.map(({ partition, leader, leaderEpoch, errorCode }): [number, Leader | BrokerError] => {
      const broker = byId.get(leader)
      if (broker !== undefined) return [partition, { broker, epoch: leaderEpoch, topicId }]
      return [
        partition,
        new BrokerError(errorCode || LEADER_NOT_AVAILABLE, `finding the leader of ${name}/${partition}`),
      ]
    })
    return { fetchedAtMs: this.#options.nowMs(), topicId, partitions: new Map(leaders) }
  }

  async #open(address: SocketAddress): Promise<Connection> {
    const socket = await this.#options.open(address)
    const connection = new Connection(socket, `${address.host}:${address.port}`)
    try {
      await authenticate(connection, this.#options.authentication)
      return connection
    } catch (error) {
      connection.close(String(error))
      throw error
    }
  }

  #touch(key: string, connection: Promise<Connection>): void {
    this.#connections.delete(key)
    this.#connections.set(key, connection)
  }

  /** The least recently used. What is being asked on one is answered first; only what is being opened now is not its. */
  #dropSurplus(): void {
    for (const [key, opening] of this.#connections) {
      if (this.#connections.size <= MAX_CONNECTIONS) return
      this.#connections.delete(key)
      opening.then(
        (connection) => connection.retire('others were needed more'),
        () => undefined,
      )
    }
  }

  #shuffled<T>(items: readonly T[]): readonly T[] {
    const from = Math.floor(this.#options.random() * items.length)
    return [...items.slice(from), ...items.slice(0, from)]
  }
}

/** Another attempt, after asking who leads, may succeed. */
export function isPassing(error: unknown): boolean {
  if (error instanceof AuthenticationError) return false
  return error instanceof ConnectionError || (error instanceof BrokerError && error.remedy !== 'final')
}
