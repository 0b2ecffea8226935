// The shard map: the number of shards, as data that can change while Rigel runs. The Directory stores it; followers,
// shards and Workers each know some version of it. This file has the shards that users connect to, and that events are written
// to, in each phase of a change. change.ts leads from phase to phase, routing.ts chooses the shards of events, coverage.ts finds
// what a moved client still has to get. Pure.
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
import { DEFAULT_GROUP, groupOf, placeOf, shardAt } from './shard-number.ts'

type ChangePhase = 'adopting' | 'writing_both' | 'moving' | 'ending'

/** A change of the number of shards, or of their groups, that is under way. */
export interface ShardChange {
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

const NO_GROUPS: readonly number[] = []

/** Returns version 1, with `shards` shards in each group and no change under way. */
export function initialMap(shards: number, version = 1, groups: readonly number[] = NO_GROUPS): ShardMap {
  const map: ShardMap = { version, shards, change: null, wanted: shards }
  return groups.length === 0 ? map : { ...map, groups, wantedGroups: groups }
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
