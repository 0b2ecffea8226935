// The data by which a follower routes: the interest of the shards and the shard map. Both come from the Directory and
// are stored. SQL for `registration`. Used by the objects that follow partitions.
import type { Config } from '../config/parse-config.ts'
import { isResponseTopic } from '../config/sources/topic-roles.ts'
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
  /**
   * Whether the follower has had an answer to its registration. Updates that it is sent before are not enough: a
   * Directory that lost its storage sends what some shards have declared anew, and waits for all with its answer.
   */
  #hasRegistered: boolean

  constructor(deps: FollowerRoutingDeps) {
    this.#deps = deps
    this.interests = new InterestIndex(deps.storage)
    this.shardMap = new FollowedShardMap(deps.storage.sql, deps.config.shards)
    const { sql } = deps.storage
    const [table] = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'registration'").toArray()
    sql.exec('CREATE TABLE IF NOT EXISTS registration (id INTEGER PRIMARY KEY)')
    // A version before registered without a note of it.
    if (table === undefined && this.interests.at !== null) this.#noteRegistration()
    this.#hasRegistered = sql.exec('SELECT 1 FROM registration').toArray().length > 0
  }

  /** Whether it has registered, and knows a shard map; of a topic of responses always. */
  get mayRoute(): boolean {
    const { at, config } = this.#deps
    return (this.#hasRegistered && this.shardMap.isKnown) || isResponseTopic(config, at.topic)
  }

  /** Registers at the Directory unless it has, and knows a shard map. Responses are routed by neither. */
  async registerOnce(): Promise<void> {
    const { at, env } = this.#deps
    if (this.mayRoute) return
    const { version } = this.applyUpdate(await directoryStub(env).registerFollower(at.topic, at.partition))
    if (version === null) throw new Error('the Directory that answered has been replaced meanwhile')
    this.#noteRegistration()
    this.#hasRegistered = true
  }

  #noteRegistration(): void {
    this.#deps.storage.sql.exec('INSERT OR REPLACE INTO registration VALUES (0)')
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
