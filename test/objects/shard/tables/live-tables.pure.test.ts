// A table that is filled anew while a client is being sent it.
import { expect, it } from 'vitest'
import { createFilter, withTables } from '../../../../src/core/subscriptions/filter.ts'
import type { Connection } from '../../../../src/objects/shard/connections/connection.ts'
import type { ConnectionState } from '../../../../src/objects/shard/connections/connection-state.ts'
import type { ShardContext } from '../../../../src/objects/shard/shard-context.ts'
import { LiveTables, type LiveTablesDeps } from '../../../../src/objects/shard/tables/live-tables.ts'
import type { TableReader } from '../../../../src/objects/shard/tables/table-reader.ts'

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
