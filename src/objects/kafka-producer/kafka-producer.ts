// KafkaProducer: a Durable Object that produces for Workers and followers, to brokers, and over REST proxies and Upstash the
// records with idempotency keys, which it stores once the record is durable. Keeps connections and the idempotent producer's
// state in memory, which an eviction resets. Called through rpc/kafka-producer.ts.
import { DurableObject } from 'cloudflare:workers'
import { configOf } from '../../config/parse-config.ts'
import type { NewRecord, ProducedRecord } from '../../core/events/kafka-record.ts'
import { createCluster } from '../../kafka/create-cluster.ts'
import { createDirectKafkaLog } from '../../kafka/create-kafka-log.ts'
import type { KafkaLog } from '../../kafka/kafka-log.ts'
import { IdempotentProducer } from '../../kafka/protocol/producer.ts'
import { createProduceOnce } from './produce-once.ts'
import { ProducedKeys } from './produced-keys.ts'

const chance = { nowMs: () => Date.now(), random: () => Math.random() }

export class KafkaProducer extends DurableObject<Env> {
  readonly #log = createProducer(this.env)

  readonly #produceOnce = createProduceOnce({
    produce: (records) => this.#log.produce(records),
    keys: new ProducedKeys(this.ctx.storage.sql, configOf(this.env).kafka.embedded.dedupe),
    nowMs: chance.nowMs,
  })

  /**
   * Resolves when every replica in sync has all of them. One whose idempotency key is known here is not produced
   * again.
   */
  async produce(records: readonly NewRecord[]): Promise<readonly ProducedRecord[]> {
    return this.#produceOnce(records)
  }

  async partitions(topic: string): Promise<readonly number[]> {
    return this.#log.partitions(topic)
  }

  async topics(): Promise<readonly string[]> {
    return (await this.#log.topics?.()) ?? []
  }
}

function createProducer(env: Env): Pick<KafkaLog, 'partitions' | 'produce' | 'topics'> {
  const config = configOf(env)
  const { brokers, restV3 } = config.kafka
  if (brokers === null) return createDirectKafkaLog(env, config)
  const cluster = createCluster(env, brokers, chance)
  const producer =
    restV3 === null
      ? new IdempotentProducer(cluster, brokers.compression, brokers.partitioner)
      : createDirectKafkaLog(env, config)
  return {
    partitions: (topic) => cluster.partitions(topic),
    topics: () => cluster.topics(),
    produce: (records) => producer.produce(records),
  }
}
