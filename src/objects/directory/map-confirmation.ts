// Summarizes the answers of followers and shards to a shard map. Pure. Used by directory.ts and shard-map-keeper.ts.
import type { ShardResult } from '../../core/delivery/scatter-gather.ts'
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import type { ShardMap } from '../../core/shard-map/shard-map.ts'
import type { FollowerResult } from '../../rpc/follower.ts'
import type { ShardMapAnswer } from '../../rpc/shard-commands.ts'

/** A version of Rigel that knows no shard maps: it is replaced by the deploy under way. */
const OLD_VERSION = 'runs a version of Rigel before shard maps'

/** The summary of the answers of all followers, or of all shards. */
export interface MapConfirmation {
  /** The lowest confirmed version; 0 if one did not answer. */
  readonly lowest: number
  /** How many have confirmed the map that they were sent. */
  readonly confirmed: number
  readonly of: number
  /** The newest map that one of them has, from which a Directory that lost its storage recovers. */
  readonly newest: ShardMap | null
  /** Shards only: connections of users whose home is another shard. */
  readonly leaving: number
  /** Shards only: the last time, in milliseconds since the epoch, at which a client came with a position of an old log; 0: none. */
  readonly resumedUntilMs: number
  /** Why the first of those that have not confirmed has not. */
  readonly problem: string | null
}

export const NO_ANSWERS: MapConfirmation = {
  lowest: 0,
  confirmed: 0,
  of: 0,
  newest: null,
  leaving: 0,
  resumedUntilMs: 0,
  problem: null,
}

interface MapAnswer {
  readonly name: string
  /** 0 if it did not answer, or if its version of Rigel has no shard maps. */
  readonly version: number
  readonly map: ShardMap | null
  readonly leaving: number
  readonly resumedUntilMs?: number | undefined
  readonly problem: string
}

export function confirmationOfFollowers(
  results: readonly FollowerResult[],
  version: number,
  nameOf: (at: TopicPartition) => string,
): MapConfirmation {
  const answers = results.map((result): MapAnswer => {
    const name = `follower ${nameOf(result)}`
    if (!result.ok) return { name, version: 0, map: null, leaving: 0, problem: result.error }
    const { shardMap = null, writesBy } = result.value
    const problem = writesBy === undefined ? OLD_VERSION : 'has not confirmed all that it has sent'
    return { name, version: writesBy ?? 0, map: shardMap, leaving: 0, problem }
  })
  return confirmationOf(answers, version)
}

export function confirmationOfShards(
  results: readonly ShardResult<ShardMapAnswer | undefined>[],
  version: number,
): MapConfirmation {
  const answers = results.map((result): MapAnswer => {
    const name = `shard ${result.shard}`
    if (!result.ok) return { name, version: 0, map: null, leaving: 0, problem: result.error }
    const { leaving = 0, map = null, resumedUntilMs } = result.value ?? {}
    return { name, version: map?.version ?? 0, map, leaving, resumedUntilMs, problem: OLD_VERSION }
  })
  return confirmationOf(answers, version)
}

function confirmationOf(answers: readonly MapAnswer[], version: number): MapConfirmation {
  const missing = answers.filter((answer) => answer.version < version)
  const [first] = missing
  const newest = answers.reduce<ShardMap | null>(
    (best, { map }) => (map !== null && map.version > (best?.version ?? 0) ? map : best),
    null,
  )
  return {
    lowest: answers.reduce((lowest, answer) => Math.min(lowest, answer.version), Infinity),
    confirmed: answers.length - missing.length,
    of: answers.length,
    newest,
    leaving: answers.reduce((sum, { leaving }) => sum + leaving, 0),
    resumedUntilMs: Math.max(0, ...answers.map(({ resumedUntilMs = 0 }) => resumedUntilMs)),
    problem: first === undefined ? null : `${first.name}: ${first.problem}`,
  }
}

/** The log does not list its partitions: it is not known whether there are followers that were not told. */
export function noConfirmation(error: unknown): MapConfirmation {
  return { ...NO_ANSWERS, problem: String(error) }
}
