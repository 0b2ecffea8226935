// The data by which a follower routes: the interest of the shards and the shard map. Both come from the Directory and
// are stored. Used by the objects that follow partitions.
import { isResponseTopic, type Config } from '../config/parse-config.ts'
import type { TopicPartition } from '../core/events/kafka-record.ts'
import type { InterestUpdate } from '../core/interest/ledger.ts'
import { directoryStub } from '../rpc/directory.ts'
import type { InterestState } from '../rpc/follower.ts'
import { FollowedShardMap } from './followed-shard-map.ts'
import { InterestIndex } from './interest-index.ts'

export interface FollowerRoutingDeps {
  readonly env: Env
  readonly config: Config
  readonly at: TopicPartition
  readonly storage: DurableObjectStorage
  /** Stores the checkpoint, if storage does not have the newest one. */
  storeCheckpoint(): void
}

export class FollowerRouting {
  readonly interests: InterestIndex
  readonly shardMap: FollowedShardMap
  readonly #deps: FollowerRoutingDeps

  constructor(deps: FollowerRoutingDeps) {
    this.#deps = deps
    this.interests = new InterestIndex(deps.storage)
    this.shardMap = new FollowedShardMap(deps.storage.sql, deps.config.shards)
  }

  /** Registers at the Directory unless interest and shard map are known. Responses are routed by neither. */
  async registerOnce(): Promise<void> {
    const { at, config, env } = this.#deps
    if (isResponseTopic(config, at.topic) || (this.interests.at !== null && this.shardMap.isKnown)) return
    this.applyUpdate(await directoryStub(env).registerFollower(at.topic, at.partition))
  }

  /** During a change it stores the checkpoint: the reported `writesBy` must also hold after a restart. */
  applyUpdate(update: InterestUpdate): InterestState {
    const state = this.interests.applyUpdate(update)
    this.shardMap.apply(update.shardMap)
    const { map, writesBy } = this.shardMap
    if (map.change !== null) this.#deps.storeCheckpoint()
    return { ...state, shardMap: map, writesBy }
  }
}
