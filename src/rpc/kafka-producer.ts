// Stubs of the objects that produce to Kafka brokers.

/**
 * Number of producer objects, each with its own broker connections. A call may go to any of them: a caller that needs
 * order awaits each call before the next.
 */
const PRODUCER_COUNT = 8

/** Returns the stub of one KafkaProducer object. `random` is in [0, 1) and chooses the object. */
export function kafkaProducerStub(env: Env, random: number) {
  return env.KAFKA_PRODUCER.getByName(`producer-${Math.floor(random * PRODUCER_COUNT)}`)
}
