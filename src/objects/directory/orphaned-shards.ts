// Finds shards whose interest was lost with an earlier storage of the Directory, and asks them to declare it again.
// Followers report these shards. Used by directory.ts.
import { logIncident } from '../../telemetry/incident-log.ts'
import { runWithLimit } from '../../core/concurrency.ts'

/** The platform limits an invocation to six calls that wait for a response at the same time. */
const CONCURRENT_CALLS = 6

/** How long to wait before shards that did not answer are asked again. */
const ASK_AGAIN_MS = 5_000

export interface OrphanedShardsDeps {
  /** Asks a shard to declare its interest again. */
  ask(shard: number): Promise<void>
  inBackground(work: Promise<void>): void
  /** Sets an alarm, unless there is an earlier one. */
  wakeBy(atMs: number): Promise<void>
  nowMs(): number
}

export class OrphanedShards {
  readonly #deps: OrphanedShardsDeps
  readonly #shards = new Set<number>()
  #isAsking = false
  /** When shards are asked again, in milliseconds since the epoch. After a restart they may have to be: at once. */
  #askAgainAtMs = 0

  constructor(deps: OrphanedShardsDeps) {
    this.#deps = deps
  }

  /** Asks these, and those that are left from before, unless some are being asked. */
  report(shards: Iterable<number>): void {
    for (const shard of shards) this.#shards.add(shard)
    if (this.#shards.size > 0 && !this.#isAsking) this.#deps.inBackground(this.#askAll())
  }

  /** Whether followers are to be asked for orphans again. True once, until the next failure. */
  takeDue(): boolean {
    if (this.#deps.nowMs() < this.#askAgainAtMs) return false
    this.#askAgainAtMs = Infinity
    return true
  }

  async #askAll(): Promise<void> {
    this.#isAsking = true
    const ask = (shard: number) => async () => {
      await this.#deps.ask(shard)
      this.#shards.delete(shard)
    }
    try {
      await runWithLimit([...this.#shards].map(ask), CONCURRENT_CALLS)
    } catch (error) {
      logIncident('shards have not declared their interest anew', {}, { error: String(error) })
      this.#askAgainAtMs = this.#deps.nowMs() + ASK_AGAIN_MS
      await this.#deps.wakeBy(this.#askAgainAtMs)
    } finally {
      this.#isAsking = false
    }
  }
}
