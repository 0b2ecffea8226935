// Groups the connections of a shard by the events of a batch that they get. A transport encodes each group once, however
// many connections it is for. Groups form a trie over the events of the batch: a connection takes one step per event.
// Called by the shard's connection registry. Pure.
import type { StoredEvent } from '../events/stored-event.ts'

/** The same events for a number of connections, in log order. */
export class DeliveryGroup {
  readonly parent: DeliveryGroup | undefined
  readonly lastEvent: StoredEvent | undefined
  readonly #next = new Map<StoredEvent, DeliveryGroup>()
  readonly #encodings = new Map<string, unknown>()
  #events: readonly StoredEvent[] | undefined
  /** Length of the events' JSON in UTF-16 code units: a measure for queues, not the bytes on the wire. */
  readonly size: number

  constructor(parent?: DeliveryGroup, event?: StoredEvent) {
    this.parent = parent
    this.lastEvent = event
    this.size = (parent?.size ?? 0) + (event?.json.length ?? 0)
  }

  /** Built when first read: an inner node of the trie never builds its list. */
  get events(): readonly StoredEvent[] {
    return (this.#events ??= this.#collect())
  }

  /** The group of the connections that get this event after the events of this group. */
  append(event: StoredEvent): DeliveryGroup {
    let next = this.#next.get(event)
    if (next === undefined) this.#next.set(event, (next = new DeliveryGroup(this, event)))
    return next
  }

  /** Returns the encoding of this group for `transport`. `make` runs once. */
  encode<T extends object | string>(transport: string, make: (events: readonly StoredEvent[]) => T): T {
    let encoded = this.#encodings.get(transport) as T | undefined
    if (encoded === undefined) this.#encodings.set(transport, (encoded = make(this.events)))
    return encoded
  }

  #collect(): readonly StoredEvent[] {
    const events: StoredEvent[] = []
    let [event, parent] = [this.lastEvent, this.parent]
    while (event !== undefined) {
      events.push(event)
      event = parent?.lastEvent
      parent = parent?.parent
    }
    return events.toReversed()
  }
}

/**
 * Returns the events for each connection, grouped so that connections with the same events share a group. `match`
 * returns the connections that get an event.
 */
export function groupByConnection<C>(
  events: readonly StoredEvent[],
  match: (event: StoredEvent) => ReadonlySet<C>,
): ReadonlyMap<C, DeliveryGroup> {
  const root = new DeliveryGroup()
  const groups = new Map<C, DeliveryGroup>()
  for (const event of events) {
    for (const connection of match(event)) {
      groups.set(connection, (groups.get(connection) ?? root).append(event))
    }
  }
  return groups
}
