// Which followers are woken, and what a failure to wake one means to the others. Pure. Used by wake-followers.ts.
import type { TopicPartition } from '../core/events/kafka-record.ts'
import type { TopicCount } from '../rpc/directory.ts'
import type { Wake, WakeResult } from '../rpc/follower.ts'

export interface WakePlanDeps {
  readonly topics: readonly string[]
  /** Returns topics that patterns match besides. */
  matched(): Promise<readonly string[]>
  partitions(topic: string): Promise<readonly number[]>
  /** Returns the partition after the last one that the topic had when it was first looked for. `count` is that of now. */
  firstSeen(topic: string, count: number): Promise<number>
  /** The same for topics of patterns. A topic that came after they were first looked for had no partition then. */
  firstSeenMatched(counts: readonly TopicCount[]): Promise<readonly number[]>
  /** Wakes followers. Must not reject. */
  nudge(wakes: readonly Wake[]): Promise<readonly WakeResult[]>
  /** Reports a topic that could not be listed, or a follower that could not be woken. The next wake is within a minute. */
  failed(follower: Partial<TopicPartition>, error: unknown): void
}

/**
 * Wakes the followers of all topics, or of those that `wanted` names. A topic that cannot be listed does not keep the
 * others asleep. Only partitions that the log has are woken: to name a follower is to create it. A partition that was not
 * there when its topic was first looked for is `isLate`: it is read from its start. Returns the followers it tried to wake.
 */
export async function wakeAll(deps: WakePlanDeps, wanted: Partial<TopicPartition>): Promise<readonly TopicPartition[]> {
  const isWanted = (topic: string) => topic === (wanted.topic ?? topic)
  const named = deps.topics.filter(isWanted)
  const [lists, matched] = await Promise.all([
    Promise.all(named.map((topic) => listFollowers(deps, topic))),
    wanted.topic === undefined || named.length === 0 ? listMatched(deps, isWanted) : [],
  ])
  const wakes = [...lists.flat(), ...matched].filter(({ partition }) => partition === (wanted.partition ?? partition))
  for (const result of await deps.nudge(wakes)) {
    if (!result.ok) deps.failed({ topic: result.topic, partition: result.partition }, result.error)
  }
  return wakes.map(({ partition, topic }) => ({ topic, partition }))
}

async function listFollowers(deps: WakePlanDeps, topic: string): Promise<readonly Wake[]> {
  try {
    const partitions = await deps.partitions(topic)
    return toWakes(topic, partitions, await deps.firstSeen(topic, countOf(partitions)))
  } catch (error) {
    deps.failed({ topic }, error)
    return []
  }
}

/** One question to the Directory for all of them: patterns may match many. */
async function listMatched(deps: WakePlanDeps, isWanted: (topic: string) => boolean): Promise<readonly Wake[]> {
  try {
    const topics = (await deps.matched()).filter(isWanted)
    const lists = await Promise.all(topics.map((topic) => deps.partitions(topic)))
    const counts = topics.map((topic, index) => ({ topic, count: countOf(lists[index] ?? []) }))
    const firstSeen = await deps.firstSeenMatched(counts)
    return topics.flatMap((topic, index) => toWakes(topic, lists[index] ?? [], firstSeen[index] ?? 0))
  } catch (error) {
    deps.failed({}, error)
    return []
  }
}

/** Shards of Kinesis that have ended leave gaps between partitions. */
function countOf(partitions: readonly number[]): number {
  return Math.max(-1, ...partitions) + 1
}

function toWakes(topic: string, partitions: readonly number[], firstSeen: number): readonly Wake[] {
  return partitions.map((partition) => ({ topic, partition, isLate: partition >= firstSeen }))
}
