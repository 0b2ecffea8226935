// Assigns an event to shards: to the shards of its recipients, or to all that are interested in its type. Called by
// plan-events.ts. Pure: recipients and fields are extracted here, once per event, and travel with it.
import { BroadcastStream, type AddressedEvent, type RoutedBatch } from '../core/delivery/routed-batch.ts'
import type { ShardRouting } from '../core/shard-map/routing.ts'
import {
  extractFields,
  extractRecipients,
  type Extractors,
  type RecipientPointers,
  type Recipients,
} from '../core/events/extractors.ts'
import type { LogRecord } from '../core/events/kafka-record.ts'
import type { RoutedEvent } from '../core/events/stored-event.ts'
import { fail, ok, type Result } from '../core/result.ts'
import type { DecodeError } from '../decoding/decode-error.ts'
import type { RecordKey } from '../decoding/record-key.ts'
import { readRecordSource } from '../decoding/rule-values.ts'
import type { DecodedEvent } from '../decoding/decode-record.ts'
import type { InterestTable } from '../core/interest/table.ts'
import { addUnseen, withRow, type RowRules } from './tables/assign-rows.ts'

export interface RouteRules extends RowRules {
  readonly extractors: Extractors
  readonly recipients: RecipientPointers
  readonly routing: ShardRouting
  readonly interests: Pick<InterestTable, 'shardsOf' | 'watchersOf'>
}

/**
 * Adds the event to the batch of each shard it concerns. `users` are its recipients by a rule of TOPICS; null: RECIPIENTS decide.
 * The error says why its recipients, or a field in its key, cannot be read.
 */
export function assignShards(
  batch: RoutedBatch,
  rules: RouteRules,
  decoded: Pick<DecodedEvent, 'parsed' | 'type' | 'utf8'>,
  record: LogRecord,
  key: RecordKey,
  users: readonly string[] | null = null,
): Result<null, DecodeError> {
  const { parsed, type } = decoded
  const recipients: Recipients =
    users === null ? extractRecipients(rules.recipients, type, parsed) : { kind: 'users', users }
  if (recipients.kind === 'invalid') return fail({ kind: 'invalid_recipients', message: recipients.message })
  const fields = extractFields(rules.extractors, type, parsed, (source) => readRecordSource(source, record, key))
  if (key.problem !== null) return fail(key.problem)
  const changed = rules.tables ? withRow(rules.tables, decoded, key) : { utf8: decoded.utf8, row: undefined }
  const event = { offset: record.offset, type, ...changed, fields }
  if (recipients.kind === 'users') {
    const reached = recipients.users.flatMap((user) => addForUser(batch, rules, user, event))
    if (event.row !== undefined) addUnseen(batch, rules, { ...event, recipients: [] }, reached)
  } else broadcast(batch, rules.routing.ofInterested(rules.interests.shardsOf(type)), { ...event, recipients: null })
  return ok(null)
}

type UnaddressedEvent = Omit<AddressedEvent, 'recipients'>

/** Adds the event for the user's own shard, or both of them, and for shards with a subscriber who watches the user. Returns them. */
function addForUser(batch: RoutedBatch, rules: RouteRules, user: string, event: UnaddressedEvent): readonly number[] {
  const own = rules.routing.ofUser(user)
  for (const shard of own) addRecipient(batch, shard, user, event)
  const watching = [...rules.routing.ofInterested(rules.interests.watchersOf(user))]
  const others = watching.filter((shard) => !own.includes(shard))
  for (const shard of others) addRecipient(batch, shard, user, event)
  return others.length === 0 ? own : [...own, ...others]
}

/** Adds the user to the shard's last entry if it is the same event: the users of one event arrive consecutively. */
function addRecipient({ addressed }: RoutedBatch, shard: number, user: string, event: UnaddressedEvent): void {
  const events = addressed.get(shard) ?? []
  addressed.set(shard, events)
  const last = events.at(-1)
  if (last?.offset === event.offset) last.recipients.push(user)
  else events.push({ ...event, recipients: [user] })
}

/** Adds the event to one stream for the whole set of shards: the work does not grow with their number. */
function broadcast({ broadcasts }: RoutedBatch, shards: ReadonlySet<number>, event: RoutedEvent): void {
  if (shards.size === 0) return
  const stream = broadcasts.get(shards) ?? new BroadcastStream()
  broadcasts.set(shards, stream)
  stream.push(event)
}
