// One event from a producer to a client, beside a bare kafkajs consumer that writes to a bare WebSocket.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Cluster } from '../kafka/cluster.ts'
import type { Figure } from './figure.ts'
import { kafkajs, startFollowing } from './kafka-rig.ts'
import { sourceLatency } from './source-latency.ts'

const LATENCY = 'latency'

export async function kafkaLatency(cluster: Cluster): Promise<readonly Figure[]> {
  await cluster.tool('kafka-topics', ['--create', '--topic', LATENCY, '--partitions', '1'])
  const rig = await startFollowing(LATENCY, 'latest', { KAFKA_BROKERS: cluster.brokers.plain })
  const bare = await startBareConsumer(cluster)
  const producer = kafkajs(cluster).producer()
  await producer.connect()
  const figures = await sourceLatency({
    name: 'Kafka to WebSocket, beside kafkajs and ws',
    rigelOrigin: rig.wsOrigin,
    bareUrl: bare.url,
    send: (json) => producer.send({ topic: LATENCY, acks: -1, messages: [{ value: json }] }),
    goal: 2,
  })
  await producer.disconnect()
  bare.stop()
  rig.stop()
  return figures
}

async function startBareConsumer(cluster: Cluster): Promise<{ readonly url: string; stop(): void }> {
  const script = fileURLToPath(new URL('bare-consumer.ts', import.meta.url))
  const child = spawn(process.execPath, [script, cluster.brokers.plain, LATENCY], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  process.once('exit', () => child.kill())
  const [port] = (await once(child.stdout, 'data')) as [Buffer]
  return { url: `ws://127.0.0.1:${port.toString().trim()}`, stop: () => void child.kill() }
}
