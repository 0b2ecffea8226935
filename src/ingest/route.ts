// Which shards an event concerns. Pure: recipients and fields are read out of the event once, here, and travel with it.
import type { CloudEvent, RoutedEvent } from '../core/event.ts'
import { extractFields, extractRecipients, type Extractors, type RecipientPointers } from '../core/extractors.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { shardOf } from '../core/sharding.ts'
import { userInterest } from '../core/user-interest.ts'

export interface RouteRules {
  readonly extractors: Extractors
  readonly recipients: RecipientPointers
  readonly shards: number
  /** The shards that follow a type, as the Directory said last. */
  readonly interested: (type: string) => Iterable<number>
}

/** Shard → its events, in offset order. */
export type Routes = Map<number, RoutedEvent[]>

/** Adds the event to the routes of the shards it concerns. The error says why its recipients cannot be known. */
export function route(routes: Routes, rules: RouteRules, event: CloudEvent, offset: number): Result<null, string> {
  const recipients = extractRecipients(rules.recipients, event.type, event.parsed)
  if (recipients.kind === 'invalid') return fail(recipients.message)
  const fields = extractFields(rules.extractors, event.type, event.parsed)
  const routed = { offset, type: event.type, json: event.json, fields }
  if (recipients.kind === 'users') {
    for (const [shard, users] of byShard(recipients.users, rules)) add(routes, shard, { ...routed, recipients: users })
  } else {
    const broadcast = { ...routed, recipients: null }
    for (const shard of rules.interested(event.type)) add(routes, shard, broadcast)
  }
  return ok(null)
}

/** Each user's own shard, and those where somebody watches the user. */
function byShard(users: readonly string[], { shards, interested }: RouteRules): Map<number, string[]> {
  const found = new Map<number, string[]>()
  const concern = (shard: number, user: string): void => {
    const known = found.get(shard)
    if (known === undefined) found.set(shard, [user])
    else known.push(user)
  }
  for (const user of users) {
    const own = shardOf(user, shards)
    concern(own, user)
    for (const shard of interested(userInterest(user))) if (shard !== own) concern(shard, user)
  }
  return found
}

function add(routes: Routes, shard: number, event: RoutedEvent): void {
  const events = routes.get(shard)
  if (events === undefined) routes.set(shard, [event])
  else events.push(event)
}
