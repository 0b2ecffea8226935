// Gathers the facts for a join: asks the followers of the client's topics for their progress, and reads what this
// shard's log has stored. core/as-of decides. Used by as-of-joins.ts.
import { topicOfPartition, type AsOf } from '../../../core/as-of/as-of.ts'
import type { FollowedUpTo, JoinFacts } from '../../../core/as-of/resolve-as-of.ts'
import { runWithLimit } from '../../../core/concurrency.ts'
import { partitionName, type TopicPartition } from '../../../core/events/kafka-record.ts'
import type { FollowerProgress } from '../../../rpc/follower.ts'
import type { LogStore } from '../log/log-store.ts'

/** The platform limits an invocation to six calls that wait for a response at the same time. */
const CONCURRENT_CALLS = 6
/** How long the list of partitions is cached. An added partition is also noticed by its first event. */
const PARTITIONS_LAST_MS = 30_000
/** A list that lacks a partition is asked for again after this long: clients may name partitions that do not exist. */
const PARTITIONS_LAST_AT_LEAST_MS = 1_000

export interface JoinFactsDeps {
  readonly log: Pick<LogStore, 'stored' | 'rows' | 'floor'>
  committedSeq(): number
  /** Returns all partitions that were ever followed. */
  partitions(): Promise<readonly TopicPartition[]>
  /** Whether a topic is followed. */
  readonly isFollowed: (topic: string) => boolean
  /**
   * Returns null if the follower has not started. `offset`: the log is asked for its end if it is not followed so far.
   */
  progress(at: TopicPartition, offset: number): Promise<FollowerProgress | null>
  /** The number of shards by which followers route addressed events. */
  shards(): number
  nowMs(): number
}

export class JoinFactsReader {
  readonly #deps: JoinFactsDeps
  #partitions: { readonly all: readonly TopicPartition[]; readonly atMs: number } | undefined

  constructor(deps: JoinFactsDeps) {
    this.#deps = deps
  }

  /** Returns all facts except `sinceOf`. Rejects if the Directory or a follower does not answer. */
  async ask(asOf: AsOf): Promise<JoinFacts> {
    const { log } = this.#deps
    const topics = new Set([...asOf.keys()].map(topicOfPartition).filter((topic) => this.#deps.isFollowed(topic)))
    const all = (await this.#listPartitions()).filter(({ topic }) => topics.has(topic))
    const followed = new Map<string, FollowedUpTo>()
    const ask = (at: TopicPartition, offset: number) => async () => {
      const progress = await this.#deps.progress(at, offset)
      // A follower of another version may send a user's events to another shard.
      if (progress !== null && progress.shards === this.#deps.shards()) followed.set(partitionName(at), progress)
    }
    const named = all.flatMap((at) => {
      const offset = asOf.get(partitionName(at))
      return offset === undefined ? [] : [ask(at, offset)]
    })
    // If a partition is missing, the result is known without asking followers.
    if (named.length === all.length) await runWithLimit(named, CONCURRENT_CALLS)
    const stored = Object.keys(log.stored).filter((partition) => topics.has(topicOfPartition(partition)))
    return {
      asOf,
      topics,
      partitions: new Set([...all.map(partitionName), ...stored]),
      followed,
      stored: log.stored,
      sinceOf: () => undefined,
      rows: log.rows(),
      floorSeq: log.floor,
      committedSeq: this.#deps.committedSeq(),
    }
  }

  /** Returns those offsets up to which this shard may not have everything yet. Rejects like `ask`. */
  async unpassed(offsets: AsOf): Promise<AsOf> {
    const deps = this.#deps
    const named = (await this.#listPartitions()).filter((at) => offsets.has(partitionName(at)))
    const left = new Map(offsets)
    const ask = (at: TopicPartition) => async () => {
      const name = partitionName(at)
      const offset = offsets.get(name) ?? 0
      // `latest` is not needed: the end of the log is asked for only if this offset has not been planned.
      const found = await deps.progress(at, -1)
      if (found === null || found.shards !== deps.shards()) return
      const [generation, nextOffset] = deps.log.stored[name] ?? [-1, 0]
      const isStored = generation === found.generation && nextOffset > offset
      if (isStored || (found.done ?? 0) > offset) left.delete(name)
    }
    await runWithLimit(named.map(ask), CONCURRENT_CALLS)
    // The first event of a partition may have made it a moment ago.
    if (named.length < offsets.size && this.#ageMs >= PARTITIONS_LAST_AT_LEAST_MS) this.#partitions = undefined
    return left
  }

  get #ageMs(): number {
    return this.#deps.nowMs() - (this.#partitions?.atMs ?? -Infinity)
  }

  async #listPartitions(): Promise<readonly TopicPartition[]> {
    const known = this.#partitions
    if (known !== undefined && this.#ageMs < PARTITIONS_LAST_MS) return known.all
    const all = await this.#deps.partitions()
    this.#partitions = { all, atMs: this.#deps.nowMs() }
    return all
  }
}
