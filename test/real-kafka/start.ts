// Vitest's global setup: a real Kafka of one node for the tests of this folder, on the ports that vitest.kafka.config.ts
// names; gone with them.
import { startCluster } from '../../scripts/kafka/cluster.ts'
import { KAFKA_PORT } from './port.ts'

export default async function startKafka(): Promise<() => Promise<void>> {
  const cluster = await startCluster({ nodes: 1, port: KAFKA_PORT, partitions: 4, sasl: true })
  return () => cluster.stop()
}
