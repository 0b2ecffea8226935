// Pushes interest changes to followers, to each in the order of their numbers. A follower that missed one, or refuses,
// asks for a snapshot by itself when the next one shows it the gap. No runtime: tested with fakes.
import { SerialQueue } from '../../core/serial-queue.ts'
import { retry, type BackoffLimits } from '../../core/retry.ts'
import { partitionName, type TopicPartition } from '../../core/events/kafka-record.ts'
import type { InterestChange } from '../../rpc/interest.ts'

/** A follower that is being moved or replaced is back within moments; longer, and the client had better come back. */
const ATTEMPTS = 3

/** Short, because the subscribers of a shard wait for it. */
const BACKOFF: BackoffLimits = { baseMs: 100, capMs: 200 }

export interface FollowerNotifierDeps {
  /** Resolves when the follower has applied it. Must not hang: whoever is behind in its queue waits. */
  tell: (follower: TopicPartition, change: InterestChange) => Promise<void>
  wait: (ms: number) => Promise<void>
  /** In [0, 1). */
  random: () => number
}

export class FollowerNotifier {
  readonly #deps: FollowerNotifierDeps
  readonly #queues = new Map<string, SerialQueue>()

  constructor(deps: FollowerNotifierDeps) {
    this.#deps = deps
  }

  /** Resolves when all have applied it; rejects if one has not. */
  async push(followers: readonly TopicPartition[], change: InterestChange): Promise<void> {
    await Promise.all(followers.map((follower) => this.#inTurn(follower, change)))
  }

  #inTurn(follower: TopicPartition, change: InterestChange): Promise<void> {
    const name = partitionName(follower)
    const queue = this.#queues.get(name) ?? new SerialQueue()
    this.#queues.set(name, queue)
    return queue.run(() => this.#tellPatiently(follower, change))
  }

  async #tellPatiently(follower: TopicPartition, change: InterestChange): Promise<void> {
    const { random, wait: sleep } = this.#deps
    return retry(() => this.#deps.tell(follower, change), { attempts: ATTEMPTS, backoff: BACKOFF, random, sleep })
  }
}
