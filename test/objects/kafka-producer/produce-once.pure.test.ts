import { describe, expect, it } from 'vitest'
import type { NewRecord, ProducedRecord } from '../../../src/core/events/kafka-record.ts'
import { createProduceOnce } from '../../../src/objects/kafka-producer/produce-once.ts'
import { ProducedKeys } from '../../../src/objects/kafka-producer/produced-keys.ts'
import { createTestStorage } from '../../support/sql-storage.ts'

const record = (idempotencyKey?: string): NewRecord => {
  return { topic: 'rig', value: null, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) }
}

function makeProducer({ maxKeys = 100, windowMs = 1_000 } = {}) {
  const storage = createTestStorage()
  const state = { nowMs: 0, offset: 0, fails: false, held: Promise.resolve() }
  const produce = async (records: readonly NewRecord[]): Promise<readonly ProducedRecord[]> => {
    await state.held
    if (state.fails) throw new Error('no broker')
    return records.map(({ topic }) => ({ topic, partition: 0, offset: state.offset++, timestampMs: state.nowMs }))
  }
  const start = () => {
    const keys = new ProducedKeys(storage.sql, { maxKeys, windowMs })
    return createProduceOnce({ produce, keys, nowMs: () => state.nowMs })
  }
  return { state, storage, start }
}

const offsets = (places: readonly ProducedRecord[]) =>
  places.map(({ duplicate, offset }) => (duplicate === true ? `known ${offset}` : offset))

describe('a record with an idempotency key', () => {
  it('is produced once, also within one call and after the object was evicted', async () => {
    const { start } = makeProducer()
    expect(offsets(await start()([record('a'), record('b'), record('a')]))).toEqual([0, 1, 'known 0'])
    expect(offsets(await start()([record('b'), record('c')]))).toEqual(['known 1', 2])
  })

  it('waits for the first one while that is under way, and fails with it', async () => {
    const { start, state } = makeProducer()
    const produce = start()
    const { promise, resolve } = Promise.withResolvers<void>()
    state.held = promise
    const both = [produce([record('a')]), produce([record('a'), record('b')])]
    resolve()
    expect((await Promise.all(both)).map(offsets)).toEqual([[0], ['known 0', 1]])
    state.fails = true
    const failing = await Promise.allSettled([produce([record('c')]), produce([record('c')])])
    expect(failing.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    state.fails = false
    expect(offsets(await produce([record('c')]))).toEqual([2])
  })

  it('is produced again when its key is older than the window', async () => {
    const { start, state } = makeProducer()
    const produce = start()
    await produce([record('a')])
    state.nowMs = 1_001
    await produce([record('b')])
    expect(offsets(await produce([record('a'), record('b')]))).toEqual([2, 'known 1'])
  })

  it('is forgotten when there are more keys than fit, oldest first', async () => {
    const { start, storage } = makeProducer({ maxKeys: 2 })
    const produce = start()
    for (const key of ['a', 'b', 'c']) await produce([record(key)])
    expect(offsets(await produce([record('b'), record('c')]))).toEqual(['known 1', 'known 2'])
    expect(storage.sql.exec('SELECT id FROM produced_keys').toArray()).toHaveLength(2)
  })
})

it('a record without a key is always produced, and nothing is stored', async () => {
  const { start, storage } = makeProducer()
  const produce = start()
  expect(offsets(await produce([record(), record()]))).toEqual([0, 1])
  expect(offsets(await produce([record()]))).toEqual([2])
  expect(storage.rowsWritten()).toBe(0)
})
