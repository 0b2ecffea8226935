// Following a real Kafka: what is measured, and what both files beside it need. Needs Java 17, as `npm run kafka` does.
import { startCluster } from '../kafka/cluster.ts'
import type { Figure } from './figure.ts'
import { kafkaBacklog } from './kafka-backlog.ts'
import { kafkaLatency } from './kafka-latency.ts'
import { PARTITIONS } from './kafka-rig.ts'

const PORT = 29_492

export async function kafka(): Promise<readonly Figure[]> {
  const cluster = await startCluster({ nodes: 1, port: PORT, partitions: PARTITIONS, sasl: false })
  try {
    return [...(await kafkaBacklog(cluster)), ...(await kafkaLatency(cluster))]
  } finally {
    await cluster.stop()
  }
}
