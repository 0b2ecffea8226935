// Asks all shards for the shard map and for their interest when the Directory's storage is new, which may replace a lost
// one: a follower that registers with a new storage has nothing of its own to route by. Pure: calls are arguments. Used
// by directory.ts.
import { runWithLimit } from '../../core/concurrency.ts'
import { valuesOf, type ShardResult } from '../../core/delivery/scatter-gather.ts'
import { allShardsOf, type ShardMap } from '../../core/shard-map/shard-map.ts'
import type { ShardMapAnswer } from '../../rpc/shard-commands.ts'

/** The platform limits an invocation to six calls that wait for a response at the same time. */
const CONCURRENT_CALLS = 6

export interface InterestRecoveryDeps {
  /** The epoch of the Directory's storage. */
  epoch(): string
  /** The map that the Directory has. */
  map(): ShardMap
  /** Takes a newer map, which a shard has. */
  adopt(map: ShardMap): void
  /** Returns what each of these shards knows. Shards of versions before shard maps return nothing. */
  query(shards: readonly number[], map: ShardMap): Promise<readonly ShardResult<ShardMapAnswer | undefined>[]>
  /** Asks a shard to declare its interest again. Resolves when it has. */
  ask(shard: number): Promise<void>
  /** Stores that all shards have declared: they need not be asked again, after a restart either. */
  done(): void
}

export class InterestRecovery {
  readonly #deps: InterestRecoveryDeps
  #isDone: boolean
  #recovering: Promise<void> | undefined

  constructor(isDone: boolean, deps: InterestRecoveryDeps) {
    this.#isDone = isDone
    this.#deps = deps
  }

  /**
   * Resolves when this storage knows what every shard wants. Rejects if a shard does not answer; the next call asks
   * those that have not declared yet.
   */
  async ensure(): Promise<void> {
    if (this.#isDone) return
    this.#recovering ??= this.#recover().finally(() => (this.#recovering = undefined))
    await this.#recovering
  }

  async #recover(): Promise<void> {
    const answers = await this.#findShards()
    const missing = answers.filter(({ value }) => this.#mustDeclare(value))
    const ask = (shard: number) => () => this.#deps.ask(shard)
    await runWithLimit(
      missing.map(({ shard }) => ask(shard)),
      CONCURRENT_CALLS,
    )
    this.#deps.done()
    this.#isDone = true
  }

  /** Asks the shards of the newest map that one of them has. */
  async #findShards() {
    for (;;) {
      const map = this.#deps.map()
      const shards = allShardsOf(map)
      // No shard takes a map of version 0: it only answers.
      const values = valuesOf(await this.#deps.query(shards, { ...map, version: 0 }))
      const newest = values.reduce(
        (best, value) => (value !== undefined && value.map.version > best.version ? value.map : best),
        map,
      )
      if (newest.version <= this.#deps.map().version) return shards.map((shard, at) => ({ shard, value: values[at] }))
      this.#deps.adopt(newest)
    }
  }

  /** A shard that has never declared anything has confirmed no subscription. */
  #mustDeclare(value: ShardMapAnswer | undefined): boolean {
    return value?.declaredTo !== null && value?.declaredTo !== this.#deps.epoch()
  }
}
