// Pushes interest changes to followers, to each in the order of their numbers. A follower that missed one, or refuses,
// asks for a snapshot by itself when the next one shows it the gap. No runtime: tested with fakes.
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import type { InterestChange } from '../../rpc/interest.ts'

/** A follower that is being moved or replaced is back within moments; longer, and the client had better come back. */
const ATTEMPTS = 3

/** Before the second attempt at most this, before the third twice. Each shard's subscribers wait for it. */
const RETRY_BASE_MS = 100

export interface FollowerNotifierDeps {
  /** Resolves when the follower has applied it. Must not hang: whoever is behind in its queue waits. */
  tell(follower: TopicPartition, change: InterestChange): Promise<void>
  wait(ms: number): Promise<void>
  /** In [0, 1). */
  random(): number
}

export class FollowerNotifier {
  readonly #deps: FollowerNotifierDeps
  /** Follower → when its last change has been told, or given up. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(deps: FollowerNotifierDeps) {
    this.#deps = deps
  }

  /** Resolves when all have applied it; rejects if one has not. */
  async push(followers: readonly TopicPartition[], change: InterestChange): Promise<void> {
    await Promise.all(followers.map((follower) => this.#inTurn(follower, change)))
  }

  #inTurn(follower: TopicPartition, change: InterestChange): Promise<void> {
    const key = `${follower.topic}/${follower.partition}`
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(() => this.#tellPatiently(follower, change))
    this.#turns.set(
      key,
      turn.catch(() => undefined),
    )
    return turn
  }

  async #tellPatiently(follower: TopicPartition, change: InterestChange): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#deps.tell(follower, change)
      } catch (error) {
        if (attempt === ATTEMPTS) throw error
        await this.#deps.wait(this.#deps.random() * RETRY_BASE_MS * attempt)
      }
    }
  }
}
