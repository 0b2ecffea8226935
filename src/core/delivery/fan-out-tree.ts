// Calls to many shards as a tree of bounded width: at most FAN_OUT calls per invocation, each to one shard of a group,
// which relays the parts of the others in its group. Depth is logarithmic: 64 × 64 shards need one level of relays. Used
// by followers, by shards that relay, and by scatter-gather.ts. Pure.
//
// The order of two batches is not kept here: the caller sends the next batch when all of this one is stored. A call that
// outlives its caller does no harm: its offsets are sent again before any later ones, and a shard drops
// offsets that it has stored.
import type { AppendBatch } from './batch-codec.ts'
import { toRelayBatch, type BatchSource, type RelayBatch } from './relay-batch.ts'
import { groupByPayload, type RoutedBatch } from './routed-batch.ts'

/**
 * Calls that one invocation makes to shards for one stage of a batch, or one command. Up to this number of shards nothing
 * is relayed. An invocation may make 1,000, of which six wait at once: more than 64 would take longer than a relay does.
 */
export const FAN_OUT = 64

/** How events reach shards: rpc/shard.ts in production. Both reject if a shard cannot be reached or cannot store. */
export interface ShardSender {
  append(shard: number, batch: AppendBatch): Promise<void>
  /** Sends the batch of a group of shards to one of them, which appends its own part and passes on the rest. */
  relay(shard: number, batch: RelayBatch): Promise<void>
}

/** Splits a list into at most `most` groups of consecutive members, as even as possible. */
export function partitionEvenly<T>(all: readonly T[], most: number): readonly (readonly T[])[] {
  const count = Math.min(most, all.length)
  const start = (group: number) => Math.floor((group * all.length) / count)
  return Array.from({ length: count }, (_, group) => all.slice(start(group), start(group + 1)))
}

/**
 * Plans the calls for a routed batch, to be run concurrently: one append per shard, or, above `fanOut` shards, one relay
 * call per group of shards. `self` is the shard that relays: its own append is not a call and comes on top.
 */
export function planDeliveries(
  sender: ShardSender,
  { topic, partition, generation }: BatchSource,
  fanOut: number,
  batch: RoutedBatch,
  self?: number,
): readonly (() => Promise<void>)[] {
  const payloads = groupByPayload(batch)
  const [only] = payloads
  // An event by itself is nearly always for one shard.
  if (only !== undefined && payloads.length === 1 && only.shards.length === 1) {
    const [shard = 0] = only.shards
    return [() => sender.append(shard, { topic, partition, generation, packs: only.take() })]
  }
  const takeOf = new Map(payloads.flatMap(({ shards, take }) => shards.map((shard) => [shard, take] as const)))
  const source = { topic, partition, generation }
  const append = (shard: number) => async () => sender.append(shard, { ...source, packs: takeOf.get(shard)?.() ?? [] })
  const others = [...takeOf.keys()].filter((shard) => shard !== self)
  const calls = partitionEvenly(others, fanOut).map((group) => {
    const relay = relayOf(group, partition)
    return group.length === 1
      ? append(relay)
      : async () => sender.relay(relay, toRelayBatch(source, fanOut, batch, group))
  })
  return self !== undefined && takeOf.has(self) ? [append(self), ...calls] : calls
}

/** Picks the relay by partition number, so that the relays of many followers are different shards. */
function relayOf(group: readonly number[], partition: number): number {
  return group[partition % group.length] ?? 0
}
