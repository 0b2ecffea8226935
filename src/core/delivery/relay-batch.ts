// What a relay gets: a share of the shards, and each event that is for any of them once. Pure: routes.ts ↔ one call.
import type { RoutedEvent } from '../events/stored-event.ts'
import { encodeBatches, decodeBatch, type AppendBatch, type EventBatch } from './batch-codec.ts'
import { emptyRoutedBatch, BroadcastStream, type AddressedEvent, type RoutedBatch } from './routed-batch.ts'

/** Whose events they are. */
export type BatchSource = Omit<AppendBatch, 'packs'>

/** Which of the addressed events are for users of a shard, and who they are. */
interface Letters {
  readonly shard: number
  readonly events: readonly number[]
  readonly recipients: readonly string[][]
}

export interface RelayBatch extends BatchSource {
  /** Calls that each relay may make; travels, so that a tree is of one kind. */
  readonly fanOut: number
  readonly broadcasts: readonly { readonly shards: readonly number[]; readonly packs: readonly EventBatch[] }[]
  readonly addressed: { readonly packs: readonly EventBatch[]; readonly letters: readonly Letters[] }
}

export function toRelayBatch(
  source: BatchSource,
  fanOut: number,
  routes: RoutedBatch,
  share: readonly number[],
): RelayBatch {
  const { topic, partition, generation } = source
  const broadcasts = [...routes.broadcasts].flatMap(([interested, stream]) => {
    const shards = share.filter((shard) => interested.has(shard))
    return shards.length === 0 ? [] : [{ shards, packs: stream.packs }]
  })
  return { topic, partition, generation, fanOut, broadcasts, addressed: toAddressed(routes, share) }
}

/** An event to users of several shards is in it once. */
function toAddressed({ addressed }: RoutedBatch, share: readonly number[]): RelayBatch['addressed'] {
  const byOffset = new Map<number, RoutedEvent>()
  for (const shard of share) for (const event of addressed.get(shard) ?? []) byOffset.set(event.offset, event)
  const events = [...byOffset.values()].toSorted((a, b) => a.offset - b.offset)
  const places = new Map(events.map(({ offset }, index) => [offset, index]))
  const letters = share.flatMap((shard): readonly Letters[] => {
    const own = addressed.get(shard)
    if (own === undefined) return []
    const at = own.map(({ offset }) => places.get(offset) ?? 0)
    return [{ shard, events: at, recipients: own.map(({ recipients }) => recipients) }]
  })
  return { packs: encodeBatches(events.map((event) => ({ ...event, recipients: null }))), letters }
}

export function fromRelayBatch({ addressed, broadcasts }: RelayBatch): RoutedBatch {
  const routes = emptyRoutedBatch()
  for (const { shards, packs } of broadcasts) routes.broadcasts.set(new Set(shards), new BroadcastStream(packs))
  const events = addressed.packs.flatMap((pack) => [...decodeBatch(pack)])
  for (const { shard, events: at, recipients } of addressed.letters) {
    const own = at.flatMap((place, index): readonly AddressedEvent[] => {
      const event = events[place]
      return event === undefined ? [] : [{ ...event, recipients: recipients[index] ?? [] }]
    })
    routes.addressed.set(shard, own)
  }
  return routes
}
