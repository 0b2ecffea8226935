// Directory: the Durable Object of the control plane. Who wants which event types, and which followers have to know.
// No event and no request waits for it, except a subscription to a type that its shard did not follow yet.
import { DurableObject } from 'cloudflare:workers'
import type { TopicPartition } from '../core/log-record.ts'
import { followerStub } from '../ingest/door.ts'
import { FollowerQueues } from './follower-queues.ts'
import type { InterestChange, InterestSnapshot } from './interest.ts'
import { InterestStore } from './interest-store.ts'

/** A follower that hangs must not hold up every later change. What it applies too late shows it a gap, or is old. */
const TELL_TIMEOUT_MS = 5_000

export class Directory extends DurableObject<Env> {
  readonly #store = new InterestStore(this.ctx.storage)
  readonly #queues = new FollowerQueues({
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

  async #tell(follower: TopicPartition, change: InterestChange): Promise<void> {
    const { promise: timeout, reject } = Promise.withResolvers<never>()
    const what = `follower ${follower.topic}/${follower.partition}: no answer within ${TELL_TIMEOUT_MS} ms`
    const timer = setTimeout(() => reject(new Error(what)), TELL_TIMEOUT_MS)
    try {
      await Promise.race([followerStub(this.env, follower).applyInterest(change), timeout])
    } finally {
      clearTimeout(timer)
    }
  }
}
