// Which shards an event concerns. Pure: recipients and fields are read out of the event once, here, and travel with it.
import type { RoutedEvent } from '../core/events/stored-event.ts'
import { extractFields, extractRecipients, type Extractors, type RecipientPointers } from '../core/events/extractors.ts'
import { BroadcastStream, type AddressedEvent, type RoutedBatch } from '../core/delivery/routed-batch.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { shardOf } from '../core/delivery/shard-hash.ts'
import { watchTopic } from '../core/subscriptions/watch-topic.ts'
import type { Decoded } from '../decoding/decode-record.ts'

export interface RouteRules {
  readonly extractors: Extractors
  readonly recipients: RecipientPointers
  readonly shards: number
  /** The shards that follow a type, as the Directory said last. */
  readonly interested: (type: string) => ReadonlySet<number>
}

/** Adds the event to the routes of the shards it concerns. The error says why its recipients cannot be known. */
export function assignShards(
  routes: RoutedBatch,
  rules: RouteRules,
  { parsed, type, utf8 }: Pick<Decoded, 'parsed' | 'type' | 'utf8'>,
  offset: number,
): Result<null, string> {
  const recipients = extractRecipients(rules.recipients, type, parsed)
  if (recipients.kind === 'invalid') return fail(recipients.message)
  const fields = extractFields(rules.extractors, type, parsed)
  const event = { offset, type, utf8, fields }
  if (recipients.kind === 'users') {
    for (const user of recipients.users) {
      const own = shardOf(user, rules.shards)
      addFor(user, eventsOf(routes, own), event)
      // Where somebody watches the user.
      for (const shard of rules.interested(watchTopic(user))) {
        if (shard !== own) addFor(user, eventsOf(routes, shard), event)
      }
    }
  } else {
    broadcast(routes, rules.interested(type), { ...event, recipients: null })
  }
  return ok(null)
}

/** An event is in a shard's once, for all of its users there: they come one after the other. */
function addFor(user: string, events: AddressedEvent[], event: Omit<AddressedEvent, 'recipients'>): void {
  const last = events.at(-1)
  if (last?.offset === event.offset) last.recipients.push(user)
  else events.push({ ...event, recipients: [user] })
}

function eventsOf({ addressed }: RoutedBatch, shard: number): AddressedEvent[] {
  const known = addressed.get(shard)
  if (known !== undefined) return known
  const events: AddressedEvent[] = []
  addressed.set(shard, events)
  return events
}

/** One object for all shards, and one step however many they are. */
function broadcast({ broadcasts }: RoutedBatch, shards: ReadonlySet<number>, event: RoutedEvent): void {
  if (shards.size === 0) return
  const known = broadcasts.get(shards)
  const stream = known ?? new BroadcastStream()
  stream.push(event)
  if (known === undefined) broadcasts.set(shards, stream)
}
