// Pushes interest changes to followers, to each in the order of their numbers. A follower that missed one, or refuses,
// asks for a snapshot by itself when the next one shows it the gap. No runtime: tested with fakes.
import type { TopicPartition } from '../core/log-record.ts'
import type { InterestChange } from './interest.ts'

/** A follower that is being moved or replaced is back within moments; longer, and the client had better come back. */
const ATTEMPTS = 3

export type Tell = (follower: TopicPartition, change: InterestChange) => Promise<void>

export class FollowerQueues {
  readonly #tell: Tell
  /** Follower → when its last change has been told, or given up. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(tell: Tell) {
    this.#tell = tell
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
        return await this.#tell(follower, change)
      } catch (error) {
        if (attempt === ATTEMPTS) throw error
      }
    }
  }
}
