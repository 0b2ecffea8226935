// How far a partition has been routed, or may have been: what a batch under way is planned by is the interest of its start. In
// memory only: after a restart a shard knows by what it has stored. Used by both objects that follow partitions.
import type { FollowerCounters, FollowerProgress } from '../rpc/follower.ts'

export class PlannedUpTo {
  #generation = 0
  #next = 0

  /** Records before `next` are about to be routed. */
  planning(next: number, generation: number): void {
    this.#generation = generation
    this.#next = next
  }

  /** Returns how far the follower is. `latestOf` is asked if `offset` has not been planned. */
  async progress(
    { generation, offset: done }: Pick<FollowerCounters, 'generation' | 'offset'>,
    shards: number,
    offset: number,
    latestOf: () => number | Promise<number | null>,
  ): Promise<FollowerProgress> {
    const planned = this.#generation === generation ? Math.max(done, this.#next) : done
    const latest = offset < planned ? null : await latestOf()
    return { generation, planned, latest, shards }
  }
}
