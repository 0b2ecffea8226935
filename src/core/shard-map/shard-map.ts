// The shard map: the number of shards, as data that can change while Rigel runs. The Directory stores it; followers,
// shards and Workers each know some version of it. This file has the state machine of a change, and the shard that a
// user connects to in each phase. routing.ts chooses the shards of events, coverage.ts finds what a moved client still
// has to get. Pure.
//
// A change from N to M shards has four phases, each of which ends only when every follower and every shard has confirmed it:
// - `adopting`: shards that gain users store every type that they are sent.
// - `writing_both`: followers write what is for moved users to the new shard, and then to the old one.
// - `moving`: users connect by the new number; the old shards close connections of moved users, a few at a time.
// - `ending`: clients can no longer resume from an old shard. Afterwards followers write by the new number only.
// A process that dies delays a change but does not break it.
import { shardOf } from '../delivery/shard-hash.ts'
import { fail, ok, type Result } from '../result.ts'

/** Limits memory: every follower holds 2 KiB of interest per shard. */
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
  /** The number that was requested last. A change that is requested during another one begins after it. */
  readonly wanted: number
}

/** What followers and shards have confirmed to the Directory. These values decide whether a phase ends. */
export interface ChangeProgress {
  /** The lowest version of the map that every follower writes by. */
  readonly followers: number
  /** The lowest version of the map that every shard knows: those of both numbers. */
  readonly shards: number
  /**
   * The time since which no old shard has a connection of a moved user, in milliseconds since the epoch. Null: some
   * have, or it is not known.
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

/** Requests another number of shards. The change begins when the current one, if any, has ended. */
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
      // Until then a client that was disconnected from the old shard may return with a position of its log.
      if (progress.nowMs - (progress.noneLeftSinceMs ?? Infinity) < progress.retentionMs) return map
      return { ...map, version: next, change: { ...change, phase: 'ending' } }
    case 'ending':
      return { ...map, version: next, change: null }
  }
}

/** Returns the number of shards by which users connect. */
export function connectingShards({ change, shards }: ShardMap): number {
  return change === null || change.phase === 'moving' || change.phase === 'ending' ? shards : change.from
}

/** Returns the number of shards that exist. During a change this is the larger of both numbers. */
export function allShardsOf({ change, shards }: ShardMap): number {
  return Math.max(shards, change?.from ?? 0)
}

/** Returns the shard that a user connects to. */
export function homeOf(map: ShardMap, user: string): number {
  return shardOf(user, connectingShards(map))
}

/**
 * Returns whether the user connects to this shard. Clients without a user connect to any shard that remains after the change.
 */
export function isHome(map: ShardMap, shard: number, user: string | null): boolean {
  return user === null ? shard < connectingShards(map) : homeOf(map, user) === shard
}

/**
 * Returns whether the change moves users to this shard. If so, it stores all events that it is sent, whatever its clients
 * want.
 */
export function isGaining({ change, shards }: ShardMap, shard: number): boolean {
  if (change === null) return false
  return change.from < shards ? shard >= change.from && shard < shards : shard < shards
}

/** Returns whether the change moves users away from this shard. */
export function isLosing({ change, shards }: ShardMap, shard: number): boolean {
  if (change === null || shard >= change.from) return false
  return change.from < shards || shard >= shards
}

/**
 * Returns whether a client of this user may resume at `shard` with a position of the shard `old`: the old log has what the
 * client missed, and both logs have later events.
 */
export function canResumeFrom(map: ShardMap, old: number, shard: number, user: string | null): boolean {
  if (map.change?.phase !== 'moving' || old === shard) return false
  if (user === null) return isLosing(map, old) && isGaining(map, shard)
  return shardOf(user, map.change.from) === old && homeOf(map, user) === shard
}
