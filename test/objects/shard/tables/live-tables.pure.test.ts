// A table that is filled anew while a client is being sent it, and one that nobody wants.
import { expect, it } from 'vitest'
import { createFilter, withTables } from '../../../../src/core/subscriptions/filter.ts'
import type { Connection } from '../../../../src/objects/shard/connections/connection.ts'
import type { ConnectionState } from '../../../../src/objects/shard/connections/connection-state.ts'
import type { ShardContext } from '../../../../src/objects/shard/shard-context.ts'
import type { SystemEvent } from '../../../../src/objects/shard/system-events.ts'
import { LiveTables, type LiveTablesDeps } from '../../../../src/objects/shard/tables/live-tables.ts'
import { LogStore } from '../../../../src/objects/shard/log/log-store.ts'
import type { TableReader } from '../../../../src/objects/shard/tables/table-reader.ts'
import { TableStore } from '../../../../src/objects/shard/tables/table-store.ts'
import { createTestStorage } from '../../../support/sql-storage.ts'

const subscriptions = [{ eventType: 'row', oneOf: [], state: true as const }]

it('is not complete for a client that began to get it before', async () => {
  let reader: TableReader | undefined
  let status = 'complete'
  let fillId = 'first'
  const work: Promise<unknown>[] = []
  const state = { id: 'c', subscriptions, tables: { row: null } } as unknown as ConnectionState
  const connection = { state, readTables: (given: TableReader) => (reader = given) } as unknown as Connection
  const store = { statusOf: () => status, fillIdOf: () => fillId, read: () => ({ events: [], next: null }) }
  const deps = {
    rules: null,
    store,
    connections: { get: () => connection },
    lifecycle: { update: (_: Connection, changes: object) => Object.assign(connection.state, changes) },
    log: { settle: async () => undefined },
  } as unknown as LiveTablesDeps
  const context = {
    now: () => 0,
    uuid: () => 'id',
    config: { ownEventsSpecversion: '1.0' },
    background: (task: Promise<unknown>) => void work.push(task),
  } as unknown as ShardContext
  const tables = new LiveTables(context, deps)
  const read = async () => {
    tables.serveSoon(connection)
    await Promise.all(work)
    if (reader === undefined) throw new Error('nothing is sent')
    const own = reader
    own.begin(5)
    const filter = withTables(createFilter('c', null, subscriptions), new Map([['row', 0]]))
    return () => {
      const types: string[] = []
      while (!own.isRead) types.push(...own.next(filter).flatMap(({ events }) => events.map(({ type }) => type)))
      return types
    }
  }
  const first = await read()
  fillId = 'second'
  status = 'filling'
  expect(first()).toEqual(['rig.table.reset'])
  expect(connection.state.tables).toEqual({ row: null })
  status = 'complete'
  const second = await read()
  expect(second()).toEqual(['rig.table.reset', 'rig.table.complete'])
  expect(connection.state.tables).toEqual({ row: 5 })
})

it('is begun anew for a client from before a restart, if it was forgotten', async () => {
  const begun: string[] = []
  const state = { id: 'c', subscriptions, tables: { row: 7 } } as unknown as ConnectionState
  const connection = { state } as unknown as Connection
  const store = {
    statusOf: (type: string) => (begun.includes(type) ? 'filling' : undefined),
    mapVersionOf: () => undefined,
    unwantedMsOf: () => null,
    create: (type: string) => begun.push(type),
  }
  const deps = {
    rules: new Map([['row', {}]]),
    store,
    fills: { begin: () => undefined },
    connections: { get: () => connection, withTables: () => [connection] },
    lifecycle: { update: (_: Connection, changes: object) => Object.assign(connection.state, changes) },
    log: { settle: async () => undefined },
    mapVersion: () => 1,
  } as unknown as LiveTablesDeps
  const context = { now: () => 0, background: () => undefined } as unknown as ShardContext
  new LiveTables(context, deps).restored(connection)
  expect([begun, connection.state.tables]).toEqual([['row'], { row: null }])
})

it.each([
  ['a client wants it', true, ['row'], { row: null }],
  ['no client does: it is dropped', false, [], { row: 7 }],
])('is filled anew after a change without removals if %s', (_what, isWanted, types, tables) => {
  const state = { id: 'c', subscriptions: [], tables: { row: 7 } } as unknown as ConnectionState
  const connection = { state } as unknown as Connection
  const begun: string[] = []
  let fills = 0
  const rule = { type: 'row', topic: 'rig', key: 'subject', maxRows: 10, maxBytes: 1_000 } as const
  const storage = createTestStorage()
  const store = new TableStore(storage.sql, {
    rules: new Map([['row', rule]]),
    newId: () => `fill ${(fills += 1)}`,
    onTooLarge: () => undefined,
    onReset: () => undefined,
  })
  const log = new LogStore(storage, '0.log', { retentionMs: 1e9, retentionBytes: 1e9 }, undefined, store)
  store.create('row', 1)
  store.complete('row', log.head)
  const deps = {
    store,
    fills: { begin: (type: string) => begun.push(type) },
    connections: { withTables: () => [connection], wantsTable: () => isWanted },
    lifecycle: { update: (_: Connection, changes: object) => Object.assign(connection.state, changes) },
    mapVersion: () => 1,
  } as unknown as LiveTablesDeps
  new LiveTables({} as ShardContext, deps).fillAnew('row')
  expect([begun, connection.state.tables]).toEqual([types, tables])
  expect([store.statusOf('row'), store.fillIdOf('row')]).toEqual(
    types.length > 0 ? ['filling', 'fill 2'] : [undefined, undefined],
  )
  expect(store.coversSince(['row'], 0)).toBe(false)
})

it('ends for a client from before a restart, if TABLES does not name it any more', () => {
  const told: SystemEvent[] = []
  const state = { id: 'c', subscriptions, tables: { row: 7 } } as unknown as ConnectionState
  const connection = {
    state,
    sendOfTable: (_: string, event: SystemEvent) => told.push(event),
  } as unknown as Connection
  const deps = {
    rules: null,
    lifecycle: { update: (_: Connection, changes: object) => Object.assign(connection.state, changes) },
  } as unknown as LiveTablesDeps
  const config = { ownEventsSpecversion: '1.0' }
  new LiveTables({ now: () => 0, uuid: () => 'id', config } as unknown as ShardContext, deps).restored(connection)
  expect([told.map(({ type }) => type), connection.state.tables]).toEqual([['rig.table.reset', 'rig.table.failed'], {}])
})

it('is dropped some minutes after its last client, also by a shard that has lost its memory in between', () => {
  const storage = createTestStorage()
  const rule = { type: 'row', topic: 'rig', key: 'subject', maxRows: 10, maxBytes: 1_000 } as const
  /** A shard that wakes, and sleeps when this returns. */
  const sweep = (nowMs: number, isWanted = false) => {
    const store = new TableStore(storage.sql, {
      rules: new Map([['row', rule]]),
      newId: () => 'fill',
      onTooLarge: () => undefined,
      onReset: () => undefined,
    })
    const log = new LogStore(storage, '0.log', { retentionMs: 1e9, retentionBytes: 1e9 }, undefined, store)
    if (nowMs === 0) store.create('row', 1)
    const deps = { store, fills: { begin: () => undefined }, connections: { wantsTable: () => isWanted } }
    const isKept = new LiveTables({} as ShardContext, deps as unknown as LiveTablesDeps).sweep(nowMs)
    return [isKept, store.types.length, log.head]
  }
  expect(sweep(0, true)).toEqual([true, 1, 0])
  expect(sweep(900_000)).toEqual([true, 1, 0])
  expect(sweep(900_001, true)).toEqual([true, 1, 0])
  expect(sweep(1_800_000)).toEqual([true, 1, 0])
  expect(sweep(2_700_000)).toEqual([false, 0, 0])
})
