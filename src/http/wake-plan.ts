// Who is woken, and what a failure to wake one means to the others. Pure; schedule.ts puts it to work.
import type { TopicPartition } from '../core/events/kafka-record.ts'

export interface WakePlanDeps {
  readonly topics: readonly string[]
  partitions(topic: string): Promise<readonly number[]>
  /** How many partitions a topic had when it was first looked for; asked with how many it has now. */
  firstSeen(topic: string, count: number): Promise<number>
  /** `isLate`: a partition that was not there when the topic was first looked for, so that everything in it is news. */
  nudge(follower: TopicPartition, isLate: boolean): Promise<void>
  /** Nobody is told but the operator: the next wake comes within the minute. */
  failed(follower: Partial<TopicPartition>, error: unknown): void
}

/**
 * One topic that cannot be listed, or one follower that cannot be woken, does not keep the others asleep. Only what the
 * log has is woken: to name a follower is to create it, and the Directory would tell it of every interest from then on.
 * Answers whom it tried to wake.
 */
export async function wakeAll(deps: WakePlanDeps, wanted: Partial<TopicPartition>): Promise<readonly TopicPartition[]> {
  const topics = deps.topics.filter((topic) => topic === (wanted.topic ?? topic))
  const lists = await Promise.all(topics.map((topic) => listFollowers(deps, topic)))
  const followers = lists.flat().filter(({ partition }) => partition === (wanted.partition ?? partition))
  await Promise.all(followers.map((follower) => wake(deps, follower)))
  return followers
}

interface Found extends TopicPartition {
  readonly isLate: boolean
}

async function listFollowers(deps: WakePlanDeps, topic: string): Promise<readonly Found[]> {
  try {
    const partitions = await deps.partitions(topic)
    const firstSeen = await deps.firstSeen(topic, partitions.length)
    return partitions.map((partition) => ({ topic, partition, isLate: partition >= firstSeen }))
  } catch (error) {
    deps.failed({ topic }, error)
    return []
  }
}

async function wake(deps: WakePlanDeps, { isLate, ...follower }: Found): Promise<void> {
  try {
    await deps.nudge(follower, isLate)
  } catch (error) {
    deps.failed(follower, error)
  }
}
