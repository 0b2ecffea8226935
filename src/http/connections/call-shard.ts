// Calls the shard that a client connects to. This isolate's shard map may be outdated: a shard that the client's user
// has left answers with the newer map, and the shard by that map is called. A client without a user connects to the
// shard of its position. If the position is invalid, that shard refuses, and a random shard is called. With SHARD_GROUPS a
// client stays in the group of its position, in whose log it can read on: without one it connects to the group that is for it.
import {
  canResumeFrom,
  connectingGroups,
  connectingShards,
  hasShard,
  homeOf,
  isHome,
  type ShardMap,
} from '../../core/shard-map/shard-map.ts'
import { DEFAULT_GROUP, groupOf, isShardNumber, shardAt } from '../../core/shard-map/shard-number.ts'
import { shardOf } from '../../core/delivery/shard-hash.ts'
import { parsePosition, shardOfPosition } from '../../core/identity/position.ts'
import type { ConnectRequest } from '../../core/identity/principal.ts'
import type { RigelError } from '../../core/errors.ts'
import type { WorkerShardMap } from '../worker-shard-map.ts'

/**
 * Limit of calls: a change has four phases. If shards still disagree after it, the client is refused and tries again.
 */
const MAX_HOPS = 4

/**
 * Returns the answer of the shard, which may be a refusal. `refusalOf` returns the refusal in an answer, or undefined.
 */
export async function callShard<T>(
  known: WorkerShardMap,
  connect: ConnectRequest,
  call: (shard: number, connect: ConnectRequest) => Promise<T>,
  refusalOf: (answer: T) => RigelError | undefined,
): Promise<T> {
  if (isOfUnknownGroup(connect.lastEventId, known.map)) await known.newest()
  const { group: _, ...sent } = connect
  let byPosition = true
  for (let hops = 1; ; hops += 1) {
    const { map } = known
    const { atPosition, shard } = chooseShard(connect, map, Math.random(), byPosition)
    const answer = await call(shard, { ...sent, atPosition, ...(map.version === 0 ? {} : { shardMap: map }) })
    const refusal = refusalOf(answer)
    if (refusal === undefined || hops === MAX_HOPS) return answer
    const isElsewhere = refusal.kind === 'wrong_shard' && atPosition
    const isNewer = refusal.kind === 'moved' && known.learn(refusal.map)
    if (!isElsewhere && !isNewer) return answer
    if (isElsewhere) byPosition = false
  }
}

interface ChosenShard {
  readonly shard: number
  /** True if the client's position chose the shard. Only the shard knows whether the position is of its log. */
  readonly atPosition: boolean
}

/** `random` is in [0, 1) and chooses the shard of a client that has neither a user nor a position. */
export function chooseShard(
  { group = DEFAULT_GROUP, lastEventId, principal }: Pick<ConnectRequest, 'group' | 'lastEventId' | 'principal'>,
  map: ShardMap,
  random: number,
  byPosition = true,
): ChosenShard {
  const shards = connectingShards(map)
  const { user } = principal
  if (user !== null && map.groups === undefined && map.change?.removedGroups === undefined)
    return { shard: shardOf(user, shards), atPosition: false }
  const own = connectingGroups(map).includes(group) ? group : DEFAULT_GROUP
  const old = byPosition ? shardOfText(lastEventId) : undefined
  const kept = old === undefined ? undefined : keptShard(map, old, user)
  // In the own group of a user any position leads to the same shard, which says what can be read on from it.
  if (kept !== undefined && (user === null || groupOf(kept) !== own)) return { shard: kept, atPosition: kept === old }
  return { shard: shardAt(own, user === null ? Math.floor(random * shards) : shardOf(user, shards)), atPosition: false }
}

/** Returns the shard of the group of `old` that can read on from a position there. Undefined: none. */
function keptShard(map: ShardMap, old: number, user: string | null): number | undefined {
  if (isHome(map, old, user)) return old
  if (user === null) return undefined
  const home = homeOf(map, user, groupOf(old))
  return canResumeFrom(map, old, home, user) ? home : undefined
}

/**
 * Returns whether the position is of a group that this isolate does not know: SHARD_GROUPS has changed, and the Directory has not
 * removed the group yet.
 */
function isOfUnknownGroup(lastEventId: string | null, map: ShardMap): boolean {
  const shard = shardOfText(lastEventId)
  const isOfGroup = shard !== undefined && groupOf(shard) !== DEFAULT_GROUP && isShardNumber(shard)
  return isOfGroup && !hasShard(map, shard)
}

function shardOfText(lastEventId: string | null): number | undefined {
  const position = parsePosition(lastEventId ?? '')
  return position === undefined ? undefined : shardOfPosition(position)
}
