// The log of the stand-in bridge on a real Kafka, by kafkajs: for test:kafka, and for developers by bridge-kafka.ts.
// kafkajs has no public fetch by offset, so its cluster is read by the symbol under which kafkajs keeps it; and connections that
// kafkajs takes for open are replaced when they are not.
import { createRequire } from 'node:module'
import { Kafka, logLevel, type Message } from 'kafkajs'
import type { AppendRecord, Backend, Read, StoredHeader, StoredRecord } from './bridge-backend.ts'

/** A broker answers the requests of a connection in turn, so a fetch must not wait for long. */
const SLICE_MS = 50
const READ_UNCOMMITTED = 0
/** A broker that is gone is said to be within a second or two. */
const RETRY = { retries: 2, initialRetryTime: 200 }

/** The leader of a new topic is known to all brokers within a second. */
const LEADER_ATTEMPTS = 20
const LEADER_WAIT_MS = 100

interface FetchedMessage {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, Buffer | Buffer[]>>
  readonly isControlRecord: boolean
}

interface Broker {
  fetch(request: object): Promise<{
    readonly responses: readonly { readonly partitions: readonly { readonly messages: readonly FetchedMessage[] }[] }[]
  }>
}

interface Cluster {
  connect(): Promise<void>
  disconnect(): Promise<void>
  addTargetTopic(topic: string): Promise<void>
  refreshMetadata(): Promise<void>
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Readonly<Record<string, readonly number[]>>
  findBroker(broker: { nodeId: string }): Promise<Broker>
}

interface Connection {
  chunks: Buffer[]
  bytesBuffered: number
  bytesNeeded: number
  isConnected(): boolean
  connect: (this: Connection) => Promise<unknown>
}

/**
 * What kafkajs has of half an answer when its broker is killed it takes for the beginning of the next connection's first
 * answer, and throws where nobody can catch it.
 */
function mendConnections(): void {
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/connection') as { prototype: Connection }
  const { connect } = prototype
  prototype.connect = function connectAnew() {
    if (!this.isConnected()) Object.assign(this, { chunks: [], bytesBuffered: 0, bytesNeeded: 4 })
    return connect.call(this)
  }
}

mendConnections()

export class KafkaBackend implements Backend {
  readonly #admin
  readonly #producer
  readonly #cluster: Cluster

  private constructor(kafka: Kafka) {
    this.#admin = kafka.admin()
    this.#producer = kafka.producer({ allowAutoTopicCreation: false })
    this.#cluster = createCluster(kafka)
  }

  static async connect(brokers: readonly string[]): Promise<KafkaBackend> {
    const kafka = new Kafka({ clientId: 'bridge', brokers: [...brokers], logLevel: logLevel.NOTHING, retry: RETRY })
    const backend = new KafkaBackend(kafka)
    await Promise.all([backend.#admin.connect(), backend.#producer.connect(), backend.#cluster.connect()])
    return backend
  }

  async disconnect(): Promise<void> {
    await Promise.all([this.#admin.disconnect(), this.#producer.disconnect(), this.#cluster.disconnect()])
  }

  async createTopic(topic: string, numPartitions: number): Promise<void> {
    await this.#admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: true })
    // A leader is named before its broker serves the partition: offsets are answered only then.
    await this.offsets(topic, 0)
  }

  topics(): Promise<readonly string[]> {
    return this.#admin.listTopics()
  }

  async partitions(topic: string): Promise<number | null> {
    try {
      const { topics } = await this.#admin.fetchTopicMetadata({ topics: [topic] })
      return topics[0]?.partitions.length ?? null
    } catch (error) {
      return unknownOrThrow(error)
    }
  }

  async offsets(topic: string, partition: number) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const found = (await this.#admin.fetchTopicOffsets(topic)).find((one) => one.partition === partition)
        return found === undefined ? null : { earliest: Number(found.low), latest: Number(found.high) }
      } catch (error) {
        if (!isWithoutLeader(error) || attempt === LEADER_ATTEMPTS) return unknownOrThrow(error)
        await new Promise((resolve) => setTimeout(resolve, LEADER_WAIT_MS))
      }
    }
  }

  async read(
    topic: string,
    partition: number,
    offset: number,
    limits: { waitMs: number; maxBytes: number },
  ): Promise<Read> {
    const untilMs = Date.now() + limits.waitMs
    if (partition >= ((await this.partitions(topic)) ?? 0)) return { kind: 'unknown' }
    for (;;) {
      const waitMs = Math.max(0, Math.min(SLICE_MS, untilMs - Date.now()))
      const read = await this.#fetch(topic, partition, offset, waitMs, limits.maxBytes)
      if (read.kind !== 'records' || read.next > offset || Date.now() >= untilMs) return read
    }
  }

  async #fetch(topic: string, partition: number, offset: number, maxWaitTime: number, maxBytes: number): Promise<Read> {
    await this.#cluster.addTargetTopic(topic)
    const leaders = this.#cluster.findLeaderForPartitions(topic, [partition])
    const nodeId = Object.keys(leaders)[0]
    if (nodeId === undefined) throw new Error(`${topic}/${partition} has no leader`)
    const broker = await this.#cluster.findBroker({ nodeId })
    const topics = [
      { topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes, currentLeaderEpoch: -1 }] },
    ]
    try {
      const answer = await broker.fetch({
        isolationLevel: READ_UNCOMMITTED,
        maxWaitTime,
        minBytes: 1,
        maxBytes,
        topics,
      })
      const messages = answer.responses[0]?.partitions[0]?.messages ?? []
      const next = Math.max(offset, Number(messages.at(-1)?.offset ?? -1) + 1)
      return { kind: 'records', records: messages.filter((one) => !one.isControlRecord).map(toStored), next }
    } catch (error) {
      if (typeOf(error) === 'OFFSET_OUT_OF_RANGE') return { kind: 'out_of_range' }
      await this.#cluster.refreshMetadata()
      throw error
    }
  }

  async append(topic: string, partition: number, records: readonly AppendRecord[]): Promise<number> {
    const messages = records.map((record) => toMessage(record, partition))
    const [placed] = await this.#producer.send({ topic, acks: -1, messages })
    return Number(placed?.baseOffset)
  }
}

function createCluster(kafka: Kafka): Cluster {
  const symbols = Object.getOwnPropertySymbols(kafka)
  const symbol = symbols.find(({ description }) => description === 'private:Kafka:createCluster')
  if (symbol === undefined) throw new Error('this kafkajs hides its cluster elsewhere')
  const create = (kafka as unknown as Record<symbol, (options: object) => Cluster>)[symbol]
  if (create === undefined) throw new Error('this kafkajs has no cluster')
  return create({ metadataMaxAge: 5_000, allowAutoTopicCreation: false })
}

function toStored({ headers, key, offset, timestamp, value }: FetchedMessage): StoredRecord {
  const list = Object.entries(headers).flatMap(([name, values]): StoredHeader[] =>
    [values].flat().map((one) => ({ key: name, value: one.toString('base64') })),
  )
  const toText = (bytes: Buffer | null) => bytes?.toString('base64') ?? null
  return {
    offset: Number(offset),
    timestampMs: Number(timestamp),
    key: toText(key),
    value: toText(value),
    headers: list,
  }
}

function toMessage({ headers = [], key, timestampMs, value }: AppendRecord, partition: number): Message {
  const toBytes = (base64: string | null) => (base64 === null ? null : Buffer.from(base64, 'base64'))
  const byName = Map.groupBy(headers, (header) => header.key)
  return {
    partition,
    key: toBytes(key),
    value: toBytes(value),
    headers: Object.fromEntries(
      [...byName].map(([name, all]) => [name, all.map((one) => Buffer.from(one.value, 'base64'))]),
    ),
    ...(timestampMs === undefined ? {} : { timestamp: String(timestampMs) }),
  }
}

function unknownOrThrow(error: unknown): null {
  if (typeOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return null
  throw error
}

function isWithoutLeader(error: unknown): boolean {
  return ['NOT_LEADER_FOR_PARTITION', 'LEADER_NOT_AVAILABLE'].includes(String(typeOf(error)))
}

function typeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'type' in error ? error.type : undefined
}
