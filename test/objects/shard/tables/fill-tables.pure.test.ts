// Rows from before come in batches, which may be late.
import { expect, it } from 'vitest'
import { encodeBatches } from '../../../../src/core/delivery/batch-codec.ts'
import { LogStore } from '../../../../src/objects/shard/log/log-store.ts'
import { TableFills } from '../../../../src/objects/shard/tables/fill-tables.ts'
import { TableStore } from '../../../../src/objects/shard/tables/table-store.ts'
import type { FillBatch } from '../../../../src/rpc/shard.ts'
import { createTestStorage } from '../../../support/sql-storage.ts'

const TYPE = 'order'

/** A shard with a table that is being filled. */
function open() {
  const storage = createTestStorage()
  const rules = new Map([[TYPE, { type: TYPE, topic: 'rig', key: 'subject' as const, maxRows: 10, maxBytes: 10_000 }]])
  let fills = 0
  const store = new TableStore(storage.sql, {
    rules,
    newId: () => `fill ${(fills += 1)}`,
    onTooLarge: () => undefined,
    onReset: () => undefined,
  })
  const log = new LogStore(storage, '0.log', { retentionMs: 1e9, retentionBytes: 1e9 }, undefined, store)
  const nothing = { fillTable: async () => ({ done: false }), partitions: async () => [], changed: () => undefined }
  const clock = { nowMs: () => 0, sleep: async () => undefined, wakeBy: () => undefined, background: () => undefined }
  const tables = new TableFills({ shard: 0, rules, store, log, ...nothing, ...clock })
  store.create(TYPE, 1)
  return { log, store, tables }
}

function batchOf(key: string, upTo: FillBatch['upTo'][number]): FillBatch {
  const event = { offset: 0, type: TYPE, utf8: new TextEncoder().encode('{}'), fields: {}, recipients: null }
  const packs = encodeBatches([{ ...event, row: [key, 0] }])
  return { topic: 'rig', partition: 0, generation: 0, packs, upTo: [upTo] }
}

const rowsOf = ({ log, store }: ReturnType<typeof open>) => {
  store.complete(TYPE, log.head)
  return store.read(TYPE, '', log.head).events.length
}

it('takes rows of the filling that is under way, also from followers that do not name it', () => {
  const shard = open()
  shard.tables.add(batchOf('a', [TYPE, 5, 'fill 1']))
  shard.tables.add(batchOf('b', [TYPE, 5]))
  expect(rowsOf(shard)).toBe(2)
})

it('takes no row of a table that has been dropped since, and is filled anew', () => {
  const shard = open()
  shard.store.create(TYPE, 1)
  shard.tables.add(batchOf('a', [TYPE, 5, 'fill 1']))
  expect(rowsOf(shard)).toBe(0)
})
