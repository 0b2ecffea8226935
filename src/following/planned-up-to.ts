// How far a partition may have been routed. A batch is routed by the interest at its start, so its records count as
// routed from then on. In memory only: after a restart, shards rely on what they have stored. Used by both objects
// that follow partitions.
import type { FollowerCounters, FollowerProgress } from '../rpc/follower.ts'

export class PlannedUpTo {
  #generation = 0
  #next = 0

  /** Call before records before `next` are routed. */
  planning(next: number, generation: number): void {
    this.#generation = generation
    this.#next = next
  }

  /** Returns the follower's progress. Calls `latestOf` only if `offset` has not been planned. */
  async progress(
    { generation, offset: done }: Pick<FollowerCounters, 'generation' | 'offset'>,
    shards: number,
    offset: number,
    latestOf: () => number | Promise<number | null>,
  ): Promise<FollowerProgress> {
    const planned = this.#generation === generation ? Math.max(done, this.#next) : done
    const latest = offset < planned ? null : await latestOf()
    return { generation, planned, latest, done, shards }
  }
}
