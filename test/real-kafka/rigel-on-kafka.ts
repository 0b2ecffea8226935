// What a test of the whole needs: a real Kafka, Rigel as `npm start` runs it, following it, and clients of every transport.
import { startCluster, type Cluster as KafkaCluster, type ClusterOptions } from '../../scripts/kafka/cluster.ts'
import { connectLongpolling, connectRigelSocket, connectSse, type Client } from '../e2e/clients.ts'
import { Rigel, until } from '../e2e/rigel.ts'
import type { Produced } from '../e2e/topic.ts'
import { ADDRESSED, BROADCAST, settle, TOPIC, TopicOfEvents } from './events.ts'
import { closeAllSockets } from './node-socket.ts'

export const INTERNAL_TOKEN = 'a-token-of-the-kafka-tests'

export class RigelOnKafka {
  readonly kafka: KafkaCluster
  readonly rigel: Rigel
  readonly clients: Client[] = []
  readonly #events: TopicOfEvents

  private constructor(kafka: KafkaCluster, rigel: Rigel) {
    this.kafka = kafka
    this.rigel = rigel
    this.#events = new TopicOfEvents(kafka.brokers.plain)
  }

  static async start(
    cluster: ClusterOptions,
    variables: (kafka: KafkaCluster) => Record<string, string>,
  ): Promise<RigelOnKafka> {
    const kafka = await startCluster(cluster)
    await createTopics(kafka, cluster.nodes)
    return new RigelOnKafka(kafka, await startRigel(variables(kafka)))
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

  produce(rounds: number, everyMs = 0): Promise<void> {
    return this.#events.produce(rounds, everyMs)
  }

  async settle(withinMs = 60_000): Promise<void> {
    await settle(this.clients, await this.readTopic(), withinMs)
  }

  readTopic(): Promise<readonly Produced[]> {
    return this.#events.read()
  }

  internal(path: string): Promise<{ readonly status: number; readonly body: string }> {
    return askInternal(this.rigel, path)
  }

  async end(): Promise<void> {
    for (const client of this.clients) client.close()
    await this.#events.disconnect()
    closeAllSockets()
    await this.rigel.end()
    await this.kafka.stop()
  }
}

export async function createTopics(kafka: KafkaCluster, nodes: number): Promise<void> {
  const replicas = String(Math.min(3, nodes))
  for (const topic of [TOPIC, 'rig-dead-letter']) {
    const shape = ['--partitions', '2', '--replication-factor', replicas]
    await kafka.tool('kafka-topics', ['--create', '--topic', topic, ...shape])
  }
}

/** From the start of the topic; its internal API is open to askInternal. */
export function startRigel(variables: Readonly<Record<string, string>>, port?: number): Promise<Rigel> {
  return Rigel.start({ KAFKA_AUTO_OFFSET_RESET: 'earliest', INTERNAL_TOKEN, ...variables }, port)
}

export async function askInternal(rigel: Rigel, path: string) {
  const headers = { authorization: `Bearer ${INTERNAL_TOKEN}` }
  const response = await fetch(`${rigel.origin}/_rig/api/${path}`, { headers })
  return { status: response.status, body: await response.text() }
}
