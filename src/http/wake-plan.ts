// Which followers are woken, and what a failure to wake one means to the others. Pure. Used by wake-followers.ts.
import type { TopicPartition } from '../core/events/kafka-record.ts'
import type { Wake, WakeResult } from '../rpc/follower.ts'

export interface WakePlanDeps {
  readonly topics: readonly string[]
  partitions(topic: string): Promise<readonly number[]>
  /** Returns the partition after the last one that the topic had when it was first looked for. `count` is that of now. */
  firstSeen(topic: string, count: number): Promise<number>
  /** Wakes followers. Must not reject. */
  nudge(wakes: readonly Wake[]): Promise<readonly WakeResult[]>
  /** Reports a topic that could not be listed, or a follower that could not be woken. The next wake is within a minute. */
  failed(follower: Partial<TopicPartition>, error: unknown): void
}

/**
 * Wakes the followers of all topics, or of those that `wanted` names. A topic that cannot be listed does not keep the
 * others asleep. Only partitions that the log has are woken: to name a follower is to create it. A partition that was not
 * there when its topic was first looked for is `isLate`: it is read from its start. Returns the followers it tried to wake.
 */
export async function wakeAll(deps: WakePlanDeps, wanted: Partial<TopicPartition>): Promise<readonly TopicPartition[]> {
  const topics = deps.topics.filter((topic) => topic === (wanted.topic ?? topic))
  const lists = await Promise.all(topics.map((topic) => listFollowers(deps, topic)))
  const wakes = lists.flat().filter(({ partition }) => partition === (wanted.partition ?? partition))
  for (const result of await deps.nudge(wakes)) {
    if (!result.ok) deps.failed({ topic: result.topic, partition: result.partition }, result.error)
  }
  return wakes.map(({ partition, topic }) => ({ topic, partition }))
}

async function listFollowers(deps: WakePlanDeps, topic: string): Promise<readonly Wake[]> {
  try {
    const partitions = await deps.partitions(topic)
    // Shards of Kinesis that have ended leave gaps between partitions.
    const firstSeen = await deps.firstSeen(topic, Math.max(-1, ...partitions) + 1)
    return partitions.map((partition) => ({ topic, partition, isLate: partition >= firstSeen }))
  } catch (error) {
    deps.failed({ topic }, error)
    return []
  }
}
