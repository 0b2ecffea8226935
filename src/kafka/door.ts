// The door to the embedded log's Durable Objects: the one place that makes their stubs.
import type { TopicPartition } from '../core/log-record.ts'

export function embeddedLogStub(env: Env, { topic, partition }: TopicPartition) {
  return env.EMBEDDED_LOG.getByName(`${topic}/${partition}`)
}

export function embeddedBrokerStub(env: Env) {
  return env.EMBEDDED_BROKER.getByName('broker')
}
