// Variables of placement: the jurisdiction of all objects, and where followers and shards are created.
import * as z from 'zod'

const JURISDICTIONS = ['eu', 'us', 'fedramp', 'fedramp-high'] as const
const HINTS = ['wnam', 'enam', 'sam', 'weur', 'eeur', 'apac', 'apac-ne', 'apac-se', 'oc', 'afr', 'me'] as const

const hint = z.enum(HINTS, `must be one of ${HINTS.join(', ')}`).optional()

/** The variables of placement, as zod schemas. */
export const placementVariables = {
  JURISDICTION: z.enum(JURISDICTIONS, `must be one of ${JURISDICTIONS.join(', ')}`).optional(),
  FOLLOWER_LOCATION: hint,
  SHARD_LOCATION: hint,
}

type Variables = z.infer<z.ZodObject<typeof placementVariables>>

/** Returns where objects are. Null: Cloudflare creates each near its first caller. */
export function toPlacement(v: Variables) {
  return {
    /** Part of every object's id: with another one no object has its data any more. */
    jurisdiction: v.JURISDICTION ?? null,
    followers: v.FOLLOWER_LOCATION ?? null,
    shards: v.SHARD_LOCATION ?? null,
  }
}
