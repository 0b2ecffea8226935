// Routes → calls, at most `fanOut` of them: to each shard its batch, or, if there are too many, to one shard of each share
// what the whole share gets, for it to append and pass on. Run by a follower, and by a shard that relays; whoever runs them
// (pool.ts) answers only when all have ended. Pure.
//
// Nothing here keeps the order of two batches: the caller sends the next when all of this one are stored. What is left under
// way when a caller or a relay dies does no harm either: it carries offsets that are sent again before any later one, and
// a shard drops what is not newer than what it has.
import type { AppendBatch } from './batch-codec.ts'
import { groupByPayload, type RoutedBatch } from './routed-batch.ts'
import { partitionEvenly } from './partition-evenly.ts'
import { toRelayBatch, type RelayBatch, type BatchSource } from './relay-batch.ts'

export interface ShardSender {
  append(shard: number, batch: AppendBatch): Promise<void>
  /** To the shard that relays it; some of it is for itself. */
  relay(shard: number, shipment: RelayBatch): Promise<void>
}

/** `self`: the shard that relays: what it appends to itself is no call. */
export function planDeliveries(
  carrier: ShardSender,
  { topic, partition, generation }: BatchSource,
  fanOut: number,
  routes: RoutedBatch,
  self?: number,
): readonly (() => Promise<void>)[] {
  const parcels = groupByPayload(routes)
  const takes = new Map(parcels.flatMap(({ shards, take }) => shards.map((shard) => [shard, take] as const)))
  const source = { topic, partition, generation }
  const append = (shard: number) => async () => carrier.append(shard, { ...source, packs: takes.get(shard)?.() ?? [] })
  const others = [...takes.keys()].filter((shard) => shard !== self)
  const calls = partitionEvenly(others, fanOut).map((share) => {
    const relay = relayOf(share, partition)
    return share.length === 1
      ? append(relay)
      : async () => carrier.relay(relay, toRelayBatch(source, fanOut, routes, share))
  })
  return self !== undefined && takes.has(self) ? [append(self), ...calls] : calls
}

/** Another one for each partition, so that the work of all followers is not one shard's. */
function relayOf(share: readonly number[], partition: number): number {
  return share[partition % share.length] ?? 0
}
