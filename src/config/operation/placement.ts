// Variables of placement: the jurisdiction of all objects, and where followers and shards are created.
import * as z from 'zod'
import { groupOf } from '../../core/shard-map/shard-number.ts'
import { hint, type LocationHint } from './location-hint.ts'
import { shardGroups, toShardGroups } from './shard-groups.ts'

const JURISDICTIONS = ['eu', 'us', 'fedramp', 'fedramp-high'] as const
/** The variables of placement, as zod schemas. */
export const placementVariables = {
  JURISDICTION: z.enum(JURISDICTIONS, `must be one of ${JURISDICTIONS.join(', ')}`).optional(),
  FOLLOWER_LOCATION: hint.optional(),
  SHARD_LOCATION: hint.optional(),
  SHARD_GROUPS: shardGroups,
}

type Variables = z.infer<z.ZodObject<typeof placementVariables>>

/** Returns where objects are. Null: Cloudflare creates each near its first caller. */
export function toPlacement(v: Variables) {
  const groups = toShardGroups(v.SHARD_GROUPS)
  const numbers = groups.slice(0, -1).map((group) => group.number)
  return {
    /** Part of every object's id: with another one no object has its data any more. */
    jurisdiction: v.JURISDICTION ?? null,
    followers: v.FOLLOWER_LOCATION ?? null,
    shards: v.SHARD_LOCATION ?? null,
    /** By SHARD_GROUPS, in its order. None: there is one group, the default one. */
    groups,
    /** The numbers of all groups besides the default one, ascending. */
    groupNumbers: numbers.toSorted((a, b) => a - b),
  }
}

/** Returns where a shard is created. A group that SHARD_GROUPS does not name any more has its shards already. */
export function locationOf({ groups, shards }: ReturnType<typeof toPlacement>, shard: number): LocationHint | null {
  if (groups.length === 0) return shards
  return groups.find(({ number }) => number === groupOf(shard))?.location ?? shards
}
