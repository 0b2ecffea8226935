// Which tables a connection gets and has been sent, and what decides which rows of them its client sees. Pure.
import { covers } from '../../../core/events/event-type-pattern.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import { tableMarkOf } from '../../../core/tables/table-mark.ts'
import { stateTypesOf } from '../../../core/tables/table-rule.ts'
import type { ConnectionState } from './connection-state.ts'

/** The tables of a connection that begins, or has other subscriptions. `hasAll`: its client has them. */
export function tablesFor(subscriptions: readonly Subscription[], hasAll: boolean): ConnectionState['tables'] {
  const types = stateTypesOf(subscriptions)
  return types.length === 0 ? undefined : Object.fromEntries(types.map((type) => [type, hasAll ? 0 : null]))
}

/** Returns the tables after a change. One of which the client may see other rows now is sent anew. */
export function tablesAfter(before: ConnectionState, after: ConnectionState): ConnectionState['tables'] {
  const tables = tablesFor(after.subscriptions, false)
  const kept = Object.keys(tables ?? {}).filter((type) => viewOf(before, type) === viewOf(after, type))
  return tables && { ...tables, ...Object.fromEntries(kept.map((type) => [type, before.tables?.[type] ?? null])) }
}

/** Returns the tables of a connection that does not get these any more. */
export function tablesWithout({ tables = {} }: ConnectionState, types: readonly string[]): ConnectionState['tables'] {
  return Object.fromEntries(Object.entries(tables).filter(([type]) => !types.includes(type)))
}

/** What decides which rows of a table the client sees. */
export function viewOf(state: ConnectionState, type: string): string {
  return JSON.stringify([state.subscriptions.filter(({ eventType }) => covers(eventType, type)), grantsOf(state)])
}

/** Two tokens that permit the same are no other view than one, as after a renewal. */
function grantsOf({ grant, lateGrant }: Pick<ConnectionState, 'grant' | 'lateGrant'>): readonly string[] {
  const given = [grant, lateGrant].filter((one) => one !== null && one !== undefined)
  return given.length === 0 ? ['null'] : [...new Set(given.map((one) => JSON.stringify(one)))].toSorted()
}

/** The marks of states: a position is made for each event. */
const marks = new WeakMap<ConnectionState, string>()

/** The mark of the client's positions; the empty string: it has not been sent all tables, or wants none. */
export function markOf(state: ConnectionState): string {
  if (state.tables === undefined) return ''
  const known = marks.get(state)
  if (known !== undefined) return known
  const { tables } = state
  const hasAll = stateTypesOf(state.subscriptions).every((type) => typeof tables[type] === 'number')
  const mark = hasAll ? (viewMarkOf(state) ?? '') : ''
  marks.set(state, mark)
  return mark
}

/** What decides which tables a client gets, and which rows of them. */
export type TableView = Pick<ConnectionState, 'grant' | 'lateGrant' | 'subscriptions'>

/** The mark of a client that has all tables. Undefined: it wants none. */
export function viewMarkOf(state: TableView): string | undefined {
  const wantsNone = !state.subscriptions.some((subscription) => subscription.state === true)
  return wantsNone ? undefined : tableMarkOf(state.subscriptions, grantsOf(state))
}
