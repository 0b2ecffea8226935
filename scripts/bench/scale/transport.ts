// Shards and the calls to them, simulated: a call takes time on the way, at most six calls of an invocation wait at once, and a
// shard does one thing at a time. What is called, and in which order, is decided by the code of src/.
import { MAX_CONCURRENT_CALLS, runWithLimit } from '../../../src/core/concurrency.ts'
import { decodeBatch, type AppendBatch } from '../../../src/core/delivery/batch-codec.ts'
import { FAN_OUT, planDeliveries, type ShardSender } from '../../../src/core/delivery/fan-out-tree.ts'
import { fromRelayBatch, type BatchSource } from '../../../src/core/delivery/relay-batch.ts'
import type { RoutedBatch } from '../../../src/core/delivery/routed-batch.ts'
import { DEFAULT_GROUP, groupOf } from '../../../src/core/shard-map/shard-number.ts'
import { exponential, type VirtualClock } from './clock.ts'

/** Cloudflare's limit of calls that wait for their answers in one invocation. */
const WAITING_CALLS = 6

/** Milliseconds. Where they come from: docs/scale.md. */
export interface Costs {
  /** One way between two objects: at least, and on average besides. */
  readonly callLeast: number
  readonly callMore: number
  /** One way to a group of shards on another continent, besides. */
  readonly crossing: number
  /** A commit of SQLite, until a shard answers. */
  readonly commit: number
  /** Decoding and storing, by event. */
  readonly event: number
  /** A relay's own work. */
  readonly relay: number
  /** Writing one event to one connection. */
  readonly delivery: number
}

export interface ShardCounts {
  appends: number
  requests: number
  /** Time that the shard was at work. */
  busyMs: number
}

export class Shards {
  readonly counts: ReadonlyMap<number, ShardCounts>
  /** Shard → when it is reachable again. */
  readonly downUntil = new Map<number, number>()
  failed = 0
  readonly #clock: VirtualClock
  readonly #random: () => number
  readonly #costs: Costs
  readonly #subscribers: (type: string) => number
  readonly #busyUntil = new Map<number, number>()

  /** `subscribers`: connections of one shard that an event of this type goes to. */
  constructor(
    all: readonly number[],
    clock: VirtualClock,
    random: () => number,
    costs: Costs,
    subscribers: (type: string) => number,
  ) {
    this.counts = new Map(all.map((shard) => [shard, { appends: 0, requests: 0, busyMs: 0 }]))
    this.#clock = clock
    this.#random = random
    this.#costs = costs
    this.#subscribers = subscribers
  }

  /** One invocation of a follower: sends a batch. Rejects if a shard could not be reached, after all calls have ended. */
  send(source: BatchSource, batch: RoutedBatch): Promise<void> {
    return this.#invoke(source, FAN_OUT, batch, this.#sender())
  }

  async #invoke(source: BatchSource, fanOut: number, batch: RoutedBatch, sender: ShardSender, self?: number) {
    await runWithLimit(planDeliveries(sender, source, fanOut, batch, self), MAX_CONCURRENT_CALLS)
  }

  /** A sender for one invocation. `self`: the shard that relays appends its own part without a call. */
  #sender(self?: number): ShardSender {
    let waiting = 0
    const queue: (() => void)[] = []
    const limited = async (work: () => Promise<void>) => {
      if (waiting >= WAITING_CALLS) await new Promise<void>((resume) => queue.push(resume))
      waiting += 1
      try {
        await work()
      } finally {
        waiting -= 1
        queue.shift()?.()
      }
    }
    return {
      append: (shard, batch) =>
        shard === self
          ? this.#append(shard, batch)
          : limited(() => this.#call(shard, () => this.#append(shard, batch))),
      relay: (shard, batch) =>
        limited(() =>
          this.#call(shard, async () => {
            await this.#work(shard, this.#costs.relay)
            const routed = fromRelayBatch(batch)
            await this.#invoke(batch, batch.fanOut, routed, this.#sender(shard), shard)
          }),
        ),
    }
  }

  async #call(shard: number, work: () => Promise<void>): Promise<void> {
    await this.#clock.sleep(this.#oneWay(shard))
    if ((this.downUntil.get(shard) ?? 0) > this.#clock.nowMs) {
      this.failed += 1
      throw new Error(`shard ${shard} is not reachable`)
    }
    const counts = this.counts.get(shard)
    if (counts !== undefined) counts.requests += 1
    await work()
    await this.#clock.sleep(this.#oneWay(shard))
  }

  async #append(shard: number, { packs }: AppendBatch): Promise<void> {
    const counts = this.counts.get(shard)
    if (counts !== undefined) counts.appends += 1
    const events = packs.flatMap((pack) => [...decodeBatch(pack)])
    const { commit, delivery, event } = this.#costs
    await this.#work(shard, commit + events.length * event)
    const deliveries = events.reduce((sum, one) => sum + (one.recipients?.length ?? this.#subscribers(one.type)), 0)
    // Delivered after the answer: it delays what comes next.
    this.occupy(shard, deliveries * delivery)
  }

  async #work(shard: number, ms: number): Promise<void> {
    await this.#clock.sleep(this.occupy(shard, ms) - this.#clock.nowMs)
  }

  /** The shard is at work for so long. Returns when it will have done it. */
  occupy(shard: number, ms: number): number {
    const counts = this.counts.get(shard)
    if (counts !== undefined) counts.busyMs += ms
    const until = Math.max(this.#busyUntil.get(shard) ?? 0, this.#clock.nowMs) + ms
    this.#busyUntil.set(shard, until)
    return until
  }

  /** Adds the way between two groups to each call of a shard that is not in the default group, where Kafka is. */
  #oneWay(shard: number): number {
    const far = groupOf(shard) === DEFAULT_GROUP ? 0 : this.#costs.crossing
    return far + this.#costs.callLeast + exponential(this.#random, this.#costs.callMore)
  }
}
