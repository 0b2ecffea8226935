// Assigns an event to shards: to the shards of its recipients, or to all that are interested in its type. Called by
// plan-events.ts. Pure: recipients and fields are extracted here, once per event, and travel with it.
import { addressedTo, BroadcastStream, type RoutedBatch } from '../core/delivery/routed-batch.ts'
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
  const { row, utf8 }: Pick<RoutedEvent, 'row' | 'utf8'> = rules.tables ? withRow(rules.tables, decoded, key) : decoded
  const event: RoutedEvent = { offset: record.offset, type, utf8, fields, recipients: null, row }
  if (recipients.kind === 'nobody_in_particular') {
    broadcast(batch, rules.routing.ofInterested(rules.interests.shardsOf(type)), event)
    return ok(null)
  }
  for (const user of recipients.users) addForUser(batch, rules, user, event)
  if (row !== undefined) addUnseen(batch, rules, event)
  return ok(null)
}

/** Adds the event for the user's own shard, or both of them, and for shards with a subscriber who watches the user. */
function addForUser(batch: RoutedBatch, { interests, routing }: RouteRules, user: string, event: RoutedEvent): void {
  const own = routing.ofUser(user)
  for (const shard of own) addRecipient(batch, shard, user, event)
  for (const shard of routing.ofInterested(interests.watchersOf(user))) {
    if (!own.includes(shard)) addRecipient(batch, shard, user, event)
  }
}

/**
 * Adds the user to the shard's last entry if it is the same event: the users of one event arrive consecutively. An entry of the
 * same offset may be another: a tombstone removes rows besides being an event.
 */
function addRecipient(batch: RoutedBatch, shard: number, user: string, event: RoutedEvent): void {
  const { fields, offset, row, type, utf8 } = event
  const events = addressedTo(batch, shard)
  const last = events.at(-1)
  if (last?.utf8 === utf8) last.recipients.push(user)
  // Member by member: a spread would take longer than all else here.
  else events.push({ offset, type, utf8, fields, recipients: [user], row })
}

/** Adds the event to one stream for the whole set of shards: the work does not grow with their number. */
function broadcast({ broadcasts }: RoutedBatch, shards: ReadonlySet<number>, event: RoutedEvent): void {
  if (shards.size === 0) return
  const stream = broadcasts.get(shards) ?? new BroadcastStream()
  broadcasts.set(shards, stream)
  stream.push(event)
}
