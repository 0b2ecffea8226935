// Calls to many followers go to one follower of each group, which does its own part and relays the call to the others of its
// group (rpc/follower.ts). This file is the follower's side of these calls. Used by TopicFollower and EmbeddedLog.
import type { Outcome } from '../core/delivery/scatter-gather.ts'
import type { TopicPartition } from '../core/events/kafka-record.ts'
import type { InterestUpdate } from '../core/interest/ledger.ts'
import {
  followerStatuses,
  notifyFollowers,
  nudgeFollowers,
  type FollowerReport,
  type FollowerResult,
  type FollowerStatus,
  type InterestState,
  type RelayedNudge,
  type RelayedStatus,
  type RelayedUpdate,
  type WakeResult,
} from '../rpc/follower.ts'

/** The follower itself. */
export interface RelayingFollower {
  nudge(isLate: boolean): Promise<void>
  applyInterest(update: InterestUpdate): InterestState
  status(): FollowerStatus | Promise<FollowerStatus>
  /** Rejects if storage takes no writes. */
  checkStorage(): Promise<void>
}

export class FollowerRelay {
  readonly #env: Env
  readonly #name: TopicPartition
  readonly #own: RelayingFollower

  constructor(env: Env, name: TopicPartition, own: RelayingFollower) {
    this.#env = env
    this.#name = name
    this.#own = own
  }

  async applyInterest(...[update, group, timeoutMs]: RelayedUpdate): Promise<readonly FollowerResult[]> {
    const others = notifyFollowers(this.#env, group.slice(1), update, timeoutMs)
    return [await this.#outcome(() => this.#own.applyInterest(update)), ...(await others)]
  }

  async nudge(...[group, timeoutMs]: RelayedNudge): Promise<readonly WakeResult[]> {
    const others = nudgeFollowers(this.#env, group.slice(1), timeoutMs)
    const own = await this.#outcome(() => this.#own.nudge(group[0]?.isLate ?? false).then(() => null))
    return [own, ...(await others)]
  }

  /** For an operator: a follower whose storage takes no writes has failed, whatever it remembers. */
  async status(...[group, timeoutMs]: RelayedStatus): Promise<readonly FollowerReport[]> {
    const others = followerStatuses(this.#env, group.slice(1), timeoutMs)
    return [await this.#outcome(() => this.#ownStatus()), ...(await others)]
  }

  async #ownStatus(): Promise<FollowerStatus> {
    await this.#own.checkStorage()
    return this.#own.status()
  }

  async #outcome<T>(work: () => T | Promise<T>): Promise<TopicPartition & Outcome<T>> {
    try {
      return { ...this.#name, ok: true, value: await work() }
    } catch (error) {
      return { ...this.#name, ok: false, error: String(error) }
    }
  }
}
