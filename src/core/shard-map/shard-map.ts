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
//
// With SHARD_GROUPS there are several groups of shards, each with the same number, and a user has one shard in each: at the
// same place. Another set of groups is a change with the same phases: the shards of a group that is removed lose all users,
// those of the groups that remain gain them, and the shards of an added one store what is for their users before any comes.
import { shardOf } from '../delivery/shard-hash.ts'
import { fail, ok, type Result } from '../result.ts'
import { DEFAULT_GROUP, MAX_SHARDS, groupOf, placeOf, shardAt } from './shard-number.ts'

type ChangePhase = 'adopting' | 'writing_both' | 'moving' | 'ending'

interface ShardChange {
  /** The number of shards before the change. */
  readonly from: number
  readonly phase: ChangePhase
  /** Groups that the change adds, and removes: it then changes no number of shards. Absent: it changes the number. */
  readonly addedGroups?: readonly number[]
  readonly removedGroups?: readonly number[]
}

/** One version of the shard map. */
export interface ShardMap {
  /** Grows by one with each phase. A newer map always wins. 0: a guess, from SHARDS. */
  readonly version: number
  /** The number of shards of each group once the change under way has ended. */
  readonly shards: number
  /** Null: no change is under way. */
  readonly change: ShardChange | null
  /** The number that was requested last. A change that is requested during another one begins after it. */
  readonly wanted: number
  /** The numbers of the groups besides the default one, ascending, once the change under way has ended. Absent: none. */
  readonly groups?: readonly number[]
  /** The groups that SHARD_GROUPS names. Absent: none. */
  readonly wantedGroups?: readonly number[] | undefined
}

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

/** Returns version 1, with `shards` shards in each group and no change under way. */
export function initialMap(shards: number, version = 1, groups: readonly number[] = NO_GROUPS): ShardMap {
  const map: ShardMap = { version, shards, change: null, wanted: shards }
  return groups.length === 0 ? map : { ...map, groups, wantedGroups: groups }
}

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

/** Returns whether users connect by what the change is to. */
export function hasMoved({ change }: ShardMap): boolean {
  return change === null || change.phase === 'moving' || change.phase === 'ending'
}

/** Returns the number of shards, of each group, by which users connect. */
export function connectingShards(map: ShardMap): number {
  return map.change === null || hasMoved(map) ? map.shards : map.change.from
}

/** Returns the groups that users connect to, the default one first. */
export function connectingGroups(map: ShardMap): readonly number[] {
  const { change, groups = NO_GROUPS } = map
  if (change === null || hasMoved(map)) return [DEFAULT_GROUP, ...groups]
  return groupsBefore(map)
}

/** Returns how many shards users connect to, of all groups together. */
export function openShards(map: ShardMap): number {
  return connectingShards(map) * connectingGroups(map).length
}

/** Returns the groups that events to users are written to: during a change, those before and those after it. */
export function writtenGroups(map: ShardMap): readonly number[] {
  return map.change?.phase === 'adopting' ? groupsBefore(map) : allGroups(map)
}

function groupsBefore({ change, groups = NO_GROUPS }: ShardMap): readonly number[] {
  const { addedGroups = NO_GROUPS, removedGroups = NO_GROUPS } = change ?? {}
  return [DEFAULT_GROUP, ...groups.filter((group) => !addedGroups.includes(group)), ...removedGroups]
}

/** Returns the groups before and after the change under way, the default one first. */
export function allGroups({ change, groups = NO_GROUPS }: ShardMap): readonly number[] {
  return [DEFAULT_GROUP, ...groups, ...(change?.removedGroups ?? NO_GROUPS)]
}

/** Returns all shards that exist, ascending. During a change these are the shards before and after it. */
export function allShardsOf(map: ShardMap): readonly number[] {
  const count = Math.max(map.shards, map.change?.from ?? 0)
  const groups = allGroups(map).toSorted((a, b) => a - b)
  return groups.flatMap((group) => Array.from({ length: count }, (_, place) => shardAt(group, place)))
}

/** Returns whether there is a shard of this number. */
export function hasShard(map: ShardMap, shard: number): boolean {
  return placeOf(shard) < Math.max(map.shards, map.change?.from ?? 0) && allGroups(map).includes(groupOf(shard))
}

/** Returns the shard that a user of this group connects to. */
export function homeOf(map: ShardMap, user: string, group = DEFAULT_GROUP): number {
  return shardAt(group, shardOf(user, connectingShards(map)))
}

/** Returns all shards where a user may have connections: one in each group, and while users move two. Ascending. */
export function homesOf(map: ShardMap, user: string): readonly number[] {
  const places = new Set([connectingShards(map), map.change?.from ?? map.shards].map((count) => shardOf(user, count)))
  const homes = allGroups(map).flatMap((group) => [...places].map((place) => shardAt(group, place)))
  return homes.toSorted((a, b) => a - b)
}

/**
 * Returns whether the user connects to this shard. Clients without a user connect to any shard that remains after the change.
 */
export function isHome(map: ShardMap, shard: number, user: string | null): boolean {
  if (!connectingGroups(map).includes(groupOf(shard))) return false
  return user === null ? placeOf(shard) < connectingShards(map) : homeOf(map, user, groupOf(shard)) === shard
}

/**
 * Returns whether the change moves users to this shard. If so, it stores all events that it is sent, whatever its clients
 * want.
 */
export function isGaining(map: ShardMap, shard: number): boolean {
  const { change, groups = NO_GROUPS, shards } = map
  const group = groupOf(shard)
  const place = placeOf(shard)
  if (change === null || (group !== DEFAULT_GROUP && !groups.includes(group))) return false
  if (change.removedGroups !== undefined) return change.removedGroups.length > 0 && place < shards
  return change.from < shards ? place >= change.from && place < shards : place < shards
}

/** Returns whether the change moves users away from this shard. */
export function isLosing(map: ShardMap, shard: number): boolean {
  const { change, shards } = map
  const place = placeOf(shard)
  if (change === null || place >= change.from) return false
  if (change.removedGroups !== undefined) return change.removedGroups.includes(groupOf(shard))
  return allGroups(map).includes(groupOf(shard)) && (change.from < shards || place >= shards)
}

/** Returns whether both are the same change, in whichever phases. A shard that was removed has not heard that its change ended. */
export function isSameChange(one: ShardChange, other: ShardChange | null): boolean {
  const isOfGroups = (of: 'addedGroups' | 'removedGroups') => String(one[of]) === String(other?.[of])
  return one.from === other?.from && isOfGroups('addedGroups') && isOfGroups('removedGroups')
}

/** Returns whether the change adds the group of this shard. */
export function isAdded({ change }: ShardMap, shard: number): boolean {
  return change?.addedGroups?.includes(groupOf(shard)) === true
}

/**
 * Returns whether a client of this user may resume at `shard` with a position of the shard `old`: the old log has what the
 * client missed, and both logs have later events. A group keeps its clients until it is removed.
 */
export function canResumeFrom(map: ShardMap, old: number, shard: number, user: string | null): boolean {
  const { change } = map
  if (change?.phase !== 'moving' || old === shard || !isLosing(map, old)) return false
  const group = groupOf(shard)
  if (change.removedGroups === undefined && groupOf(old) !== group) return false
  if (user === null) return isGaining(map, shard)
  return placeOf(old) === shardOf(user, change.from) && homeOf(map, user, group) === shard && isHome(map, shard, user)
}
