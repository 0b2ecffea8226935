// Wakes every follower: called by the cron, and by the first request of an isolate. A follower that runs already
// takes no notice.
import { configOf } from '../config.ts'
import { openLog } from '../kafka/open-log.ts'
import { followerStub } from './door.ts'

/** One topic that cannot be listed, or one follower that cannot be woken, does not keep the others asleep. */
export async function wakeFollowers(env: Env): Promise<void> {
  const config = configOf(env)
  const log = openLog(env, config)
  await Promise.all(
    config.kafka.topics.map(async (topic) => {
      try {
        for (const partition of await log.partitions(topic)) await followerStub(env, { topic, partition }).nudge()
      } catch (error) {
        console.error({ message: 'followers not woken', topic, error: String(error) })
      }
    }),
  )
}
