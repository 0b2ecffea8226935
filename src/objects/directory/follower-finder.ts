// Finds the followers that a new storage of the Directory does not know, by the partitions of their topics. The log, the
// clock and what to do with what is found are arguments. Used by directory.ts.
import { logIncident } from '../../telemetry/incident-log.ts'
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import { withTimeout } from '../../core/time/timeout.ts'

/** A log that is out of reach may take longer to fail. */
const LIST_TIMEOUT_MS = 3_000

/** A log that did not list its partitions is asked again after this long: subscribers do not wait for it each time. */
const FIND_AGAIN_MS = 10_000

export interface FollowerFinderDeps {
  /** Returns all partitions of the topics that are followed. May hang. */
  list(): Promise<readonly TopicPartition[]>
  /** Stores them. They need not be found again, after a restart either. */
  found(followers: readonly TopicPartition[]): void
  nowMs(): number
}

export class FollowerFinder {
  readonly #deps: FollowerFinderDeps
  #hasFound: boolean
  #finding: Promise<void> | undefined
  /** After a failure the log is asked again from then on, in milliseconds since the epoch. */
  #findAgainAtMs = 0

  /** `hasFound`: they were found before a restart. */
  constructor(hasFound: boolean, deps: FollowerFinderDeps) {
    this.#hasFound = hasFound
    this.#deps = deps
  }

  /**
   * A new storage knows no follower, but if it replaces a lost one there are followers that know nothing of it: they are
   * found by the topics' partitions before interest is confirmed. If the log does not answer, this rejects when `isLost`
   * is known; otherwise the followers are new too, and register before they route.
   */
  async find(isLost: boolean): Promise<void> {
    if (this.#hasFound || (!isLost && this.#deps.nowMs() < this.#findAgainAtMs)) return
    try {
      await (this.#finding ??= this.#list())
    } catch (error) {
      this.#findAgainAtMs = this.#deps.nowMs() + FIND_AGAIN_MS
      if (isLost) throw error
      logIncident('followers not found, to be looked for again', {}, { error: String(error) })
    } finally {
      this.#finding = undefined
    }
  }

  async #list(): Promise<void> {
    this.#deps.found(await withTimeout(this.#deps.list(), LIST_TIMEOUT_MS, 'the log did not list its partitions'))
    this.#hasFound = true
  }
}
