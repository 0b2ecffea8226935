// Numbers of shards: which group a shard is in, and at which place there. Pure.
import { hash64 } from '../delivery/shard-hash.ts'

/** The most shards of all groups together. Limits memory: every follower holds 2 KiB of interest per shard. */
export const MAX_SHARDS = 8_192
/** The group of clients that no other group is for. It has the shards that a Rigel without groups has. */
export const DEFAULT_GROUP = 0
/** Numbers of groups: below are shards of tests, above are shards with more digits than positions and tokens may have. */
const FIRST_GROUP = 128
const END_OF_GROUPS = 131_072

/** Returns the number of a group that is not the default one. It never changes, so that the group keeps its shards. */
export function groupNumber(name: string): number {
  return FIRST_GROUP + (hash64(name).low % (END_OF_GROUPS - FIRST_GROUP))
}

/** Returns the group of a shard. */
export function groupOf(shard: number): number {
  return Math.floor(shard / MAX_SHARDS)
}

/** Returns the place of a shard in its group, from 0. */
export function placeOf(shard: number): number {
  return shard % MAX_SHARDS
}

/** Returns the shard at this place of the group. */
export function shardAt(group: number, place: number): number {
  return group * MAX_SHARDS + place
}

/** Returns whether Rigel may have a shard of this number. Tests call others, which take any user. */
export function isShardNumber(shard: number): boolean {
  return groupOf(shard) === DEFAULT_GROUP || groupOf(shard) >= FIRST_GROUP
}
