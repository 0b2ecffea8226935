// Calls the shard that a client connects to. This isolate's shard map may be outdated: a shard that the client's user
// has left answers with the newer map, and the shard by that map is called. A client without a user connects to the
// shard of its position. If the position is invalid, that shard refuses, and a random shard is called.
import { connectingShards, type ShardMap } from '../../core/shard-map/shard-map.ts'
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
  let byPosition = true
  for (let hops = 1; ; hops += 1) {
    const { map } = known
    const { atPosition, shard } = chooseShard(connect, map, Math.random(), byPosition)
    const answer = await call(shard, { ...connect, atPosition, ...(map.version === 0 ? {} : { shardMap: map }) })
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
  { lastEventId, principal }: Pick<ConnectRequest, 'lastEventId' | 'principal'>,
  map: ShardMap,
  random: number,
  byPosition = true,
): ChosenShard {
  const shards = connectingShards(map)
  if (principal.user !== null) return { shard: shardOf(principal.user, shards), atPosition: false }
  const position = lastEventId === null || !byPosition ? undefined : parsePosition(lastEventId)
  const shard = position === undefined ? undefined : shardOfPosition(position)
  if (shard !== undefined && shard < shards) return { shard, atPosition: true }
  return { shard: Math.floor(random * shards), atPosition: false }
}
