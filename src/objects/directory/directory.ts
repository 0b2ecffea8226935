// Directory: the Durable Object of the control plane, called through rpc/directory.ts. It stores the interests of
// shards and sends them to followers. It also stores the API definitions made at run time. No event waits for it. Only
// two requests do: a subscription to a type that its shard does not follow yet, and the first request that an isolate
// proxies.
import { parseJson } from '../../core/json.ts'
import { DurableObject } from 'cloudflare:workers'
import { configOf } from '../../config/parse-config.ts'
import { isFollowed } from '../../config/sources/topic-roles.ts'
import { definitionEnvOf } from '../../config/proxy.ts'
import type { Result } from '../../core/result.ts'
import type { ShardMap } from '../../core/shard-map/shard-map.ts'
import { partitionName, type TopicPartition } from '../../core/events/kafka-record.ts'
import type { DeclareResult } from '../../core/interest/declarer.ts'
import type { InterestDeclaration, InterestUpdate } from '../../core/interest/ledger.ts'
import type { InterestVersion } from '../../core/interest/table.ts'
import { createEventLog } from '../../sources/create-event-log.ts'
import { listSourcePartitions } from '../../sources/followed-topics.ts'
import type {
  ApiSnapshot,
  DeadLetterHandling,
  HandledDeadLetter,
  DeadLetterPlace,
  ShardChangeStatus,
  TopicCount,
} from '../../rpc/directory.ts'
import { notifyFollowers, nudgeFollowers, type FollowerResult } from '../../rpc/follower.ts'
import { broadcastCommand, shardStub } from '../../rpc/shard.ts'
import { StorageProbe } from '../../segment-log/storage-probe.ts'
import { ApiRegistry, type ApiChange } from './api-registry.ts'
import { ApiStore } from './api-store.ts'
import { FollowerFinder } from './follower-finder.ts'
import { FollowerNotifier } from './follower-notifier.ts'
import { HandledDeadLetters } from './handled-dead-letters.ts'
import { InterestRecovery } from './interest-recovery.ts'
import { InterestStore } from './interest-store.ts'
import { confirmationOfFollowers, confirmationOfShards } from './map-confirmation.ts'
import { OrphanedShards } from './orphaned-shards.ts'
import { ShardMapKeeper } from './shard-map-keeper.ts'
import type { MapConfirmation } from './map-confirmation.ts'

export class Directory extends DurableObject<Env> {
  readonly #config = configOf(this.env)
  /** The time that the alarm is set for, in milliseconds since the epoch. Infinity: it is not set, or not known after a start. */
  #alarmAtMs = Infinity
  readonly #store = new InterestStore(this.ctx.storage, newEpoch())
  readonly #apiStore = new ApiStore(this.ctx.storage)
  readonly #probe = new StorageProbe(this.ctx.storage, () => Date.now())
  readonly #apis = new ApiRegistry(this.#apiStore, this.#config.proxy.definitions, definitionEnvOf(this.env))
  readonly #deadLetters = new HandledDeadLetters(this.ctx.storage.sql)
  readonly #notifier = new FollowerNotifier(this.#store.followers(), {
    version: () => this.#store.version,
    send: (followers, after) => this.#sendInterest(followers, after),
    wait: (ms) => scheduler.wait(ms),
    random: () => Math.random(),
  })
  readonly #shardMap = new ShardMapKeeper(this.ctx.storage.sql, {
    variable: this.#config.shards,
    groups: this.#config.placement.groupNumbers,
    retentionMs: this.#config.log.retentionMs,
    tellFollowers: (map) => this.#tellFollowers(map),
    tellShards: async (map, shards) => confirmationOfShards(await this.#learnShardMap(shards, map), map.version),
    nowMs: () => Date.now(),
    wakeBy: (atMs) => this.ctx.waitUntil(this.#wakeBy(atMs)),
  })
  readonly #orphans = new OrphanedShards({
    ask: (shard) => this.#askAnew(shard),
    inBackground: (work) => this.ctx.waitUntil(work),
    wakeBy: (atMs) => this.#wakeBy(atMs),
    nowMs: () => Date.now(),
  })
  readonly #recovery = new InterestRecovery(this.#store.isRecovered, {
    epoch: () => this.#store.epoch,
    map: () => this.#shardMap.map,
    adopt: (map) => this.#shardMap.adopt(map),
    query: (shards, map) => this.#learnShardMap(shards, map),
    ask: (shard) => this.#askAnew(shard),
    done: () => this.#store.recovered(),
  })
  readonly #finder = new FollowerFinder(this.#store.hasFoundFollowers, {
    list: () => listSourcePartitions(this.#config, createEventLog(this.env, this.#config)),
    found: (followers) => this.#addFound(followers),
    nowMs: () => Date.now(),
  })

  /**
   * Stores what a shard wants. Resolves when every follower has confirmed it; rejects if one could not be told: the
   * shard must then not confirm the subscription.
   */
  async declareInterest(declaration: InterestDeclaration): Promise<DeclareResult> {
    const { epoch } = this.#store
    const isOfThisEpoch = declaration.epoch === epoch
    if (!declaration.isComplete && !isOfThisEpoch) return { epoch, isAccepted: false }
    await this.#finder.find(declaration.epoch !== null && !isOfThisEpoch)
    // Nothing is awaited between the two: a follower that registers is told, or has the change in its answer.
    await this.#notifier.confirmed(this.#store.declare(declaration))
    return { epoch, isAccepted: true }
  }

  /** Returns all interest. Every later change is sent to this follower. Rejects while shards of a new storage are missing. */
  async registerFollower(topic: string, partition: number): Promise<InterestUpdate> {
    await this.#recovery.ensure()
    this.#store.addFollower({ topic, partition })
    this.#notifier.register({ topic, partition }, this.#store.version)
    return this.#update(0)
  }

  /** Marks dead letters that an operator has replayed or discarded. */
  markDeadLetters(deadLetters: readonly DeadLetterPlace[], how: DeadLetterHandling): void {
    this.#deadLetters.mark(deadLetters, how, Date.now())
  }

  /** Returns which of these dead letters have been handled. */
  handledDeadLetters(deadLetters: readonly DeadLetterPlace[]): readonly HandledDeadLetter[] {
    return this.#deadLetters.among(deadLetters)
  }

  /**
   * Makes sure that followers have the current interest. Called when followers are woken; cheap if all are up to date.
   */
  async refreshFollowers(): Promise<void> {
    this.#shardMap.resume()
    await this.#finder.find(false)
    await this.#notifier.refresh()
  }

  /**
   * The epoch of this object's storage, and the version of interest. A follower with another epoch has outdated
   * interest.
   */
  async interestVersion(): Promise<InterestVersion> {
    const { epoch, version } = this.#store
    return { epoch, version }
  }

  /** Rejects if storage takes no writes. */
  async checkStorage(): Promise<void> {
    await this.#probe.check()
  }

  /** Returns the number of partitions that the topic had at the first call for it. The first call stores `count`. */
  async firstSeenPartitions(topic: string, count: number): Promise<number> {
    return this.#store.firstSeenPartitions(topic, count)
  }

  /**
   * The same for all topics that `patterns` match now. A topic that came after the first call for these patterns had no
   * partition then.
   */
  async firstSeenMatched(patterns: string, counts: readonly TopicCount[]): Promise<readonly number[]> {
    return this.#store.firstSeenMatched(patterns, counts)
  }

  /** Returns all followers that have ever registered. */
  async followers(): Promise<readonly TopicPartition[]> {
    return this.#store.followers()
  }

  /** Asks followers again for shards that still have to declare their interest anew. */
  override async alarm(): Promise<void> {
    this.#alarmAtMs = Infinity
    if (this.#orphans.takeDue()) await this.#sendInterest(this.#store.followers(), this.#store.version)
    await this.#shardMap.step()
  }

  /** Returns the newest shard map. */
  async shardMap(): Promise<ShardMap> {
    return this.#shardMap.map
  }

  /** Requests another number of shards. Fails with the valid range if the number is invalid. */
  async wantShards(shards: number): Promise<Result<ShardMap, string>> {
    return this.#shardMap.want(shards)
  }

  async shardChange(): Promise<ShardChangeStatus> {
    return this.#shardMap.status()
  }

  /**
   * Returns the definitions made at run time, deactivated ones too, or null if nothing has changed since version
   * `known`. Version 0 has none.
   */
  async apis(known: number): Promise<ApiSnapshot | null> {
    const version = this.#apiStore.version()
    if (version === known) return null
    const apis = this.#apiStore.all().map((api) => ({ ...api, document: JSON.stringify(api.document) }))
    return { version, apis }
  }

  /** `document`: a JSON object. */
  async createApi(document: string): Promise<ApiChange> {
    return this.#apis.create(parseJson(document) as Record<string, unknown>, Date.now())
  }

  /** `expected` is the version that the change was made for. Null: any. */
  async updateApi(id: string, fields: string, expected: number | null): Promise<ApiChange> {
    return this.#apis.update(id, parseJson(fields) as Record<string, unknown>, expected, Date.now())
  }

  async removeApi(id: string, expected: number | null): Promise<ApiChange> {
    return this.#apis.remove(id, expected, Date.now())
  }

  async #sendInterest(followers: readonly TopicPartition[], after: number): Promise<readonly FollowerResult[]> {
    const results = await notifyFollowers(this.env, followers, this.#update(after))
    const states = results.flatMap((result) => (result.ok ? [result.value] : []))
    this.#orphans.report(states.flatMap(({ orphans }) => orphans))
    // This storage is new, and replaces one that was lost during a change: nobody else continues the change.
    for (const { shardMap } of states) if (shardMap !== undefined) this.#shardMap.adopt(shardMap)
    return results
  }

  #askAnew(shard: number): Promise<void> {
    return shardStub(this.env, shard).declareInterest(this.#store.epoch)
  }

  #learnShardMap(shards: readonly number[], map: ShardMap) {
    return broadcastCommand(this.env, shards, { kind: 'learn_shard_map', map })
  }

  #update(after: number): InterestUpdate {
    return { ...this.#store.since(after), shardMap: this.#shardMap.map }
  }

  /**
   * Followers of topics that are no longer followed write nothing. A follower that does not write by the map yet is
   * woken: it reads on, and then knows that all it has sent has been stored.
   */
  async #tellFollowers(map: ShardMap): Promise<MapConfirmation> {
    await this.#finder.find(true)
    const followers = this.#store.followers().filter(({ topic }) => isFollowed(this.#config, topic))
    const results = await this.#sendInterest(followers, this.#store.version)
    const late = results.filter((result) => result.ok && (result.value.writesBy ?? 0) < map.version)
    const wakes = late.map(({ partition, topic }) => ({ partition, topic, isLate: false }))
    if (wakes.length > 0) this.ctx.waitUntil(nudgeFollowers(this.env, wakes))
    return confirmationOfFollowers(results, map.version, partitionName)
  }

  /**
   * Sets the alarm in the same turn, so that storage gets it with what the caller has written: what is stored and not
   * continued would wait for ever. The first call after a start may put off an alarm that was set before, by some seconds:
   * no alarm is set for later than that.
   */
  async #wakeBy(atMs: number): Promise<void> {
    if (atMs >= this.#alarmAtMs) return
    this.#alarmAtMs = atMs
    await this.ctx.storage.setAlarm(atMs)
  }

  #addFound(followers: readonly TopicPartition[]): void {
    for (const follower of followers) {
      this.#store.addFollower(follower)
      this.#notifier.add(follower)
    }
    this.#store.foundFollowers()
  }
}

/** Sorts behind the epochs of storages that were created before. */
function newEpoch(): string {
  return `${new Date().toISOString()} ${crypto.randomUUID()}`
}
