// Directory: the Durable Object of the control plane. Who wants which event types, which followers have to know, and the
// API definitions made at run time. No event waits for it; of requests, a subscription to a type that its shard did not
// follow yet, and the first that an isolate proxies.
import { withTimeout } from '../../core/timeout.ts'
import { DurableObject } from 'cloudflare:workers'
import { configOf } from '../../config/parse-config.ts'
import { definitionEnvOf } from '../../config/proxy.ts'
import { partitionName, type TopicPartition } from '../../core/events/kafka-record.ts'
import { followerStub } from '../../rpc/follower.ts'
import { ApiRegistry, type ApiChange } from './api-registry.ts'
import { ApiStore } from './api-store.ts'
import type { ApiSnapshot } from '../../rpc/directory.ts'
import { FollowerNotifier } from './follower-notifier.ts'
import type { InterestChange, InterestSnapshot } from '../../rpc/interest.ts'
import { InterestStore } from './interest-store.ts'

/** A follower that hangs must not hold up every later change. What it applies too late shows it a gap, or is old. */
const TELL_TIMEOUT_MS = 5_000

export class Directory extends DurableObject<Env> {
  readonly #store = new InterestStore(this.ctx.storage)
  readonly #apiStore = new ApiStore(this.ctx.storage)
  readonly #apis = new ApiRegistry(this.#apiStore, configOf(this.env).proxy.definitions, definitionEnvOf(this.env))
  readonly #queues = new FollowerNotifier({
    tell: (follower, change) => this.#tell(follower, change),
    wait: (ms) => scheduler.wait(ms),
    random: () => Math.random(),
  })

  /** Resolves when every follower has applied it; rejects if one could not be told: the caller then must not confirm. */
  async changeInterest(shard: number, gained: readonly string[], lost: readonly string[]): Promise<void> {
    const change = this.#store.change(shard, gained, lost)
    // Nothing is awaited between the two: whoever registers is in the list, or has the change in its snapshot.
    await this.#queues.push(this.#store.followers(), change)
  }

  /** What is known now. Every change from here on is pushed to this follower, in order. */
  async registerFollower(topic: string, partition: number): Promise<InterestSnapshot> {
    this.#store.addFollower({ topic, partition })
    return this.#store.snapshot()
  }

  /** How many partitions the topic had when it was first looked for: `count`, if that is now. */
  async firstSeenPartitions(topic: string, count: number): Promise<number> {
    return this.#store.firstSeenPartitions(topic, count)
  }

  /** Those that were ever registered: they follow events for users. */
  async followers(): Promise<readonly TopicPartition[]> {
    return this.#store.followers()
  }

  /** Those made at run time, deactivated ones too. Null: nothing has changed since the version that is known; 0: none was made. */
  async apis(known: number): Promise<ApiSnapshot | null> {
    const version = this.#apiStore.version()
    if (version === known) return null
    const apis = this.#apiStore.all().map((api) => ({ ...api, document: JSON.stringify(api.document) }))
    return { version, apis }
  }

  /** `document`: a JSON object. */
  async createApi(document: string): Promise<ApiChange> {
    return this.#apis.create(JSON.parse(document) as Record<string, unknown>, Date.now())
  }

  /** `expected`: the version that the change was made for; null: any. */
  async updateApi(id: string, fields: string, expected: number | null): Promise<ApiChange> {
    return this.#apis.update(id, JSON.parse(fields) as Record<string, unknown>, expected, Date.now())
  }

  async removeApi(id: string, expected: number | null): Promise<ApiChange> {
    return this.#apis.remove(id, expected, Date.now())
  }

  async #tell(follower: TopicPartition, change: InterestChange): Promise<void> {
    const call = followerStub(this.env, follower).applyInterest(change)
    await withTimeout(call, TELL_TIMEOUT_MS, `follower ${partitionName(follower)}: no answer`)
  }
}
