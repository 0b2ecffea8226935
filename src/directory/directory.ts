// Directory: the Durable Object of the control plane. Who wants which event types, and which followers have to know.
// No event and no request waits for it, except a subscription to a type that its shard did not follow yet.
import { DurableObject } from 'cloudflare:workers'
import type { TopicPartition } from '../core/log-record.ts'
import { followerStub } from '../ingest/door.ts'
import { FollowerQueues } from './follower-queues.ts'
import type { InterestSnapshot } from './interest.ts'
import { InterestStore } from './interest-store.ts'

export class Directory extends DurableObject<Env> {
  readonly #store = new InterestStore(this.ctx.storage)
  readonly #queues = new FollowerQueues((follower, change) => followerStub(this.env, follower).applyInterest(change))

  /** Resolves when every follower has applied it; rejects if one could not be told: the caller then must not confirm. */
  async changeInterest(shard: number, gained: readonly string[], lost: readonly string[]): Promise<void> {
    const change = this.#store.change(shard, gained, lost)
    await this.#queues.push(this.#store.followers(), change)
  }

  /** What is known now. Every change from here on is pushed to this follower, in order. */
  async registerFollower(topic: string, partition: number): Promise<InterestSnapshot> {
    const follower: TopicPartition = { topic, partition }
    this.#store.addFollower(follower)
    return this.#store.snapshot()
  }
}
