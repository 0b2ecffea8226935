// Which events of a batch go to which shards. A broadcast costs the same for one shard as for a thousand: it is routed and
// encoded once for a set of interested shards. Filled by following/assign-shards.ts, or from a RelayBatch; sent by
// fan-out-tree.ts. Pure.
import type { RoutedEvent } from '../events/stored-event.ts'
import { decodeBatch, encodeBatches, type EventBatch } from './batch-codec.ts'

/** An event whose recipients are still being collected. */
export interface AddressedEvent extends RoutedEvent {
  readonly recipients: string[]
}

/** Events in offset order: encoded once however many shards get them, decoded only where other events must be merged in. */
export class BroadcastStream {
  #events: RoutedEvent[] | undefined
  #packs: readonly EventBatch[] | undefined

  constructor(packs?: readonly EventBatch[]) {
    this.#packs = packs
    if (packs === undefined) this.#events = []
  }

  /** Call before `packs` is read. */
  push(event: RoutedEvent): void {
    this.#events?.push(event)
  }

  get events(): readonly RoutedEvent[] {
    return (this.#events ??= (this.#packs ?? []).flatMap((pack) => [...decodeBatch(pack)]))
  }

  get packs(): readonly EventBatch[] {
    return (this.#packs ??= encodeBatches(this.#events ?? []))
  }
}

/** The events of one batch, by the shards that get them. Mutable: it is filled while a batch is routed. */
export interface RoutedBatch {
  /** Shard → events for users of this shard, in offset order. */
  readonly addressed: Map<number, AddressedEvent[]>
  /** Set of interested shards → events for all subscribers there, in offset order. Types with the same set share a stream. */
  readonly broadcasts: Map<ReadonlySet<number>, BroadcastStream>
}

/** Returns a batch without events, to be filled. */
export function emptyRoutedBatch(): RoutedBatch {
  return { addressed: new Map(), broadcasts: new Map() }
}

/** Returns the events for users of the shard, to be added to. */
export function addressedTo({ addressed }: RoutedBatch, shard: number): AddressedEvent[] {
  const known = addressed.get(shard)
  if (known !== undefined) return known
  const events: AddressedEvent[] = []
  addressed.set(shard, events)
  return events
}

/** Shards that get exactly the same events. */
export interface SharedPayload {
  readonly shards: readonly number[]
  /** Call exactly once per shard. The payload is built on the first call and released after the last. */
  readonly take: () => readonly EventBatch[]
}

interface ShardStreams {
  readonly streams: BroadcastStream[]
  /** Numbers of the streams: equal keys are equal lists. */
  key: string
}

/** Groups the shards of a batch by what they get, so that each payload is encoded once. */
export function groupByPayload({ addressed, broadcasts }: RoutedBatch): readonly SharedPayload[] {
  if (broadcasts.size === 0) return Array.from(addressed, ([shard, events]) => toPayload([shard], [], events))
  const byShard = streamsByShard(broadcasts)
  const groups = new Map<string, { shards: number[]; streams: readonly BroadcastStream[] }>()
  for (const [shard, { key, streams }] of byShard) {
    if (addressed.has(shard)) continue
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { shards: [shard], streams })
    else group.shards.push(shard)
  }
  const shared = [...groups.values()].map(({ shards, streams }) => toPayload(shards, streams, []))
  const own = [...addressed].map(([shard, events]) => toPayload([shard], byShard.get(shard)?.streams ?? [], events))
  return [...shared, ...own]
}

function streamsByShard(broadcasts: RoutedBatch['broadcasts']): ReadonlyMap<number, ShardStreams> {
  const byShard = new Map<number, ShardStreams>()
  for (const [index, [shards, stream]] of [...broadcasts].entries()) {
    for (const shard of shards) {
      const known = byShard.get(shard)
      if (known === undefined) byShard.set(shard, { streams: [stream], key: String(index) })
      else {
        known.streams.push(stream)
        known.key += `,${index}`
      }
    }
  }
  return byShard
}

function toPayload(
  shards: readonly number[],
  streams: readonly BroadcastStream[],
  addressed: readonly RoutedEvent[],
): SharedPayload {
  const [only, ...others] = streams
  if (only !== undefined && others.length === 0 && addressed.length === 0) return { shards, take: () => only.packs }
  let left = shards.length
  let packs: readonly EventBatch[] | undefined
  const merged = () =>
    streams.length === 0 ? addressed : mergeByOffset([...streams.map(({ events }) => events), addressed])
  const take = () => {
    const taken = (packs ??= encodeBatches(merged()))
    left -= 1
    if (left <= 0) packs = undefined
    return taken
  }
  return { shards, take }
}

function mergeByOffset(lists: readonly (readonly RoutedEvent[])[]): readonly RoutedEvent[] {
  const filled = lists.filter(({ length }) => length > 0)
  if (filled.length === 1) return filled[0] ?? []
  return filled.flat().toSorted((a, b) => a.offset - b.offset)
}
