// The door to the Durable Objects of this room: the one place that makes their stubs.
import type { TopicPartition } from '../core/log-record.ts'

export function embeddedLogStub(env: Env, { topic, partition }: TopicPartition) {
  return env.EMBEDDED_LOG.getByName(`${topic}/${partition}`)
}

export function embeddedBrokerStub(env: Env) {
  return env.EMBEDDED_BROKER.getByName('broker')
}

/**
 * How many objects produce to brokers. Each holds its own connections; a call goes to any of them, and what has to stay in
 * order waits for its answer anyway.
 */
const PRODUCERS = 8

export function kafkaProducerStub(env: Env, random: number) {
  return env.KAFKA_PRODUCER.getByName(`producer-${Math.floor(random * PRODUCERS)}`)
}
