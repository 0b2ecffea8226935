// Wakes followers: called by the cron, by the first request of an isolate, and by a nudge in the queue. A follower that
// runs already takes no notice, so waking too often does no harm.
import { configOf, followedTopics } from '../config.ts'
import type { TopicPartition } from '../core/log-record.ts'
import { openLog } from '../kafka/open-log.ts'
import { followerStub } from './door.ts'

export interface WakeDeps {
  readonly topics: readonly string[]
  partitions(topic: string): Promise<readonly number[]>
  nudge(follower: TopicPartition): Promise<void>
  /** Nobody is told but the operator: the next wake comes within the minute. */
  failed(follower: Partial<TopicPartition>, error: unknown): void
}

export async function wakeFollowers(env: Env, wanted: Partial<TopicPartition> = {}): Promise<void> {
  const config = configOf(env)
  const log = openLog(env, config)
  const deps: WakeDeps = {
    topics: followedTopics(config),
    partitions: (topic) => log.partitions(topic),
    nudge: async (follower) => followerStub(env, follower).nudge(),
    failed: (follower, error) => console.error({ message: 'follower not woken', ...follower, error: String(error) }),
  }
  await wakeAll(deps, wanted)
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
