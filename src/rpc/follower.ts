// Contract of TopicFollower: its names, its status, and its stub. One object follows one topic-partition.
import { configOf, isFollowedHere } from '../config/parse-config.ts'
import { partitionName, type TopicPartition } from '../core/events/kafka-record.ts'
import { embeddedLogStub } from './embedded-kafka.ts'
import type { InterestChange } from './interest.ts'

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

/** Whatever follows a topic-partition: a TopicFollower, or the embedded log's partition itself. */
export interface FollowerStub {
  /** Reads on. `isLate`: the partition was created after the topic was first looked for, and is read from its start. */
  nudge(isLate?: boolean): Promise<void>
  /** Resolves when the change is applied. */
  applyInterest(change: InterestChange): Promise<void>
  status(): Promise<FollowerStatus>
}

export function followerStub(env: Env, at: TopicPartition): FollowerStub {
  return isFollowedHere(configOf(env), at.topic) ? embeddedLogStub(env, at) : topicFollowerStub(env, at)
}

function topicFollowerStub(env: Env, at: TopicPartition) {
  return env.TOPIC_FOLLOWER.getByName(partitionName(at))
}

/**
 * Called by a partition of the embedded log that has no checkpoint yet. Returns that of the TopicFollower which followed it
 * so far, and which no longer does; null if there was none. Throws while that object still runs an older version of Rigel:
 * it is then told to follow, and the caller tries again.
 */
export async function takeOverFollower(env: Env, at: TopicPartition): Promise<FollowerCounters | null> {
  const follower = topicFollowerStub(env, at)
  try {
    return await follower.handOver()
  } catch (error) {
    await follower.nudge()
    throw error
  }
}

/** The topic-partition of a follower's name, `<topic>/<partition>`. Topic names of Kafka have no slash. */
export function parseFollowerName(name: string): TopicPartition {
  const slash = name.lastIndexOf('/')
  return { topic: name.slice(0, slash), partition: Number(name.slice(slash + 1)) }
}
