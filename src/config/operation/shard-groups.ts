// SHARD_GROUPS: groups of shards, each near its users, and who belongs to which. The first group that fits is taken, claims of a
// token before continents; the last one is for everybody else. Pure. Used by placement.ts and authorize-connection.ts.
import * as z from 'zod'
import { evaluatePointer, parsePointer, type JsonPointer } from '../../core/json-pointer.ts'
import { DEFAULT_GROUP, groupNumber, MAX_SHARDS } from '../../core/shard-map/shard-number.ts'
import { show, unambiguousJson } from '../env-fields.ts'
import { hint, type LocationHint } from './location-hint.ts'

/** The codes that `request.cf.continent` has. */
const CONTINENTS = ['AF', 'AN', 'AS', 'EU', 'NA', 'OC', 'SA'] as const

const group = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'must be 1 to 32 lower-case letters, digits and "-"'),
  location: hint.optional(),
  claim: z
    .record(z.string(), z.array(z.string(), 'must be a list of values').min(1, 'must be a list of at least one value'))
    .transform((claims, context) => Object.entries(claims).map(([text, values]) => toClaim(text, values, context)))
    .refine((claims) => claims.length > 0, 'must have a pointer to a claim, such as "/region"')
    .optional(),
  continents: z
    .array(z.enum(CONTINENTS, `must be of ${CONTINENTS.join(', ')}`))
    .min(1, 'must be a list of at least one continent')
    .optional(),
})

/** The field of SHARD_GROUPS. */
export const shardGroups = unambiguousJson(z.array(group).min(1, 'must have at least the group for everybody'))
  .superRefine((groups, context) => {
    for (const message of problemsOf(groups)) context.addIssue(message)
  })
  .optional()

type Group = z.infer<typeof group>

/** What a claim of a token must be. */
interface GroupClaim {
  readonly pointer: JsonPointer
  readonly values: readonly string[]
}

/** A group of shards. */
export interface ShardGroup {
  readonly name: string
  /** See groupNumber. The last group has the number 0. */
  readonly number: number
  /** Null: SHARD_LOCATION counts. */
  readonly location: LocationHint | null
  /** All of these claims must have one of their values. Null: no token leads here. */
  readonly claims: readonly GroupClaim[] | null
  readonly continents: readonly string[]
}

function* problemsOf(groups: readonly Group[]): Generator<string> {
  for (const [at, { claim, continents, name }] of groups.entries()) {
    const isLast = at === groups.length - 1
    const before = groups.slice(0, at)
    if (before.some((other) => other.name === name)) yield `has two groups "${name}"`
    const twin = before.find((other) => other.name !== name && groupNumber(other.name) === groupNumber(name))
    if (twin !== undefined) yield `cannot have both "${twin.name}" and "${name}", whose hashes are equal: rename one`
    if (isLast && continents !== undefined) yield `must have no continents in its last group, which is for all others`
    if (!isLast && claim === undefined && continents === undefined)
      yield `must have claim or continents in "${name}": only the last group is for all others`
    const shared = continents?.find((one) => before.some((other) => other.continents?.includes(one)))
    if (shared !== undefined) yield `has the continent ${shared} in two groups`
  }
}

/** Returns the groups; none if the variable is not set. */
export function toShardGroups(groups: readonly Group[] = []): readonly ShardGroup[] {
  return groups.map(({ claim, continents = [], location = null, name }, at) => ({
    name,
    number: at === groups.length - 1 ? DEFAULT_GROUP : groupNumber(name),
    location,
    claims: claim ?? null,
    continents,
  }))
}

/** Returns what is wrong with this number of shards in each group. */
export function shardGroupContradictions(shards: number, groups: readonly Group[] = []): string[] {
  const most = Math.floor(MAX_SHARDS / Math.max(1, groups.length))
  if (shards <= most) return []
  return [
    `SHARDS: must be ${most} at most with ${groups.length} groups of shards: ${MAX_SHARDS} altogether, got ${shards}`,
  ]
}

/**
 * Returns the number of the group for a client. `claims`: of its token, or none. `continent`: where its request came from;
 * undefined: not known.
 */
export function groupFor(
  groups: readonly ShardGroup[],
  claims: Readonly<Record<string, unknown>>,
  continent: string | undefined,
): number {
  const byClaim = groups.find((one) =>
    one.claims?.every(({ pointer: at, values }) => has(evaluatePointer(at, claims), values)),
  )
  const found = byClaim ?? groups.find(({ continents }) => continent !== undefined && continents.includes(continent))
  return found?.number ?? DEFAULT_GROUP
}

function toClaim(text: string, values: readonly string[], context: z.RefinementCtx): GroupClaim {
  const at = parsePointer(text)
  if (at === undefined) context.addIssue(`must have JSON pointers such as "/region", got "${show(text)}"`)
  return { pointer: at ?? [], values }
}

/** A claim may be a list, of which one item is enough. */
function has(claim: unknown, values: readonly string[]): boolean {
  const items: readonly unknown[] = Array.isArray(claim) ? claim : [claim]
  return items.some((item) => typeof item === 'string' && values.includes(item))
}
