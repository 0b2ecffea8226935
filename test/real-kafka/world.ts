// What a test of the whole needs: a real Kafka, Rigel as `npm start` runs it, following it, and clients of every transport;
// and the truth, which is what the topic holds in the end.
import assert from 'node:assert/strict'
import { Kafka, logLevel, type Producer as KafkajsProducer } from 'kafkajs'
import { startCluster, type Cluster as KafkaCluster, type ClusterOptions } from '../../scripts/kafka/cluster.ts'
import { connectLongpolling, connectRigelSocket, connectSse, type Client } from '../e2e/clients.ts'
import { Rigel, until } from '../e2e/rigel.ts'
import type { Produced } from '../e2e/topic.ts'
import { connectTo, readAll, text } from './connect.ts'
import { closeAllSockets } from './node-socket.ts'

export const TOPIC = 'rig'
export const INTERNAL_TOKEN = 'a-token-of-the-kafka-tests'
export const BROADCAST = 'test.broadcast'
export const ADDRESSED = 'test.addressed'

export class World {
  readonly kafka: KafkaCluster
  readonly rigel: Rigel
  readonly clients: Client[] = []
  #producer: KafkajsProducer | undefined
  #count = 0

  private constructor(kafka: KafkaCluster, rigel: Rigel) {
    this.kafka = kafka
    this.rigel = rigel
  }

  static async start(
    cluster: ClusterOptions,
    variables: (kafka: KafkaCluster) => Record<string, string>,
  ): Promise<World> {
    const kafka = await startCluster(cluster)
    const replicas = String(Math.min(3, cluster.nodes))
    for (const topic of [TOPIC, 'rig-dead-letter']) {
      await kafka.tool('kafka-topics', [
        '--create',
        '--topic',
        topic,
        '--partitions',
        '2',
        '--replication-factor',
        replicas,
      ])
    }
    const common = { KAFKA_AUTO_OFFSET_RESET: 'earliest', INTERNAL_TOKEN }
    return new World(kafka, await Rigel.start({ ...common, ...variables(kafka) }))
  }

  /** Of each transport, one for alice and one for nobody. */
  async connectClients(): Promise<void> {
    for (const user of ['alice', null]) {
      const token = user === null ? null : await this.rigel.mintToken(user)
      const options = { origin: this.rigel.origin, user, token, types: [BROADCAST], addressedTypes: [ADDRESSED] }
      for (const connect of [connectSse, connectRigelSocket, connectLongpolling]) this.clients.push(connect(options))
    }
    await this.produce(1)
    await until('every client sees the first event', () => this.clients.every(({ seen }) => seen.length > 0), 30_000)
  }

  /** Rounds of an event for alice and one for everybody, each when the one before it is stored. */
  async produce(rounds: number, everyMs = 0): Promise<void> {
    const producer = await this.#connectProducer()
    for (let round = 0; round < rounds; round += 1) {
      for (const recipients of [['alice'], undefined]) {
        const event = this.#makeEvent(recipients)
        await producer.send({
          topic: TOPIC,
          acks: -1,
          messages: [{ key: event.data.key, value: JSON.stringify(event) }],
        })
      }
      if (everyMs > 0) await new Promise((resolve) => setTimeout(resolve, everyMs))
    }
  }

  /** Every client has all that is for it, once each, and of each key in order. */
  async settle(withinMs = 60_000): Promise<void> {
    const all = await this.readTopic()
    for (const client of this.clients) {
      const isFor = ({ type }: Produced) => type === BROADCAST || (type === ADDRESSED && client.user === 'alice')
      const wanted = all.filter(isFor).map(({ id }) => id)
      await until(`${client.name} has all ${wanted.length}`, () => client.seen.length >= wanted.length, withinMs)
      assert.deepEqual(client.seen.map(({ id }) => id).toSorted(), wanted.toSorted(), client.name)
      for (const key of new Set(client.seen.map(({ data }) => data.key))) {
        const numbers = client.seen.filter(({ data }) => data.key === key).map(({ data }) => data.n)
        assert.deepEqual(
          numbers,
          numbers.toSorted((a, b) => a - b),
          `${client.name}: ${key} in order`,
        )
      }
    }
  }

  /** What was produced twice, because an answer got lost, stands there twice, and is to be seen twice. */
  async readTopic(): Promise<readonly Produced[]> {
    const cluster = connectTo(this.kafka.brokers.plain)
    const partitions = await cluster.partitions(TOPIC)
    const lists = await Promise.all(partitions.map((partition) => readAll(cluster, TOPIC, partition)))
    return lists.flat().flatMap(({ value }) => parseEvent(text(value)))
  }

  async internal(path: string): Promise<{ readonly status: number; readonly body: string }> {
    const headers = { authorization: `Bearer ${INTERNAL_TOKEN}` }
    const response = await fetch(`${this.rigel.origin}/_rig/api/${path}`, { headers })
    return { status: response.status, body: await response.text() }
  }

  async end(): Promise<void> {
    for (const client of this.clients) client.close()
    await this.#producer?.disconnect().catch(() => undefined)
    closeAllSockets()
    await this.rigel.end()
    await this.kafka.stop()
  }

  #makeEvent(recipients: readonly string[] | undefined) {
    const n = (this.#count += 1)
    const key = `k${n % 5}`
    const data = recipients ? { key, n, recipients } : { key, n }
    return { specversion: '1.0', id: `${n}`, source: '/test', type: recipients ? ADDRESSED : BROADCAST, data }
  }

  async #connectProducer(): Promise<KafkajsProducer> {
    if (this.#producer !== undefined) return this.#producer
    const retry = { retries: 60, initialRetryTime: 200, maxRetryTime: 1_000 }
    const kafka = new Kafka({ brokers: this.kafka.brokers.plain.split(','), logLevel: logLevel.NOTHING, retry })
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, retry })
    await producer.connect()
    this.#producer = producer
    return producer
  }
}

function parseEvent(value: string | null): Produced[] {
  try {
    return [JSON.parse(value ?? '') as Produced]
  } catch {
    return []
  }
}
