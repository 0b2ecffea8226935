// The KafkaLog over the Kafka protocol. Fetching keeps connections open, so only a follower's Durable Object should do it.
// Producing goes through KafkaProducer objects, which share their connections: a handshake per request would be too slow.
import type { BrokersConfig } from '../config/kafka-brokers.ts'
import { kafkaProducerStub } from '../rpc/kafka-producer.ts'
import type { KafkaLog } from './kafka-log.ts'
import { createCluster, type ClockAndRandom } from './create-cluster.ts'
import { anyProducer, produceByObjects } from './produce-by-objects.ts'
import { commitOffset } from './protocol/commit-offset.ts'
import { PartitionFetcher } from './protocol/partition-fetcher.ts'

/** Opens no connection before the first fetch. */
export function createBrokersKafkaLog(env: Env, brokers: BrokersConfig, chance: ClockAndRandom): KafkaLog {
  const cluster = createCluster(env, brokers, chance)
  const fetcher = new PartitionFetcher(cluster)
  return {
    wakesFollowers: false,
    partitions: async (topic) => kafkaProducerStub(env, anyProducer(chance)).partitions(topic),
    topics: async () => kafkaProducerStub(env, anyProducer(chance)).topics(),
    offsets: (topic, partition) => fetcher.offsets({ topic, partition }),
    fetch: (position, limits) => fetcher.fetch(position, limits),
    produce: (records) => produceByObjects(env, records, chance),
    commit: (group, position) => commitOffset(cluster, group, position),
  }
}
