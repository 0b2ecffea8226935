// Wakes followers, and has the Directory make sure that they know the current interest. Called by the cron, by the first
// request of an isolate, and by a nudge in the queue. A follower that runs already takes no notice.
import { logFailure } from '../following/telemetry/log-following.ts'
import { logIncident } from '../telemetry/incident-log.ts'
import { configOf } from '../config/parse-config.ts'
import { followedTopics, isFollowedHere, sourceTopics } from '../config/sources/topic-roles.ts'
import type { TopicPartition } from '../core/events/kafka-record.ts'
import { directoryStub } from '../rpc/directory.ts'
import { createEventLog } from '../sources/create-event-log.ts'
import { listFollowedTopics } from '../sources/followed-topics.ts'
import { nudgeFollowers } from '../rpc/follower.ts'
import { wakeAll, type WakePlanDeps } from './wake-plan.ts'

/** Returns true if every source topic exists. */
export async function wakeFollowers(env: Env, wanted: Partial<TopicPartition> = {}): Promise<boolean> {
  const config = configOf(env)
  const log = createEventLog(env, config)
  const named = new Set(followedTopics(config))
  const deps: WakePlanDeps = {
    topics: [...named],
    matched: async () => (await listFollowedTopics(config, log)).filter((topic) => !named.has(topic)),
    partitions: (topic) => log.partitions(topic),
    // The embedded log is read from its start anyway.
    firstSeen: async (topic, count) =>
      isFollowedHere(config, topic) ? count : directoryStub(env).firstSeenPartitions(topic, count),
    firstSeenMatched: async (counts) =>
      counts.length === 0 ? [] : directoryStub(env).firstSeenMatched(config.kafka.topicPatterns.join(), counts),
    nudge: (wakes) => nudgeFollowers(env, wakes),
    failed: (follower, error) => logFailure('follower not woken', follower, error),
  }
  const refreshing = directoryStub(env)
    .refreshFollowers()
    .catch((error: unknown) => logIncident('interest of followers not refreshed', {}, { error: String(error) }))
  const woken = new Set((await wakeAll(deps, wanted)).map(({ topic }) => topic))
  await refreshing
  return sourceTopics(config).every((topic) => woken.has(topic))
}
