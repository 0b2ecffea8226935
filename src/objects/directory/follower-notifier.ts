// Tells followers what shards want: to each follower everything that changed since the version it has confirmed, one
// call at a time, however many changes wait. Followers at the same version are told together, by a tree of relays; one
// that failed is told by itself, so that it delays nobody. Pure: calls, waiting and randomness are arguments. Used by
// directory.ts.
import { partitionName, type TopicPartition } from '../../core/events/kafka-record.ts'
import type { FollowerResult } from '../../rpc/follower.ts'

/**
 * A follower that is being moved or replaced is usually back within a second. After these attempts clients are
 * refused.
 */
const ATTEMPTS = 3

/**
 * Longest wait before the second attempt; before the third it is twice as long. Subscribers of a new type wait for it.
 */
const RETRY_BASE_MS = 100

export interface FollowerNotifierDeps {
  /** The newest version of interest. */
  version(): number
  /**
   * Sends all changes after version `after` to these followers. Resolves with a result for each: the version that it
   * has now, or null if it needs everything. Must not hang, and must not reject.
   */
  send(followers: readonly TopicPartition[], after: number): Promise<readonly FollowerResult[]>
  wait(ms: number): Promise<void>
  /** In [0, 1). */
  random(): number
}

interface FollowerState extends TopicPartition {
  /** The version that the follower has. Null: not known, because the Directory has just started. */
  confirmed: number | null
  /** A call to it, or a wait before the next attempt, is under way. */
  isBusy: boolean
  /** Failed attempts in a row. */
  failures: number
  /** ATTEMPTS have failed and nobody waits for another. `confirmed` and `refresh` try again. */
  isParked: boolean
}

interface Waiter {
  readonly version: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class FollowerNotifier {
  readonly #deps: FollowerNotifierDeps
  readonly #followers = new Map<string, FollowerState>()
  #waiters: Waiter[] = []

  /** `followers` are known from storage. What they have confirmed is not: they report it in the next call. */
  constructor(followers: readonly TopicPartition[], deps: FollowerNotifierDeps) {
    this.#deps = deps
    for (const follower of followers) this.#set(follower, null)
  }

  /** Adds a follower that may exist, unless it is known. It reports what it has confirmed in the next call. */
  add(follower: TopicPartition): void {
    if (!this.#followers.has(partitionName(follower))) this.#set(follower, null)
  }

  /** The follower has everything up to `version`, or will have before it routes an event. */
  register(follower: TopicPartition, version: number): void {
    const known = this.#followers.get(partitionName(follower))
    if (known === undefined) this.#set(follower, version)
    else known.confirmed = version
    this.#settle()
  }

  /** Resolves when every follower has `version`. Rejects if one of them could not be told. */
  confirmed(version: number): Promise<void> {
    for (const follower of this.#followers.values()) follower.isParked = false
    this.#tellThoseBehind()
    if (this.#lowest() >= version) return Promise.resolve()
    return new Promise((resolve, reject) => this.#waiters.push({ version, resolve, reject }))
  }

  /**
   * Tells followers that were given up, or whose version is not known, now. Resolves when each was told or given up.
   */
  async refresh(): Promise<void> {
    await this.confirmed(this.#deps.version()).catch(() => undefined)
  }

  #set({ topic, partition }: TopicPartition, confirmed: number | null): void {
    const state = { topic, partition, confirmed, isBusy: false, failures: 0, isParked: false }
    this.#followers.set(partitionName(state), state)
  }

  /** Starts a call for each group of followers that have the same version. Followers that failed are groups of one. */
  #tellThoseBehind(): void {
    const version = this.#deps.version()
    const behind = [...this.#followers.values()].filter((follower) => isBehind(follower, version))
    const groups = Map.groupBy(behind, (follower) =>
      follower.failures > 0 ? partitionName(follower) : follower.confirmed,
    )
    for (const group of groups.values()) {
      for (const follower of group) follower.isBusy = true
      void this.#tell(group, group[0]?.confirmed ?? version)
    }
  }

  async #tell(group: readonly FollowerState[], after: number): Promise<void> {
    const version = this.#deps.version()
    const results = await this.#deps.send(
      group.map(({ partition, topic }) => ({ topic, partition })),
      after,
    )
    const byKey = new Map(results.map((result) => [partitionName(result), result]))
    for (const follower of group) this.#record(follower, byKey.get(partitionName(follower)), version, after)
    this.#settle()
    this.#tellThoseBehind()
  }

  #record(follower: FollowerState, result: FollowerResult | undefined, version: number, after: number): void {
    if (result?.ok !== true) return this.#failed(follower, version, result?.error ?? 'no answer')
    const reached = result.value.version
    // It got a complete update and still reports that it needs one.
    if (reached === null && after === 0) return this.#failed(follower, version, 'the update was not applied')
    // One that is further back than it was taken to be has lost its storage, or has an earlier state of it. Otherwise a
    // registration during the call may have confirmed more.
    const isFurtherBack = reached === null || reached < after
    follower.confirmed = isFurtherBack ? (reached ?? 0) : Math.max(reached, follower.confirmed ?? 0)
    follower.isBusy = false
    follower.failures = 0
  }

  #failed(follower: FollowerState, version: number, error: string): void {
    follower.failures += 1
    if (follower.failures % ATTEMPTS === 0) {
      this.#reject(follower, version, error)
      follower.isParked = this.#waiters.length === 0
      follower.isBusy = false
      return
    }
    void this.#tryAgainLater(follower)
  }

  async #tryAgainLater(follower: FollowerState): Promise<void> {
    await this.#deps.wait(this.#deps.random() * RETRY_BASE_MS * follower.failures)
    follower.isBusy = false
    this.#tellThoseBehind()
  }

  #reject(follower: FollowerState, version: number, error: string): void {
    const missed = ({ version: waitedFor }: Waiter) => waitedFor <= version && waitedFor > (follower.confirmed ?? 0)
    const rejected = this.#waiters.filter(missed)
    this.#waiters = this.#waiters.filter((waiter) => !missed(waiter))
    const reason = new Error(`follower ${partitionName(follower)} could not be told: ${error}`)
    for (const { reject } of rejected) reject(reason)
  }

  #settle(): void {
    const lowest = this.#lowest()
    const reached = this.#waiters.filter(({ version }) => version <= lowest)
    if (reached.length === 0) return
    this.#waiters = this.#waiters.filter(({ version }) => version > lowest)
    for (const { resolve } of reached) resolve()
  }

  #lowest(): number {
    let lowest = Infinity
    for (const { confirmed } of this.#followers.values()) lowest = Math.min(lowest, confirmed ?? -1)
    return lowest
  }
}

function isBehind({ confirmed, isBusy, isParked }: FollowerState, version: number): boolean {
  if (isBusy || isParked) return false
  return confirmed === null || confirmed < version
}
