// Contract of TopicFollower: its names, its status, and its stub. One object follows one topic-partition.
import { partitionName, type TopicPartition } from '../core/events/kafka-record.ts'

export interface FollowerCounters {
  /** The next offset to fetch. */
  readonly offset: number
  /** How often offsets have started anew: the topic was created anew, or the offset was out of range. */
  readonly generation: number
  /** Id of the topic that the offset belongs to. Null: the log has no topic ids. */
  readonly topicId: string | null
  readonly records: number
  readonly deadLetters: number
  /** Records that retention removed before they could be read. */
  readonly lost: number
}

export interface FollowerStatus {
  /** Null: the follower has not started. */
  readonly counters: FollowerCounters | null
  /** Records between the checkpoint and the end of the log. Null: not started, or the log does not answer. */
  readonly lag: number | null
  /** Version of the newest change of interest that was applied. Null: none yet. */
  readonly interestVersion: number | null
  readonly running: boolean
  /** Failed runs in a row. */
  readonly failures: number
  readonly lastError: string | null
}

export function followerStub(env: Env, partition: TopicPartition) {
  return env.TOPIC_FOLLOWER.getByName(partitionName(partition))
}

/** The topic-partition of a follower's name, `<topic>/<partition>`. Topic names of Kafka have no slash. */
export function parseFollowerName(name: string): TopicPartition {
  const slash = name.lastIndexOf('/')
  return { topic: name.slice(0, slash), partition: Number(name.slice(slash + 1)) }
}
