// Groups a batch of events by who gets which of them. Connections that get the same events share one group, so a
// transport encodes a group once, however many connections it is for. Groups form a trie over the events of the batch:
// a connection walks one step per event it gets.
import type { StoredEvent } from '../events/stored-event.ts'

/** The same events for a number of connections, in log order. */
export class DeliveryGroup {
  readonly before: DeliveryGroup | undefined
  readonly lastEvent: StoredEvent | undefined
  readonly #next = new Map<StoredEvent, DeliveryGroup>()
  readonly #encodings = new Map<string, unknown>()
  #events: readonly StoredEvent[] | undefined
  /** Sum of the events' JSON, in UTF-16 code units: a measure for queues, not the bytes on a wire. */
  readonly size: number

  constructor(previous?: DeliveryGroup, event?: StoredEvent) {
    this.before = previous
    this.lastEvent = event
    this.size = (previous?.size ?? 0) + (event?.json.length ?? 0)
  }

  /** Made when first asked for: a group that is only walked through never builds its list. */
  get events(): readonly StoredEvent[] {
    return (this.#events ??= this.#collect())
  }

  append(event: StoredEvent): DeliveryGroup {
    let next = this.#next.get(event)
    if (next === undefined) this.#next.set(event, (next = new DeliveryGroup(this, event)))
    return next
  }

  /** The encoding of this group by `transport`, made once. */
  encode<T extends object | string>(transport: string, make: (events: readonly StoredEvent[]) => T): T {
    let encoded = this.#encodings.get(transport) as T | undefined
    if (encoded === undefined) this.#encodings.set(transport, (encoded = make(this.events)))
    return encoded
  }

  #collect(): readonly StoredEvent[] {
    const events: StoredEvent[] = []
    let [event, previous] = [this.lastEvent, this.before]
    while (event !== undefined) {
      events.push(event)
      event = previous?.lastEvent
      previous = previous?.before
    }
    return events.toReversed()
  }
}

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
