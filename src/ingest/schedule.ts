// Wakes followers: called by the cron, by the first request of an isolate, and by a nudge in the queue. A follower that
// runs already takes no notice, so waking too often does no harm.
import { configOf, followedTopics } from '../config.ts'
import type { TopicPartition } from '../core/log-record.ts'
import { openLog } from '../kafka/open-log.ts'
import { followerStub } from './door.ts'
import { wakeAll, type WakeDeps } from './wake.ts'

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
