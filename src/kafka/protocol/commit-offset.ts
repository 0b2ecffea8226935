// Commits an offset for a consumer group, so that Kafka's tools show the lag. Rigel never reads it back: a follower's
// position is its checkpoint. Called by brokers-adapter.ts.
import type { LogPosition } from '../../core/events/kafka-record.ts'
import { findCoordinator, offsetCommit } from './api/groups.ts'
import type { Cluster } from './cluster.ts'
import { throwIfError } from './errors.ts'

const REQUEST_TIMEOUT_MS = 10_000

/**
 * Commits an offset of a group. Retries: a cluster creates its offsets topic when the first group commits, which takes
 * a moment.
 */
export async function commitOffset(cluster: Cluster, group: string, position: LogPosition): Promise<void> {
  const { topic, partition, offset } = position
  await cluster.withRetries(async () => {
    const { errorCode, message, broker } = await cluster.askAny(findCoordinator, group)
    throwIfError(errorCode, `finding the coordinator of group ${group}`, message)
    const connection = await cluster.connection(broker, 'control')
    const code = await connection.send(offsetCommit, { group, topic, partition, offset }, REQUEST_TIMEOUT_MS)
    throwIfError(code, `committing ${topic}/${partition} for group ${group}`)
  })
}
