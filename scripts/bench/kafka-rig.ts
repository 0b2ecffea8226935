// Starts a Rigel that follows a topic, and kafkajs, which it is compared with. For kafka-backlog.ts and kafka-latency.ts.
import { Kafka, logLevel } from 'kafkajs'
import type { Cluster } from '../kafka/cluster.ts'
import { pause } from './figure.ts'
import { startRig, type Rig } from './rig.ts'

export const PARTITIONS = 4
/** The first topic of a Rigel that follows another source. It has posted events only. */
export const NO_KAFKA = 'none'
/** Ten times what the slowest adapter takes. */
const PATIENCE_MS = 300_000
/** The rest takes about 100 ms of a backlog by the protocol. */
const NEARLY_ALL = 0.98
const INTERNAL_TOKEN = 'a-token-of-the-bench'

export function startFollowing(
  topic: string,
  reset: 'earliest' | 'latest',
  source: Readonly<Record<string, string>>,
): Promise<Rig> {
  return startRig({ KAFKA_SOURCE_TOPICS: topic, KAFKA_AUTO_OFFSET_RESET: reset, INTERNAL_TOKEN, ...source })
}

export function kafkajs(cluster: Cluster): Kafka {
  return new Kafka({ brokers: cluster.brokers.plain.split(','), logLevel: logLevel.NOTHING })
}

/** A rig begins to follow with its first request, which has been answered. */
export async function untilFollowed(rig: Rig, records: number): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS
  for (let followed = 0; (followed = await recordsOf(rig)) < records;) {
    if (performance.now() > deadlineMs) throw new Error(`not all of ${records} records were followed in time`)
    // To ask costs the follower time, and to ask late at the end counts as its time.
    await pause(followed < records * NEARLY_ALL ? 100 : 10)
  }
}

async function recordsOf(rig: Rig): Promise<number> {
  const headers = { authorization: `Bearer ${INTERNAL_TOKEN}` }
  const response = await fetch(`${rig.origin}/_rig/api/v3/followers`, { headers })
  const { followers } = (await response.json()) as { followers: { counters: { records: number } | null }[] }
  return followers.reduce((sum, { counters }) => sum + (counters?.records ?? 0), 0)
}
