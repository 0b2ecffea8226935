// Contract of followers: their names, their status, their stubs, and calls to many of them by a tree of relays. One
// object follows one topic-partition.
import { configOf } from '../config/parse-config.ts'
import { isFollowedHere } from '../config/sources/topic-roles.ts'
import { scatterGather, type Outcome } from '../core/delivery/scatter-gather.ts'
import { partitionName, type TopicPartition } from '../core/events/kafka-record.ts'
import type { InterestUpdate } from '../core/interest/ledger.ts'
import type { InterestVersion } from '../core/interest/table.ts'
import type { ShardMap } from '../core/shard-map/shard-map.ts'
import { withTimeout } from '../core/time/timeout.ts'
import { embeddedLogStub } from './embedded-kafka.ts'
import { objectStub } from './object-stub.ts'

/** A follower's checkpoint: how far it has read, and what it has counted since it first started. */
export interface FollowerCounters {
  /** The next offset to fetch. */
  readonly offset: number
  /** How often offsets have started anew: the topic was created anew, or the offset was out of range. */
  readonly generation: number
  /** Id of the topic that the offset belongs to. Null: the log has no topic ids. */
  readonly topicId: string | null
  /** The source's own name of the offset, where it does not number records: a sequence number of Kinesis, or `end`. */
  readonly cursor?: string | null
  readonly records: number
  readonly deadLetters: number
  /** Records that a rule of TOPICS dropped: by its filter, or as tombstones. */
  readonly dropped: number
  /** Records that retention removed before they could be read. */
  readonly lost: number
}

/** Why and where a record became a dead letter. */
export interface DeadLetterInfo {
  /** The reason's code, as in the header `rigel-reason-code`. */
  readonly code: string
  /** One line for an operator. */
  readonly reason: string
  /** The entry of TOPICS that applied; null if none did. */
  readonly rule: string | null
  /** Offset of the record in the follower's partition. */
  readonly offset: number
  /** Timestamp of the record, milliseconds since the epoch. */
  readonly timestampMs: number
}

/** The dead letters of one follower. */
export interface DeadLetterStatus {
  /** Reason code → number of dead letters. Dead letters that versions before 0.2 counted have no reason. */
  readonly byReason: Readonly<Record<string, number>>
  readonly last: DeadLetterInfo | null
}

/** The status of one follower, as `GET followers` and the metrics show it. */
export interface FollowerStatus {
  /** Null: the follower has not started. */
  readonly counters: FollowerCounters | null
  /** Records between the checkpoint and the end of the log. Null: not started, or the log does not answer. */
  readonly lag: number | null
  /** The newest update of interest that was applied. Null: none yet. */
  readonly interest: InterestVersion | null
  readonly running: boolean
  readonly deadLetters: DeadLetterStatus
  /** Failed runs in a row. */
  readonly failures: number
  readonly lastError: string | null
}

/** A follower's progress, for a shard whose client joins at an offset. */
export interface FollowerProgress {
  readonly generation: number
  /** No record at or after this offset has been routed. Such records are routed by the interest at that time. */
  readonly planned: number
  /** The offset that the next record will get. Null: the log does not answer, or was not asked. */
  readonly latest: number | null
  /** All shards have what they get of records before this offset. Absent in answers of older versions. */
  readonly done?: number
  /** The number of shards by which it routes. */
  readonly shards: number
}

/** A shard has come to want a table. `fillId`: of this filling; another one begins from the start. */
export interface FillRequest {
  readonly shard: number
  readonly type: string
  readonly fillId: string
}

/** `done`: the shard has every row of the partition, and changes come. Else it asks again. */
export interface FillAnswer {
  readonly done: boolean
}

/** What a follower has after an update. */
export interface InterestState {
  /** Null: the follower needs a complete update. */
  readonly version: number | null
  /** Shards whose interest this epoch of the Directory does not know: it asks them to declare it. */
  readonly orphans: readonly number[]
  /** The newest shard map that the follower has. Absent in answers of older versions, which have none. */
  readonly shardMap?: ShardMap
  /** All events that the follower has sent were routed by this version of the map, or a newer one. */
  readonly writesBy?: number
}

/** The outcome of an interest update at one follower. */
export type FollowerResult = TopicPartition & Outcome<InterestState>

/**
 * Calls per invocation of a tree over followers, in two rounds: six calls of an invocation wait for an answer at once.
 * 2,000 followers are reached in four levels.
 */
const FOLLOWER_FAN_OUT = 12

const CONCURRENT_CALLS = 6

/**
 * A follower that hangs must not delay the others. An update that it applies too late is older than the next one it
 * gets.
 */
const TIMEOUT_MS = 5_000

/** The embedded log's follower resolves a nudge when it has caught up. */
const WAKE_TIMEOUT_MS = 60_000

/** A relay gives up before its caller does, so that the caller gets its results. */
const TIMEOUT_STEP_MS = 500

/** Sends an update to all these followers. Never rejects. */
export function notifyFollowers(
  env: Env,
  followers: readonly TopicPartition[],
  update: InterestUpdate,
  timeoutMs = TIMEOUT_MS,
): Promise<readonly FollowerResult[]> {
  return askAll(env, followers, timeoutMs, (first, group, othersMs) => first.relayInterest(update, group, othersMs))
}

/** Calls the first follower of each group, which calls the others of its group within `othersMs`. Never rejects. */
function askAll<Target extends TopicPartition, T>(
  env: Env,
  targets: readonly Target[],
  timeoutMs: number,
  relay: (
    first: FollowerStub,
    group: readonly Target[],
    othersMs: number,
  ) => Promise<readonly (TopicPartition & Outcome<T>)[]>,
): Promise<readonly (TopicPartition & Outcome<T>)[]> {
  const ask = (first: Target, group: readonly Target[]) =>
    withTimeout(relay(followerStub(env, first), group, timeoutMs - TIMEOUT_STEP_MS), timeoutMs)
  return scatterGather(ask, targets, FOLLOWER_FAN_OUT, toFailure, CONCURRENT_CALLS)
}

function toFailure({ topic, partition }: TopicPartition, error: string) {
  return { topic, partition, ok: false as const, error }
}

/** One follower's status, or the reason why it is not known. */
export type FollowerReport = TopicPartition & Outcome<FollowerStatus>

/** Asks all these followers for their status. Never rejects. */
export function followerStatuses(
  env: Env,
  followers: readonly TopicPartition[],
  timeoutMs = TIMEOUT_MS,
): Promise<readonly FollowerReport[]> {
  return askAll(env, followers, timeoutMs, (first, group, othersMs) => first.relayStatus(group, othersMs))
}

/** A topic-partition to nudge. `isLate`: see FollowerStub.nudge. */
export interface Wake extends TopicPartition {
  readonly isLate: boolean
}

/** The outcome of one nudge. */
export type WakeResult = TopicPartition & Outcome<null>

/** Nudges all these followers. Never rejects. */
export function nudgeFollowers(
  env: Env,
  wakes: readonly Wake[],
  timeoutMs = WAKE_TIMEOUT_MS,
): Promise<readonly WakeResult[]> {
  return askAll(env, wakes, timeoutMs, (first, group, othersMs) => first.relayNudge(group, othersMs))
}

/** The object that follows a topic-partition: a TopicFollower, or the embedded log's partition itself. */
export interface FollowerStub {
  /** Reads on. `isLate`: the partition was created after the topic was first looked for, and is read from its start. */
  nudge(isLate?: boolean): Promise<void>
  status(): Promise<FollowerStatus>
  /** Null: it has not started. The log is asked for its end if the offset is not planned yet. */
  progress(offset: number): Promise<FollowerProgress | null>
  /** Sends a shard the rows of a table that are in the partition. Absent in older versions. */
  fillTable(request: FillRequest): Promise<FillAnswer>
  /** These three are for a group of followers, of which this is the first: see notifyFollowers and its like. */
  relayInterest(...call: RelayedUpdate): Promise<readonly FollowerResult[]>
  relayNudge(...call: RelayedNudge): Promise<readonly WakeResult[]>
  relayStatus(...call: RelayedStatus): Promise<readonly FollowerReport[]>
}

/** Arguments of FollowerStub.relayInterest. `timeoutMs`: how long the others of the group have to answer. */
export type RelayedUpdate = [update: InterestUpdate, group: readonly TopicPartition[], timeoutMs: number]
/** Arguments of FollowerStub.relayNudge. */
export type RelayedNudge = [group: readonly Wake[], timeoutMs: number]
/** Arguments of FollowerStub.relayStatus. */
export type RelayedStatus = [group: readonly TopicPartition[], timeoutMs: number]

/**
 * Returns the stub of the follower of a topic-partition: the embedded log's own object for topics that are followed
 * there, otherwise a TopicFollower.
 */
export function followerStub(env: Env, at: TopicPartition): FollowerStub {
  return isFollowedHere(configOf(env), at.topic) ? embeddedLogStub(env, at) : topicFollowerStub(env, at)
}

function topicFollowerStub(env: Env, at: TopicPartition) {
  return objectStub(env, env.TOPIC_FOLLOWER, partitionName(at), configOf(env).placement.followers)
}

/**
 * Stops the TopicFollower of a partition of the embedded log that has no checkpoint yet. Returns the checkpoint of that
 * TopicFollower, or null if there was none. Throws while that object still runs an older version of Rigel: it is then
 * nudged to follow on, and the caller tries again.
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

/** Parses a follower's name, `<topic>/<partition>`. Topic names of Kafka have no slash. */
export function parseFollowerName(name: string): TopicPartition {
  const slash = name.lastIndexOf('/')
  return { topic: name.slice(0, slash), partition: Number(name.slice(slash + 1)) }
}
