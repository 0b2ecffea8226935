// Which event types are tables (variable TABLES), and where the key of an event is. Pure. The follower adds keys by it, the
// shard checks subscriptions by it.
import { ok, type Result } from '../result.ts'
import type { RigelError } from '../errors.ts'
import { invalidSubscriptions } from '../subscriptions/parse-subscriptions.ts'
import type { Subscription } from '../subscriptions/subscription.ts'

/** One entry of TABLES. */
export interface TableRule {
  readonly type: string
  /** The topic whose events are its changes. */
  readonly topic: string
  /** `subject`: the attribute of the event. `record`: the key of the Kafka record. */
  readonly key: 'subject' | 'record'
  /** Limits of the table in one shard. Bytes are of events in UTF-8, and of keys, where a UTF-16 code unit counts as one. */
  readonly maxRows: number
  readonly maxBytes: number
}

/** Event type → its table. */
export type TableRules = ReadonlyMap<string, TableRule>

/** Returns the tables whose changes are in the topic; null: none. */
export function tablesOf(tables: TableRules | null, topic: string): TableRules | null {
  const own = [...(tables ?? [])].filter(([, table]) => table.topic === topic)
  return own.length === 0 ? null : new Map(own)
}

/** No longer key has a row. */
export const MAX_KEY_CHARS = 1_024

/** Returns the key of the row that an event changes, or undefined: it changes none. `recordKey`: as text, if it is text. */
export function rowKeyOf(
  { key }: TableRule,
  event: Readonly<Record<string, unknown>>,
  recordKey: string | undefined,
): string | undefined {
  const given = key === 'subject' ? event['subject'] : (event['partitionkey'] ?? recordKey)
  return isRowKey(given) ? given : undefined
}

/** SQLite has text in UTF-8: there, two keys that are not well-formed may be the same. */
export function isRowKey(given: unknown): given is string {
  return typeof given === 'string' && given !== '' && given.length <= MAX_KEY_CHARS && given.isWellFormed()
}

/** An event without data says that its row is gone. */
export function removesRow(event: Readonly<Record<string, unknown>>): boolean {
  return (event['data'] ?? event['data_base64'] ?? null) === null
}

/** The event types of which a client wants the state. */
export function stateTypesOf(subscriptions: readonly Subscription[]): readonly string[] {
  return [...new Set(subscriptions.filter(({ state }) => state === true).map(({ eventType }) => eventType))]
}

/** Fails for a subscription with `state` to a type that is no table. */
export function checkTables(
  tables: TableRules | null,
  subscriptions: readonly Subscription[],
  asOf?: string,
): Result<null, RigelError> {
  const types = stateTypesOf(subscriptions)
  const unknown = types.find((type) => tables?.has(type) !== true)
  if (unknown !== undefined) {
    const known = tables === null ? 'none' : [...tables.keys()].join(', ').slice(0, 500)
    return invalidSubscriptions(
      `no state of ${unknown.slice(0, 100)}: the event types with state (TABLES) are: ${known}`,
    )
  }
  return types.length > 0 && asOf !== undefined ? invalidSubscriptions('state and as_of exclude each other') : ok(null)
}
