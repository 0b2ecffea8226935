// Who is woken, and what a failure to wake one means to the others. Pure; schedule.ts puts it to work.
import type { TopicPartition } from '../core/log-record.ts'

export interface WakeDeps {
  readonly topics: readonly string[]
  partitions(topic: string): Promise<readonly number[]>
  nudge(follower: TopicPartition): Promise<void>
  /** Nobody is told but the operator: the next wake comes within the minute. */
  failed(follower: Partial<TopicPartition>, error: unknown): void
}

/**
 * One topic that cannot be listed, or one follower that cannot be woken, does not keep the others asleep. Only what the
 * log has is woken: to name a follower is to create it, and the Directory would tell it of every interest from then on.
 */
export async function wakeAll(deps: WakeDeps, wanted: Partial<TopicPartition>): Promise<void> {
  const topics = deps.topics.filter((topic) => topic === (wanted.topic ?? topic))
  const lists = await Promise.all(topics.map((topic) => listFollowers(deps, topic)))
  const followers = lists.flat().filter(({ partition }) => partition === (wanted.partition ?? partition))
  await Promise.all(followers.map((follower) => wake(deps, follower)))
}

async function listFollowers(deps: WakeDeps, topic: string): Promise<readonly TopicPartition[]> {
  try {
    return (await deps.partitions(topic)).map((partition) => ({ topic, partition }))
  } catch (error) {
    deps.failed({ topic }, error)
    return []
  }
}

async function wake(deps: WakeDeps, follower: TopicPartition): Promise<void> {
  try {
    await deps.nudge(follower)
  } catch (error) {
    deps.failed(follower, error)
  }
}
