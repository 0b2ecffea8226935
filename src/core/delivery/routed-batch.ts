// Which events go to which shards, so that a broadcast costs the same for one shard as for a thousand: it is routed and
// packed once, for the very set of shards that are interested. What each shard gets of it is worked out when it is sent.
// Filled by a follower (ingest/route.ts) or from a shipment (shipment.ts). Pure.
import type { RoutedEvent } from '../events/stored-event.ts'
import { encodeBatches, decodeBatch, type EventBatch } from './batch-codec.ts'

/** Its recipients are still being collected. */
export interface AddressedEvent extends RoutedEvent {
  readonly recipients: string[]
}

/** Events in offset order: packed once however many shards get them, unpacked only where others have to join them. */
export class BroadcastStream {
  #events: RoutedEvent[] | undefined
  #packs: readonly EventBatch[] | undefined

  constructor(packs?: readonly EventBatch[]) {
    this.#packs = packs
    if (packs === undefined) this.#events = []
  }

  /** Before anybody asks for packs. */
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

export interface RoutedBatch {
  /** Shard → what is for users there, in offset order. */
  readonly addressed: Map<number, AddressedEvent[]>
  /**
   * The shards that are interested → what is for everybody there, in offset order. Types that share the very set share its
   * stream.
   */
  readonly broadcasts: Map<ReadonlySet<number>, BroadcastStream>
}

export function emptyRoutedBatch(): RoutedBatch {
  return { addressed: new Map(), broadcasts: new Map() }
}

/** Shards that get the very same events. */
export interface SharedPayload {
  readonly shards: readonly number[]
  /** To be asked for once for each of the shards: made for the first, forgotten with the last. */
  readonly take: () => readonly EventBatch[]
}

interface Mail {
  readonly streams: BroadcastStream[]
  /** Of the streams: which they are. */
  key: string
}

export function groupByPayload({ addressed, broadcasts }: RoutedBatch): readonly SharedPayload[] {
  const mails = new Map<number, Mail>()
  for (const [index, [shards, stream]] of [...broadcasts].entries()) {
    for (const shard of shards) {
      const mail = mails.get(shard)
      if (mail === undefined) mails.set(shard, { streams: [stream], key: String(index) })
      else {
        mail.streams.push(stream)
        mail.key += `,${index}`
      }
    }
  }
  const alike = new Map<string, { shards: number[]; streams: readonly BroadcastStream[] }>()
  for (const [shard, { key, streams }] of mails) {
    if (addressed.has(shard)) continue
    const found = alike.get(key)
    if (found === undefined) alike.set(key, { shards: [shard], streams })
    else found.shards.push(shard)
  }
  const shared = [...alike.values()].map(({ shards, streams }) => toParcel(shards, streams, []))
  const own = [...addressed].map(([shard, events]) => toParcel([shard], mails.get(shard)?.streams ?? [], events))
  return [...shared, ...own]
}

function toParcel(
  shards: readonly number[],
  streams: readonly BroadcastStream[],
  own: readonly RoutedEvent[],
): SharedPayload {
  const [only, ...others] = streams
  if (only !== undefined && others.length === 0 && own.length === 0) return { shards, take: () => only.packs }
  let left = shards.length
  let packs: readonly EventBatch[] | undefined
  const take = () => {
    const taken = (packs ??= encodeBatches(inOrder([...streams.map(({ events }) => events), own])))
    left -= 1
    if (left <= 0) packs = undefined
    return taken
  }
  return { shards, take }
}

function inOrder(lists: readonly (readonly RoutedEvent[])[]): readonly RoutedEvent[] {
  const filled = lists.filter(({ length }) => length > 0)
  if (filled.length === 1) return filled[0] ?? []
  return filled.flat().toSorted((a, b) => a.offset - b.offset)
}
