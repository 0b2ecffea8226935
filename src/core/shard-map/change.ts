// How the shard map changes: what was requested, and when one phase ends and the next begins. The phases are described in
// shard-map.ts. The Directory's ShardMapKeeper calls it. Pure.
import { fail, ok, type Result } from '../result.ts'
import { allGroups, type ShardChange, type ShardMap } from './shard-map.ts'
import { MAX_SHARDS } from './shard-number.ts'

/** What followers and shards have confirmed to the Directory. These values decide whether a phase ends. */
export interface ChangeProgress {
  /** The lowest version of the map that every follower writes by. */
  readonly followers: number
  /** The lowest version of the map that every shard knows: those of both numbers. */
  readonly shards: number
  /**
   * The time since which no old shard has a connection of a moved user, and no new shard has been sent a position of an old
   * log, in milliseconds since the epoch. Null: some have, or it is not known.
   */
  readonly movedSinceMs: number | null
  readonly nowMs: number
  /** How long the logs of shards keep events. */
  readonly retentionMs: number
}

const NO_GROUPS: readonly number[] = []

/** Requests another number of shards. The change begins when the current one, if any, has ended. */
export function wantShards(map: ShardMap, wanted: number): Result<ShardMap, string> {
  const { count, most } = roomFor(map, map.wantedGroups)
  const each = count === 1 ? '' : ` in each of ${count} groups`
  if (!Number.isSafeInteger(wanted) || wanted < 1 || wanted > most)
    return fail(`shards must be a whole number from 1 to ${most}${each}, got ${wanted}`)
  return ok({ ...map, wanted })
}

/**
 * Requests other groups, besides the default one. The change begins when the current one, if any, has ended. Fails if there would be
 * more than MAX_SHARDS altogether, also during the change: the number may have been raised since the groups were configured.
 */
export function wantGroups(map: ShardMap, groups: readonly number[]): Result<ShardMap, string> {
  const { change, shards, wanted } = map
  const { count, most } = roomFor(map, groups)
  const number = Math.max(shards, change?.from ?? 0, wanted)
  if (number > most && !isEvery(groups, allGroups(map)))
    return fail(`${count} groups, with those that are there, may have ${most} shards each, and there are ${number}`)
  return ok({ ...map, wantedGroups: groups.length === 0 ? undefined : groups.toSorted((a, b) => a - b) })
}

/** Returns how many groups there are while these replace those of the map, and how many shards each of them may have. */
function roomFor(map: ShardMap, groups: readonly number[] = NO_GROUPS) {
  const count = new Set([...allGroups(map), ...groups]).size
  return { count, most: Math.floor(MAX_SHARDS / count) }
}

function isEvery(groups: readonly number[], known: readonly number[]): boolean {
  return groups.every((group) => known.includes(group))
}

/** Returns whether nothing is under way, and nothing else was requested. */
export function isSteady({ change, groups, shards, wanted, wantedGroups }: ShardMap): boolean {
  return change === null && wanted === shards && String(groups ?? '') === String(wantedGroups ?? '')
}

/** Returns the next map if the current phase has ended, else the same one. */
export function advance(map: ShardMap, progress: ChangeProgress): ShardMap {
  const { change, version } = map
  if (isSteady(map) || progress.followers < version || progress.shards < version) return map
  const next = version + 1
  if (change === null) return { ...begun(map), version: next }
  switch (change.phase) {
    case 'adopting':
      return { ...map, version: next, change: { ...change, phase: 'writing_both' } }
    case 'writing_both':
      return { ...map, version: next, change: { ...change, phase: 'moving' } }
    case 'moving':
      // Until then a client that was disconnected from the old shard, or that had no newer position yet, may return with one
      // of the old log.
      if (movesUsers(map) && progress.nowMs - (progress.movedSinceMs ?? Infinity) < progress.retentionMs) return map
      return { ...map, version: next, change: { ...change, phase: 'ending' } }
    case 'ending':
      return { ...map, version: next, change: null }
  }
}

/** A change of the number comes before one of the groups. */
function begun({ groups = NO_GROUPS, ...map }: ShardMap): ShardMap {
  const { shards, wanted, wantedGroups = NO_GROUPS } = map
  const phase = 'adopting'
  if (wanted !== shards)
    return { ...map, ...(groups.length > 0 && { groups }), shards: wanted, change: { from: shards, phase } }
  const addedGroups = wantedGroups.filter((group) => !groups.includes(group))
  const removedGroups = groups.filter((group) => !wantedGroups.includes(group))
  const change = { from: shards, phase, addedGroups, removedGroups } as const
  return { ...map, ...(wantedGroups.length > 0 && { groups: wantedGroups }), change }
}

/** Users of added groups come as they connect. */
function movesUsers({ change }: ShardMap): boolean {
  return change?.removedGroups?.length !== 0
}

/** Returns whether both are the same change, in whichever phases. A shard that was removed has not heard that its change ended. */
export function isSameChange(one: ShardChange, other: ShardChange | null): boolean {
  const isOfGroups = (of: 'addedGroups' | 'removedGroups') => String(one[of]) === String(other?.[of])
  return one.from === other?.from && isOfGroups('addedGroups') && isOfGroups('removedGroups')
}
