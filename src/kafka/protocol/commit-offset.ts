// Writes an offset down for a consumer group, for Kafka's own tools to see the lag. Nobody reads it back: a follower's
// place is its checkpoint.
import type { LogPosition } from '../../core/events/kafka-record.ts'
import { findCoordinator, offsetCommit } from './api/groups.ts'
import type { Cluster } from './cluster.ts'
import { throwIfError } from './errors.ts'

const REQUEST_TIMEOUT_MS = 10_000

/** A broker that coordinates its first group makes the topic for it, and takes a moment. */
export async function commitOffset(cluster: Cluster, group: string, position: LogPosition): Promise<void> {
  const { topic, partition, offset } = position
  await cluster.retrying(async () => {
    const { errorCode, message, broker } = await cluster.askAny(findCoordinator, group)
    throwIfError(errorCode, `finding the coordinator of group ${group}`, message)
    const connection = await cluster.connection(broker, 'control')
    const code = await connection.send(offsetCommit, { group, topic, partition, offset }, REQUEST_TIMEOUT_MS)
    throwIfError(code, `committing ${topic}/${partition} for group ${group}`)
  })
}
