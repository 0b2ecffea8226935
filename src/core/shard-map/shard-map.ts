// The shard map: how many shards there are, as data that changes while Rigel runs. The Directory keeps it, and followers,
// shards and Workers each know some version of it. Pure: the state machine of a change, and where a user's events go in each
// phase. What a client that comes from its old shard still has to get is cross-shard-resume.ts's.
//
// A change from N to M shards has three phases. `adopting`: shards that gain users declare the interest of those that lose
// users, so that broadcasts reach them. `writing_both`: followers write events to moved users to both of their shards.
// `moving`: Workers connect users by the new number; the old shards close connections of moved users, spread over time.
// Dual writes end when no connection is left there and everything in the old logs is past its retention. A phase ends only
// when all followers and shards concerned have confirmed it, so a process that dies delays a change and breaks nothing.
import { shardOf } from '../delivery/shard-hash.ts'
import { fail, ok, type Result } from '../result.ts'

/** Interest is 2 KiB a shard in every follower. */
export const MAX_SHARDS = 8_192

type ChangePhase = 'adopting' | 'writing_both' | 'moving'

interface ShardChange {
  /** Shards that users move away from are numbered by this. */
  readonly from: number
  readonly phase: ChangePhase
  /**
   * Version of the map at which followers began to write to both. Batches carry it: a shard remembers where its log was when
   * it first met it, for events to users that move to it are whole from there on.
   */
  readonly cutVersion: number | null
}

/** One version of the shard map. */
export interface ShardMap {
  /** Grows by one with each phase. A newer map always wins. */
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
  /** The lowest version of the map that every follower has confirmed. */
  readonly followers: number
  /** The lowest version of the map that every shard has confirmed: those of both numbers. */
  readonly shards: number
  /** True if the shards that gain users have declared the interest of those that lose users, and followers know. */
  readonly isInterestAdopted: boolean
  /**
   * When the last connection of a moved user at its old shard ended, as shards report it, in milliseconds since the epoch; the
   * beginning of the phase if there was none. Null: some are left.
   */
  readonly noneLeftSinceMs: number | null
  readonly nowMs: number
  /** How long the logs of shards keep events. */
  readonly retentionMs: number
}

/** Returns version 1, with `shards` shards and no change under way. */
export function initialMap(shards: number): ShardMap {
  return { version: 1, shards, change: null, wanted: shards }
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
  const next = version + 1
  if (change === null) {
    if (wanted === shards) return map
    const started: ShardChange = { from: shards, phase: 'adopting', cutVersion: null }
    return { ...map, version: next, shards: wanted, change: started }
  }
  if (!hasEnded(map, change, progress)) return map
  switch (change.phase) {
    case 'adopting':
      return { ...map, version: next, change: { ...change, phase: 'writing_both', cutVersion: next } }
    case 'writing_both':
      return { ...map, version: next, change: { ...change, phase: 'moving' } }
    case 'moving':
      return { ...map, version: next, change: null }
  }
}

/** A phase has ended when all followers and shards know it, and what it is for has been done. */
function hasEnded({ version }: ShardMap, change: ShardChange, progress: ChangeProgress): boolean {
  if (progress.followers < version || progress.shards < version) return false
  if (change.phase === 'adopting') return progress.isInterestAdopted
  if (change.phase === 'writing_both') return true
  // Until then a client that left the old shard last may come back with a position there.
  return progress.nowMs - (progress.noneLeftSinceMs ?? Infinity) >= progress.retentionMs
}

/** The shard that Workers connect a user to. */
export function homeOf({ change, shards }: ShardMap, user: string): number {
  return shardOf(user, change === null || change.phase === 'moving' ? shards : change.from)
}

/** The shards that events to a user are written to: one, or both. */
export function writtenTo(map: ShardMap, user: string): readonly number[] {
  const { change, shards } = map
  const home = homeOf(map, user)
  if (change === null || change.phase === 'adopting') return [home]
  const other = shardOf(user, change.phase === 'moving' ? change.from : shards)
  return other === home ? [home] : [home, other]
}
