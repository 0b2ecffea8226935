// Stubs of the objects that produce to Kafka brokers.
import { configOf } from '../config/parse-config.ts'
import { objectStub } from './object-stub.ts'

/**
 * Number of producer objects, each with its own broker connections. A call may go to any of them: a caller that needs
 * order awaits each call before the next. Records with an idempotency key go to the object that their key chooses, because
 * it alone knows whether it has produced them.
 */
export const PRODUCER_COUNT = 8

/** Returns the stub of one KafkaProducer object; `index` is from 0 to below PRODUCER_COUNT. */
export function kafkaProducerStub(env: Env, index: number) {
  return objectStub(env, env.KAFKA_PRODUCER, `producer-${index}`, configOf(env).placement.followers)
}
