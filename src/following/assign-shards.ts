// Assigns an event to shards: to the shards of its recipients, or to all that are interested in its type. Called by
// plan-events.ts. Pure: recipients and fields are extracted here, once per event, and travel with it.
import { isExactNumber } from '../core/exact-number.ts'
import { fitsRow, MAX_ROW_BYTES } from '../core/delivery/batch-codec.ts'
import {
  addressedTo,
  BroadcastStream,
  emptyRoutedBatch,
  groupByPayload,
  type RoutedBatch,
} from '../core/delivery/routed-batch.ts'
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

/** The most bytes of one character in JSON: a control character has six. */
export const MAX_CHAR_BYTES = 6
/** The bytes of an event's header without its texts, and of one value in its lists. */
const HEADER_BYTES = 200
const VALUE_BYTES = 32

/**
 * Adds the event to the batch of each shard it concerns. `users` are its recipients by a rule of TOPICS; null: RECIPIENTS decide.
 * `besides`: bytes that a shard stores of the record besides the event. Returns the characters of all that is stored besides its text.
 * The error says why its recipients, or a field in its key, cannot be read, or that a shard could not store it: then it is added
 * nowhere.
 */
export function assignShards(
  batch: RoutedBatch,
  rules: RouteRules,
  decoded: Pick<DecodedEvent, 'parsed' | 'type' | 'utf8'>,
  record: LogRecord,
  key: RecordKey,
  users: readonly string[] | null = null,
  besides = 0,
): Result<number, DecodeError> {
  const { parsed, type } = decoded
  const recipients: Recipients =
    users === null ? extractRecipients(rules.recipients, type, parsed) : { kind: 'users', users }
  if (recipients.kind === 'invalid') return fail(recipients.error)
  const fields = extractFields(rules.extractors, type, parsed, (source) => readRecordSource(source, record, key))
  if (key.problem !== null) return fail(key.problem)
  const { row, utf8 }: Pick<RoutedEvent, 'row' | 'utf8'> = rules.tables ? withRow(rules.tables, decoded, key) : decoded
  const event: RoutedEvent = { offset: record.offset, type, utf8, fields, recipients: null, row }
  const to = recipients.kind === 'users' ? recipients.users : null
  const chars = checkSize(rules, event, to, besides)
  if (chars.ok) add(batch, rules, event, to)
  return chars
}

type Places = Pick<RouteRules, 'interests' | 'routing'>

/**
 * Fails if a shard could not store the event. Returns the characters of its recipients, fields and other texts besides its own.
 * `users`: null if it is for all subscribers.
 */
export function checkSize(
  places: Places,
  event: RoutedEvent,
  users: readonly string[] | null,
  besides = 0,
): Result<number, DecodeError> {
  const { chars, values } = sizeOf(event, users)
  // No shard stores more of the event. Nearly always that is little enough, and nothing has to be encoded to know.
  const most = event.utf8.length + MAX_CHAR_BYTES * chars + VALUE_BYTES * values + HEADER_BYTES + besides
  const fits = most <= MAX_ROW_BYTES || isStorable(places, event, users, besides)
  return fits ? ok(chars) : fail({ kind: 'too_large_for_shard', limitBytes: MAX_ROW_BYTES })
}

function add(batch: RoutedBatch, rules: Places, event: RoutedEvent, users: readonly string[] | null): void {
  if (users === null) return broadcast(batch, rules.routing.ofInterested(rules.interests.shardsOf(event.type)), event)
  for (const user of users) addForUser(batch, rules, user, event)
  if (event.row !== undefined) addUnseen(batch, rules, event)
}

function sizeOf({ fields, row, type }: RoutedEvent, users: readonly string[] | null) {
  let chars = type.length + (row?.[0].length ?? 0)
  let values = users?.length ?? 0
  for (const user of users ?? []) chars += user.length
  for (const name in fields) {
    const value = fields[name]
    const list = Array.isArray(value) ? (value as readonly unknown[]) : [value]
    chars += name.length
    values += list.length + 1
    for (const one of list) {
      if (typeof one === 'string') chars += one.length
      else if (isExactNumber(one)) chars += one.number.length
    }
  }
  return { chars, values }
}

/** Routes the event alone. One that a shard could not store would stop its partition. */
function isStorable(places: Places, event: RoutedEvent, users: readonly string[] | null, besides: number): boolean {
  const alone = emptyRoutedBatch()
  add(alone, places, event, users)
  return groupByPayload(alone).every(({ take }) => take().every((pack) => fitsRow(pack, besides)))
}

/** Adds the event for the user's own shard, or both of them, and for shards with a subscriber who watches the user. */
function addForUser(batch: RoutedBatch, { interests, routing }: Places, user: string, event: RoutedEvent): void {
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
