// The argument of a relay call: what a group of shards gets, each event once, however many of the shards it is for. Made
// from a RoutedBatch by the sender (fan-out-tree.ts), and turned back into one by the shard that relays. Pure.
import type { RoutedEvent } from '../events/stored-event.ts'
import { decodeBatch, encodeBatches, type AppendBatch, type EventBatch } from './batch-codec.ts'
import { BroadcastStream, emptyRoutedBatch, type AddressedEvent, type RoutedBatch } from './routed-batch.ts'

/** Where the events of a batch come from: topic, partition and generation. */
export type BatchSource = Omit<AppendBatch, 'packs'>

/** The addressed events for users of one shard. */
interface AddressedEntries {
  readonly shard: number
  /** Indexes into the events of `packs`. */
  readonly events: readonly number[]
  /** The user ids of each of them. */
  readonly recipients: readonly string[][]
}

/** The events for a group of shards, as one relay call carries them. Each event is included once. */
export interface RelayBatch extends BatchSource {
  /** Calls that each relay may make. It travels with the batch, so that all levels of a tree use the same. */
  readonly fanOut: number
  readonly broadcasts: readonly { readonly shards: readonly number[]; readonly packs: readonly EventBatch[] }[]
  readonly addressed: { readonly packs: readonly EventBatch[]; readonly entries: readonly AddressedEntries[] }
}

/** Returns the part of `batch` that is for the shards of `group`. */
export function toRelayBatch(
  source: BatchSource,
  fanOut: number,
  batch: RoutedBatch,
  group: readonly number[],
): RelayBatch {
  const { topic, partition, generation } = source
  const broadcasts = [...batch.broadcasts].flatMap(([interested, stream]) => {
    const shards = group.filter((shard) => interested.has(shard))
    return shards.length === 0 ? [] : [{ shards, packs: stream.packs }]
  })
  return { topic, partition, generation, fanOut, broadcasts, addressed: toAddressed(batch, group) }
}

/** An event to users of several shards is included once. */
function toAddressed({ addressed }: RoutedBatch, group: readonly number[]): RelayBatch['addressed'] {
  const distinct = new Map<string, RoutedEvent>()
  for (const shard of group) for (const event of addressed.get(shard) ?? []) distinct.set(identityOf(event), event)
  const events = [...distinct.values()].toSorted((a, b) => a.offset - b.offset)
  const indexOf = new Map(events.map((event, index) => [identityOf(event), index]))
  const entries = group.flatMap((shard): readonly AddressedEntries[] => {
    const own = addressed.get(shard)
    if (own === undefined) return []
    const indexes = own.map((event) => indexOf.get(identityOf(event)) ?? 0)
    return [{ shard, events: indexes, recipients: own.map(({ recipients }) => recipients) }]
  })
  return { packs: encodeBatches(events.map((event) => ({ ...event, recipients: null }))), entries }
}

/** An event without a text tells shards that have a table of a change: one a table, besides the event itself. */
function identityOf({ offset, type, utf8 }: RoutedEvent): string {
  return utf8.length === 0 ? `${offset} ${type}` : `${offset}`
}

/**
 * Returns the batch that `toRelayBatch` was called with, restricted to the group. Indexes that name no event are
 * skipped.
 */
export function fromRelayBatch({ addressed, broadcasts }: RelayBatch): RoutedBatch {
  const batch = emptyRoutedBatch()
  for (const { shards, packs } of broadcasts) batch.broadcasts.set(new Set(shards), new BroadcastStream(packs))
  const events = addressed.packs.flatMap((pack) => [...decodeBatch(pack)])
  for (const { shard, events: indexes, recipients } of addressed.entries) {
    const own = indexes.flatMap((eventIndex, index): readonly AddressedEvent[] => {
      const event = events[eventIndex]
      return event === undefined ? [] : [{ ...event, recipients: recipients[index] ?? [] }]
    })
    batch.addressed.set(shard, own)
  }
  return batch
}
