// Followers, simulated: each takes what its partition has, routes it by the code of src/, and sends the next batch when this one
// is stored everywhere. A batch that failed is sent again.
import { emptyRoutedBatch } from '../../../src/core/delivery/routed-batch.ts'
import type { InterestTable } from '../../../src/core/interest/table.ts'
import type { ShardRouting } from '../../../src/core/shard-map/routing.ts'
import { RecordKey } from '../../../src/decoding/record-key.ts'
import { assignShards } from '../../../src/following/assign-shards.ts'
import { exponential, type VirtualClock } from './clock.ts'
import type { Shards } from './transport.ts'

/** Events of one partition. `users`: null is a broadcast. */
interface SimulatedEvent {
  readonly type: string
  readonly users: readonly string[] | null
}

export interface FollowersOptions {
  readonly partitions: number
  /** Events a second of one partition. */
  readonly rate: number
  readonly next: () => SimulatedEvent
  readonly routing: ShardRouting
  readonly interests: InterestTable
  readonly clock: VirtualClock
  readonly random: () => number
  readonly shards: Shards
}

const MAX_BATCH = 500
const RETRY_MS = 200
const MAX_RETRY_MS = 30_000
const utf8 = new TextEncoder().encode(
  JSON.stringify({ specversion: '1.0', id: '0', source: '/scale', type: 'scale', data: 'x'.repeat(200) }),
)

export class Followers {
  /** Milliseconds from the record to its being stored at every shard that it concerns. */
  readonly latencies: number[] = []
  batches = 0
  readonly #options: FollowersOptions

  constructor(options: FollowersOptions) {
    this.#options = options
    for (let partition = 0; partition < options.partitions; partition += 1) void this.#follow(partition)
  }

  async #follow(partition: number): Promise<void> {
    const { clock, random, rate, routing, shards } = this.#options
    const meanMs = 1_000 / rate
    let nextAtMs = exponential(random, meanMs)
    for (let offset = 0; ;) {
      if (nextAtMs > clock.nowMs) await clock.sleep(nextAtMs - clock.nowMs)
      const arrivals: number[] = []
      const batch = emptyRoutedBatch()
      for (; nextAtMs <= clock.nowMs && arrivals.length < MAX_BATCH; nextAtMs += exponential(random, meanMs)) {
        arrivals.push(nextAtMs)
        this.#assign(batch, partition, offset)
        offset += 1
      }
      for (const part of routing.inOrder(batch)) await this.#send(() => shards.send(sourceOf(partition), part))
      this.batches += 1
      for (const atMs of arrivals) this.latencies.push(clock.nowMs - atMs)
    }
  }

  #assign(batch: ReturnType<typeof emptyRoutedBatch>, partition: number, offset: number): void {
    const { interests, next, routing } = this.#options
    const { type, users } = next()
    const rules = { extractors: new Map(), recipients: { byType: new Map(), all: undefined }, routing, interests }
    const record = { ...sourceOf(partition), offset, timestampMs: 0, key: null, value: utf8, headers: [] }
    assignShards(batch, rules, { parsed: {}, type, utf8 }, record, new RecordKey(record, null), users)
  }

  async #send(send: () => Promise<void>): Promise<void> {
    for (let waitMs = RETRY_MS; ; waitMs = Math.min(2 * waitMs, MAX_RETRY_MS)) {
      try {
        return await send()
      } catch {
        await this.#options.clock.sleep(this.#options.random() * waitMs)
      }
    }
  }
}

function sourceOf(partition: number) {
  return { topic: 'scale', partition, generation: 0 }
}
