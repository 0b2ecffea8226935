// The door to the followers: the one place that makes their stubs.
import type { TopicPartition } from '../core/events/kafka-record.ts'

export function followerStub(env: Env, { topic, partition }: TopicPartition) {
  return env.TOPIC_FOLLOWER.getByName(`${topic}/${partition}`)
}
