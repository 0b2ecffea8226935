// Wakes followers: called by the cron, by the first request of an isolate, and by a nudge in the queue. A follower that
// runs already takes no notice, so waking too often does no harm.
import { configOf, followedTopics } from '../config/parse-config.ts'
import type { TopicPartition } from '../core/events/kafka-record.ts'
import { directoryStub } from '../rpc/directory.ts'
import { createKafkaLog } from '../kafka/create-kafka-log.ts'
import { followerStub } from '../rpc/follower.ts'
import { wakeAll, type WakePlanDeps } from './wake-plan.ts'

/** Answers whether every source topic is there: one that is not yet may be, soon. */
export async function wakeFollowers(env: Env, wanted: Partial<TopicPartition> = {}): Promise<boolean> {
  const config = configOf(env)
  const log = createKafkaLog(env, config)
  const deps: WakePlanDeps = {
    topics: followedTopics(config),
    partitions: (topic) => log.partitions(topic),
    // The embedded log is read from its start anyway.
    firstSeen: async (topic, count) =>
      log.wakesFollowers ? count : directoryStub(env).firstSeenPartitions(topic, count),
    nudge: async (follower, isLate) => followerStub(env, follower).nudge(isLate),
    failed: (follower, error) => console.error({ message: 'follower not woken', ...follower, error: String(error) }),
  }
  const woken = new Set((await wakeAll(deps, wanted)).map(({ topic }) => topic))
  return config.kafka.topics.every((topic) => woken.has(topic))
}
