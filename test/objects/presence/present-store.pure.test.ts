import { describe, expect, it } from 'vitest'
import { PresentStore } from '../../../src/objects/presence/present-store.ts'
import { createTestStorage } from '../../support/sql-storage.ts'

const { sql: emptySql } = createTestStorage()

function makeStore({ sql = createTestStorage().sql, maxBytes = 2_000_000 } = {}) {
  const store = new PresentStore(sql, maxBytes)
  const enter = (connectionId: string, name: string, meta: object = {}) =>
    store.enter({ shard: 0, connectionId, name }, { name, meta: { ...meta, phx_ref: `ref-${connectionId}` } })
  const names = () => store.entries().map(({ name }) => name)
  return { store, enter, names, sql }
}

describe('a user with many connections', () => {
  it('is shown with ten of them, whatever the order in which they come and go', () => {
    const { enter, names, store } = makeStore()
    for (let n = 0; n < 1_000; n += 1) enter(`a${n}`, 'alice')
    expect(enter('b', 'bob')).toBe('shown')
    expect(names().filter((name) => name === 'alice')).toHaveLength(10)
    for (let n = 0; n < 990; n += 1) expect(store.leave(`a${n}`, 1)).toBe(false)
    expect(names().filter((name) => name === 'alice')).toHaveLength(10)
    for (let n = 990; n < 999; n += 1) expect(store.leave(`a${n}`, 1)).toBe(true)
    expect(store.removeDue(1)).toHaveLength(9)
    expect(names().toSorted()).toEqual(['alice', 'bob'])
    store.leave('a999', 1)
    store.leave('b', 1)
    store.removeDue(1)
    expect(store.isEmpty).toBe(true)
  })

  it('that waits and leaves changes nothing, and one that enters twice is there once', () => {
    const { enter, store } = makeStore()
    for (let n = 0; n < 12; n += 1) enter(`a${n}`, 'alice')
    enter('a11', 'alice')
    expect([store.leave('a11', 1), store.leave('a10', 1), store.leave('unknown', 1)]).toEqual([false, false, false])
    for (let n = 0; n < 10; n += 1) expect(store.leave(`a${n}`, 1)).toBe(true)
    expect(store.removeDue(1)).toHaveLength(10)
    expect(store.isEmpty).toBe(true)
  })
})

it('a topic shows as much as fits, and more when somebody has left; a restart counts the same', () => {
  const { enter, names, sql, store } = makeStore({ maxBytes: 2_500 })
  const meta = { picture: 'x'.repeat(300) }
  expect(['a', 'b', 'c'].map((id) => enter(id, id, meta))).toEqual(['shown', 'shown', 'full'])
  const again = makeStore({ sql, maxBytes: 2_500 })
  expect(again.enter('c', 'c', meta)).toBe('full')
  again.store.leave('a', 5)
  expect([again.store.nextDueMs(), again.store.removeDue(4), again.store.removeDue(5)]).toMatchObject([5, [], [{}]])
  expect(again.enter('c', 'c', meta)).toBe('shown')
  expect(names()).toEqual(['b', 'c'])
  expect(store.isEmpty).toBe(false)
})

it('counts the same after a restart whatever the characters, each of which takes two bytes beyond Latin-1', () => {
  const { enter, sql } = makeStore({ maxBytes: 6_000 })
  const meta = { mood: '🙂'.repeat(250) }
  expect(['a', 'b', 'c'].map((id) => enter(id, id, meta))).toEqual(['shown', 'shown', 'full'])
  expect(makeStore({ sql, maxBytes: 6_000 }).enter('c', 'c', meta)).toBe('full')
  const again = makeStore({ sql, maxBytes: 6_000 })
  for (const id of ['a', 'b']) again.store.leave(id, 1)
  expect(again.store.removeDue(1)).toHaveLength(2)
  expect(['a', 'b', 'c'].map((id) => again.enter(id, id, meta))).toEqual(['shown', 'shown', 'full'])
})

it('many members with little metadata count with what they take, and not with their text alone', () => {
  const { enter } = makeStore({ maxBytes: 50_000 })
  const shown = Array.from({ length: 200 }, (_, n) => enter(`${n}`, `m${n}`)).filter((entrance) => entrance === 'shown')
  expect([shown.length > 90, shown.length < 125]).toEqual([true, true])
})

it('reads what an earlier version has stored', () => {
  emptySql.exec(`
    CREATE TABLE present (
      connection_id TEXT PRIMARY KEY, shard INTEGER NOT NULL, name TEXT NOT NULL, meta TEXT NOT NULL, leaves_at_ms INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX leaving_by_name ON present (name) WHERE leaves_at_ms IS NOT NULL;
    INSERT INTO present VALUES ('1', 0, 'alice', '{"phx_ref":"r"}', NULL);
  `)
  const { store } = makeStore({ sql: emptySql })
  expect(store.entries()).toEqual([{ name: 'alice', meta: { phx_ref: 'r' } }])
})
