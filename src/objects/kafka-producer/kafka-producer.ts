// KafkaProducer: a Durable Object that produces to brokers for Workers and followers, and keeps connections and the
// idempotent producer's state in memory, which an eviction resets. Stores the idempotency keys of produced records.
// Called through rpc/kafka-producer.ts.
import { DurableObject } from 'cloudflare:workers'
import { configOf } from '../../config/parse-config.ts'
import type { NewRecord, ProducedRecord } from '../../core/events/kafka-record.ts'
import { createCluster } from '../../kafka/create-cluster.ts'
import { IdempotentProducer } from '../../kafka/protocol/producer.ts'
import { createProduceOnce } from './produce-once.ts'
import { ProducedKeys } from './produced-keys.ts'

const chance = { nowMs: () => Date.now(), random: () => Math.random() }

export class KafkaProducer extends DurableObject<Env> {
  readonly #brokers = brokersOf(this.env)
  readonly #cluster = createCluster(this.env, this.#brokers, chance)
  readonly #producer = new IdempotentProducer(this.#cluster, this.#brokers.compression, this.#brokers.partitioner)

  readonly #produceOnce = createProduceOnce({
    produce: (records) => this.#producer.produce(records),
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
    return this.#cluster.partitions(topic)
  }

  async topics(): Promise<readonly string[]> {
    return this.#cluster.topics()
  }
}

function brokersOf(env: Env) {
  const { brokers } = configOf(env).kafka
  if (brokers === null) throw new TypeError('KafkaProducer is for KAFKA_BROKERS, which is not set')
  return brokers
}
