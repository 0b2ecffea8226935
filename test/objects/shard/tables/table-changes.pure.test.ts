// When rows of tables are written, and that a table is what the log says whether they are or not.
import { describe, expect, it, vi } from 'vitest'
import { encodeBatches } from '../../../../src/core/delivery/batch-codec.ts'
import { LogStore } from '../../../../src/objects/shard/log/log-store.ts'
import { RecentRows } from '../../../../src/objects/shard/tables/recent-rows.ts'
import type { Table } from '../../../../src/objects/shard/tables/table.ts'
import { TableRows } from '../../../../src/objects/shard/tables/table-rows.ts'
import { TableStore } from '../../../../src/objects/shard/tables/table-store.ts'
import { createTestStorage, type TestStorage } from '../../../support/sql-storage.ts'

const TYPE = 'order'
const encoder = new TextEncoder()

interface Given {
  readonly maxRows?: number
  readonly retentionBytes?: number
  readonly rules?: null
}

function open(storage: TestStorage, { maxRows = 1_000, retentionBytes = 1e9, rules }: Given = {}) {
  const resets: string[] = []
  const store = new TableStore(storage.sql, {
    rules:
      rules === null ? null : new Map([[TYPE, { type: TYPE, topic: 'rig', key: 'subject', maxRows, maxBytes: 1e9 }]]),
    newId: () => 'fill',
    onTooLarge: () => undefined,
    onReset: (type) => void resets.push(type),
  })
  const log = new LogStore(storage, '0.log', { retentionMs: 1e9, retentionBytes }, undefined, store)
  const change = (offset: number, keys: readonly string[], recipients: readonly string[] | null = null) => {
    const events = keys.map((key, index) => {
      const utf8 = encoder.encode(JSON.stringify({ type: TYPE, subject: key, data: offset + index }))
      return { offset: offset + index, type: TYPE, utf8, fields: {}, recipients, row: [key, 0] as const }
    })
    log.append([{ topic: 'rig', partition: 0, generation: 0, packs: encodeBatches(events) }], 0)
  }
  return { store, log, change, resets }
}

function openComplete(storage: TestStorage, limits: Given = {}) {
  const shard = open(storage, limits)
  shard.store.create(TYPE, 1)
  shard.store.complete(TYPE, shard.log.head)
  return shard
}

function valuesOf({ log, store }: ReturnType<typeof open>) {
  const values = new Map<string, number>()
  for (let after: string | null = ''; after !== null;) {
    const page = store.read(TYPE, after, log.head)
    for (const { json } of page.events) {
      const { data, subject } = JSON.parse(json) as { subject: string; data: number }
      values.set(subject, data)
    }
    after = page.next
  }
  return Object.fromEntries(values)
}

const largestRow = ({ sql }: TestStorage) => {
  const tables = sql.exec<{ name: string }>("SELECT name FROM sqlite_master WHERE name GLOB 'segments_*'").toArray()
  const bytes = 'MAX(LENGTH(CAST(heads AS BLOB)) + LENGTH(body))'
  return Math.max(...tables.map(({ name }) => sql.exec<{ n: number }>(`SELECT ${bytes} AS n FROM ${name}`).one().n))
}
const storedRows = ({ sql }: TestStorage) => sql.exec<{ n: number }>('SELECT COUNT(*) AS n FROM rows_1').one().n
const written = (storage: TestStorage, work: () => void) => {
  const before = storage.rowsWritten()
  work()
  return storage.rowsWritten() - before
}

describe('the rows of a table', () => {
  it('are written by no append of a few changes, and once for many of the same key', () => {
    const storage = createTestStorage()
    const { change } = openComplete(storage)
    change(0, ['hot'])
    const rows = written(storage, () => {
      for (let offset = 1; offset < 101; offset += 1) change(offset, ['hot'])
    })
    expect([rows, storedRows(storage)]).toEqual([100, 0])
    for (let offset = 101; offset < 1_100; offset += 1) change(offset, ['hot'])
    expect(storedRows(storage)).toBe(1)
  })

  it('are read as of the log, after a restart too', () => {
    const storage = createTestStorage()
    const before = openComplete(storage)
    before.change(0, ['a', 'b'])
    before.change(2, ['b', 'c'])
    const again = open(storage)
    expect([again.store.sizeOf(TYPE), storedRows(storage)]).toEqual([before.store.sizeOf(TYPE), 0])
    again.change(4, ['c'])
    expect(valuesOf(again)).toEqual({ a: 0, b: 2, c: 4 })
    expect(valuesOf(open(storage))).toEqual({ a: 0, b: 2, c: 4 })
  })

  it('are counted in storage: a start reads none of them', () => {
    const storage = createTestStorage()
    const before = openComplete(storage)
    before.change(
      0,
      Array.from({ length: 300 }, (_, n) => `k${n}`),
    )
    expect(storedRows(storage)).toBe(300)
    storage.sql.exec('ALTER TABLE rows_1 RENAME TO elsewhere')
    expect(open(storage).store.sizeOf(TYPE)).toEqual(before.store.sizeOf(TYPE))
  })

  it('are written before retention drops their events', () => {
    const storage = createTestStorage()
    const limits = { retentionBytes: 10_000 }
    const { change, log } = openComplete(storage, limits)
    change(0, ['first'])
    for (let offset = 1; log.floor === 0; offset += 1) change(offset, ['hot'])
    const again = open(storage, limits)
    expect(valuesOf(again)['first']).toBe(0)
    expect(again.store.sizeOf(TYPE).rows).toBe(2)
  })

  it('are those of the log when writing them fails, and the next append writes them', () => {
    const storage = createTestStorage()
    const shard = openComplete(storage)
    shard.change(0, ['a'])
    storage.sql.exec("CREATE TRIGGER broken BEFORE INSERT ON rows_1 BEGIN SELECT RAISE(ABORT, 'disk'); END")
    const many = Array.from({ length: 300 }, (_, n) => `k${n}`)
    expect(() => shard.change(1, many)).toThrow('disk')
    expect([shard.log.head, shard.store.sizeOf(TYPE).rows]).toEqual([1, 1])
    storage.sql.exec('DROP TRIGGER broken')
    shard.change(1, many)
    expect([shard.log.head, storedRows(storage), Object.keys(valuesOf(shard)).length]).toEqual([301, 301, 301])
  })

  it('have what a removal needs, whether they are in memory or not', () => {
    const storage = createTestStorage()
    openComplete(storage).change(0, ['unwritten'], ['u1'])
    const again = open(storage)
    again.change(1, ['unwritten'], ['u2'])
    again.store.read(TYPE, '', 0)
    open(storage).change(2, ['unwritten'], ['u3'])
    const removals = again.log.read(0, Infinity).filter(({ replacedBy }) => replacedBy !== undefined)
    expect(removals.map(({ recipients, seq }) => [seq, recipients])).toEqual([
      [2, ['u1']],
      [3, ['u2']],
    ])
  })

  it('replace audiences that a row of the log cannot hold: the event is stored, and the table is to be filled anew', () => {
    const storage = createTestStorage()
    const shard = openComplete(storage)
    const users = (count: number) => Array.from({ length: count }, (_, n) => `${n}`.padEnd(90, 'u'))
    const keys = ['a', 'b', 'c']
    for (const [offset, key] of keys.entries()) shard.change(offset, [key], users(10_000))
    shard.change(3, ['a'], ['u1'])
    shard.change(4, ['a'], users(10_000))
    expect(shard.resets).toEqual([])
    shard.change(5, keys, ['u1'])
    expect([shard.resets, shard.log.head]).toEqual([[TYPE], 8])
    expect(largestRow(storage)).toBeLessThan(2_000_000)
    const values = { a: 5, b: 6, c: 7 }
    expect([valuesOf(shard), valuesOf(open(storage))]).toEqual([values, values])
  })

  it('of a table that is too large are deleted later, not by the append', () => {
    const storage = createTestStorage()
    const shard = openComplete(storage, { maxRows: 400 })
    shard.change(
      0,
      Array.from({ length: 400 }, (_, n) => `k${n}`),
    )
    const rows = written(storage, () => shard.change(400, ['one more']))
    // The event, and the row that says so.
    expect([shard.store.statusOf(TYPE), rows, storedRows(storage)]).toEqual(['too_large', 2, 400])
    const again = open(storage, { maxRows: 400 })
    expect([again.store.statusOf(TYPE), again.store.read(TYPE, '', 401).events]).toEqual(['too_large', []])
    again.store.dropOutgrown()
    expect(storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'rows_1'").toArray()).toEqual([])
    again.change(401, ['later'])
    again.store.drop(TYPE)
    expect(again.store.types).toEqual([])
  })

  it('of versions before are taken over', () => {
    const storage = createTestStorage()
    const { change, log } = open(storage)
    change(0, ['a'])
    storage.sql.exec(`
      DROP TABLE tables;
      CREATE TABLE tables (id INTEGER PRIMARY KEY, type TEXT NOT NULL UNIQUE, status TEXT NOT NULL, since_seq INTEGER NOT NULL, map_version INTEGER NOT NULL, fill_id TEXT NOT NULL, filled TEXT NOT NULL);
      CREATE TABLE rows_1 (key TEXT PRIMARY KEY, seq INTEGER NOT NULL, meta TEXT NOT NULL, json TEXT NOT NULL) WITHOUT ROWID;
      INSERT INTO tables VALUES (1, '${TYPE}', 'complete', 0, 1, 'fill', '[]');
      INSERT INTO rows_1 VALUES ('a', 1, '[{},null,"rig/0",0,0,0]', '{"subject":"a","data":0}');
    `)
    const again = open(storage)
    expect([again.store.sizeOf(TYPE).rows, valuesOf(again), log.head]).toEqual([1, { a: 0 }, 1])
    again.change(1, ['a', 'b'])
    expect([valuesOf(again), valuesOf(open(storage))]).toEqual([
      { a: 1, b: 2 },
      { a: 1, b: 2 },
    ])
  })

  it('are looked for again, if there were none, once many other keys have been looked for', () => {
    const rows = new TableRows(createTestStorage().sql, 1)
    rows.create()
    const table = { type: TYPE, status: 'complete', rows: 0, bytes: 0 } as unknown as Table
    const recent = new RecentRows(table, rows)
    const find = vi.spyOn(rows, 'find')
    for (let n = 0; n < 100; n += 1) {
      recent.load([`k${n}`])
      recent.write(10_000)
    }
    find.mockClear()
    recent.load(['k99'])
    expect(find).not.toHaveBeenCalled()
    recent.load(['k0'])
    expect(find).toHaveBeenCalledOnce()
  })

  it('are forgotten when there are no tables any more, because nothing keeps them as the log is', () => {
    const storage = createTestStorage()
    openComplete(storage).change(0, ['a'])
    expect(open(storage, { rules: null }).store.types).toEqual([])
    expect(open(storage).store.types).toEqual([])
    expect(open(createTestStorage(), { rules: null }).store.types).toEqual([])
  })

  it('stay in memory only up to a limit, and are right beyond it', () => {
    const storage = createTestStorage()
    const shard = openComplete(storage, { maxRows: 100_000 })
    const large = 'x'.repeat(6_000)
    for (let offset = 0; offset < 900; offset += 300)
      shard.change(
        offset,
        Array.from({ length: 300 }, (_, n) => `${large}${offset + n}`),
        ['u1'],
      )
    shard.change(900, [`${large}0`, `${large}899`], ['u2'])
    expect(shard.store.sizeOf(TYPE).rows).toBe(900)
    const [first, last] = shard.log.read(900, Infinity).filter(({ replacedBy }) => replacedBy !== undefined)
    expect([first?.recipients, last?.recipients]).toEqual([['u1'], ['u1']])
  })
})
