// What events of tables need besides their way to users (assign-shards.ts): the key of the row, and that shards which have the
// row learn of a change that none of their users gets. Pure.
import { addressedTo, type RoutedBatch } from '../../core/delivery/routed-batch.ts'
import type { LogRecord } from '../../core/events/kafka-record.ts'
import type { RoutedEvent } from '../../core/events/stored-event.ts'
import { isRowKey, removesRow, rowKeyOf, type TableRules } from '../../core/tables/table-rule.ts'
import type { RecordKey } from '../../decoding/record-key.ts'
import type { DecodedEvent } from '../../decoding/decode-record.ts'
import type { ShardRouting } from '../../core/shard-map/routing.ts'
import type { InterestTable } from '../../core/interest/table.ts'

/** Which shards have a table, as RouteRules has it. */
export interface RowRules {
  readonly routing: Pick<ShardRouting, 'ofInterested'>
  readonly interests: Pick<InterestTable, 'shardsOf'>
  /** The tables of the topic; null or absent: there are none. */
  readonly tables?: TableRules | null
}

const OPENING_BRACE = 0x7b
const NOTHING = new Uint8Array()
const encoder = new TextEncoder()

/** An event and the row that it changes. Its text has the key of the record, which clients need. */
export function withRow(
  tables: TableRules,
  event: Pick<DecodedEvent, 'parsed' | 'type' | 'utf8'>,
  key: RecordKey,
): Pick<RoutedEvent, 'row' | 'utf8'> {
  const { parsed, type, utf8 } = event
  const rule = tables.get(type)
  const rowKey = rule === undefined ? undefined : rowKeyOf(rule, parsed, key.text())
  if (rule === undefined || rowKey === undefined) return { utf8 }
  const row = [rowKey, removesRow(parsed) ? 1 : 0] as const
  return { row, utf8: rule.key === 'subject' || parsed['partitionkey'] !== undefined ? utf8 : withKey(utf8, rowKey) }
}

/** Adds the extension attribute `partitionkey`, as the Kafka binding of CloudEvents calls the key of a record. */
function withKey(utf8: Uint8Array, rowKey: string): Uint8Array {
  const at = utf8.indexOf(OPENING_BRACE) + 1
  const attribute = encoder.encode(`"partitionkey":${JSON.stringify(rowKey)},`)
  const whole = new Uint8Array(utf8.length + attribute.length)
  whole.set(utf8.subarray(0, at))
  whole.set(attribute, at)
  whole.set(utf8.subarray(at), at + attribute.length)
  return whole
}

/** A record without a value removes its key from all tables of the topic. It has no type: no event comes of it. */
export function addTombstone(batch: RoutedBatch, rules: RowRules, record: LogRecord, key: RecordKey): void {
  const rowKey = key.text()
  if (!isRowKey(rowKey)) return
  for (const type of rules.tables?.keys() ?? []) {
    const row = [rowKey, 1] as const
    addUnseen(batch, rules, { offset: record.offset, type, utf8: NOTHING, fields: {}, recipients: [], row })
  }
}

/**
 * Adds an event that nobody sees, without its content, to the shards that have the table, except to those that have just got it
 * with a user: what is addressed to a user is stored in shards of that user only, where it can be erased.
 */
export function addUnseen(batch: RoutedBatch, { interests, routing }: RowRules, event: RoutedEvent): void {
  for (const shard of routing.ofInterested(interests.shardsOf(event.type))) {
    const events = addressedTo(batch, shard)
    if (events.at(-1)?.row !== event.row) events.push({ ...event, utf8: NOTHING, fields: {}, recipients: [] })
  }
}
