// The shard map: how many shards there are, as data that changes while Rigel runs. The Directory keeps it; followers, shards
// and Workers each know some version of it. Pure: the state machine of a change, and who owns a user in each phase. Where
// events go is routing.ts's, what a client that comes from its old shard still has to get is coverage.ts's.
//
// A change from N to M shards has four phases, each of which ends only when every follower and every shard has confirmed it:
// - `adopting`: shards that gain users store every type that they are sent.
// - `writing_both`: followers write what is for moved users to the new shard, and then to the old one.
// - `moving`: users connect by the new number; the old shards close connections of moved users, a few at a time.
// - `ending`: nobody crosses any more. Then followers write by the new number only, and the change is over.
// A process that dies delays a change and breaks nothing.
import { shardOf } from '../delivery/shard-hash.ts'
import { fail, ok, type Result } from '../result.ts'

/** Interest is 2 KiB a shard in every follower. */
export const MAX_SHARDS = 8_192

type ChangePhase = 'adopting' | 'writing_both' | 'moving' | 'ending'

interface ShardChange {
  /** The number of shards before the change. */
  readonly from: number
  readonly phase: ChangePhase
}

/** One version of the shard map. */
export interface ShardMap {
  /** Grows by one with each phase. A newer map always wins. 0: a guess, from SHARDS. */
  readonly version: number
  /** The number of shards once the change under way has ended. */
  readonly shards: number
  /** Null: no change is under way. */
  readonly change: ShardChange | null
  /** The number that was asked for last. A change that is asked for during another one comes after it. */
  readonly wanted: number
}

/** What followers and shards have confirmed to the Directory. A phase of a change ends by these values. */
export interface ChangeProgress {
  /** The lowest version of the map that every follower writes by. */
  readonly followers: number
  /** The lowest version of the map that every shard knows: those of both numbers. */
  readonly shards: number
  /**
   * Since when no connection of a moved user is left at its old shard, in milliseconds since the epoch. Null: some are left, or
   * it is not known.
   */
  readonly noneLeftSinceMs: number | null
  readonly nowMs: number
  /** How long the logs of shards keep events. */
  readonly retentionMs: number
}

/** Returns version 1, with `shards` shards and no change under way. */
export function initialMap(shards: number, version = 1): ShardMap {
  return { version, shards, change: null, wanted: shards }
}

/** Asks for another number of shards. It begins when the change under way, if there is one, has ended. */
export function wantShards(map: ShardMap, wanted: number): Result<ShardMap, string> {
  if (!Number.isSafeInteger(wanted) || wanted < 1 || wanted > MAX_SHARDS)
    return fail(`shards must be a whole number from 1 to ${MAX_SHARDS}, got ${wanted}`)
  return ok({ ...map, wanted })
}

/** Returns the next map if the current phase has ended, else the same one. */
export function advance(map: ShardMap, progress: ChangeProgress): ShardMap {
  const { change, shards, version, wanted } = map
  if (change === null && wanted === shards) return map
  if (progress.followers < version || progress.shards < version) return map
  const next = version + 1
  if (change === null) return { ...map, version: next, shards: wanted, change: { from: shards, phase: 'adopting' } }
  switch (change.phase) {
    case 'adopting':
      return { ...map, version: next, change: { ...change, phase: 'writing_both' } }
    case 'writing_both':
      return { ...map, version: next, change: { ...change, phase: 'moving' } }
    case 'moving':
      // Until then a client that left the old shard last may come back with a position there.
      if (progress.nowMs - (progress.noneLeftSinceMs ?? Infinity) < progress.retentionMs) return map
      return { ...map, version: next, change: { ...change, phase: 'ending' } }
    case 'ending':
      return { ...map, version: next, change: null }
  }
}

/** The number of shards by which users connect. */
export function connectingShards({ change, shards }: ShardMap): number {
  return change === null || change.phase === 'moving' || change.phase === 'ending' ? shards : change.from
}

/** The number of shards that there are: those of both numbers during a change. */
export function allShardsOf({ change, shards }: ShardMap): number {
  return Math.max(shards, change?.from ?? 0)
}

/** The shard that a user connects to. */
export function homeOf(map: ShardMap, user: string): number {
  return shardOf(user, connectingShards(map))
}

/** Whether users connect to this shard: the user's own, or, for clients without a user, any that stays. */
export function isHome(map: ShardMap, shard: number, user: string | null): boolean {
  return user === null ? shard < connectingShards(map) : homeOf(map, user) === shard
}

/** Whether users come to this shard by the change: then it stores what it is sent, whatever its own clients want. */
export function isGaining({ change, shards }: ShardMap, shard: number): boolean {
  if (change === null) return false
  return change.from < shards ? shard >= change.from && shard < shards : shard < shards
}

/** Whether users leave this shard by the change. */
export function isLosing({ change, shards }: ShardMap, shard: number): boolean {
  if (change === null || shard >= change.from) return false
  return change.from < shards || shard >= shards
}

/**
 * Whether a client of this user that has a position of the shard `old` may cross to `shard`: the old shard then has what
 * the client missed, and what came since is in both.
 */
export function mayCross(map: ShardMap, old: number, shard: number, user: string | null): boolean {
  if (map.change?.phase !== 'moving' || old === shard) return false
  if (user === null) return isLosing(map, old) && isGaining(map, shard)
  return shardOf(user, map.change.from) === old && homeOf(map, user) === shard
}
