// A follower's checkpoint is stored once a second while batches follow each other, and read as it is.
import { describe, expect, it } from 'vitest'
import { CheckpointStore } from '../../src/following/checkpoint-store.ts'
import { NO_DEAD_LETTERS } from '../../src/following/dead-letters.ts'
import { createTestStorage } from '../support/sql-storage.ts'

const sound = { records: 1, deadLetters: NO_DEAD_LETTERS, lost: 0, dropped: 0 }
const at = (offset: number) => ({ offset, generation: 0, topicId: null })

function createStore() {
  const storage = createTestStorage()
  const clock = { nowMs: 5_000 }
  const timers: (() => void)[] = []
  const store = new CheckpointStore(storage.sql, {
    nowMs: () => clock.nowMs,
    schedule: (_ms, act) => timers.push(act),
  })
  store.start(0)
  return { store, storage, clock, timers, stored: () => new CheckpointStore(storage.sql).read() }
}

describe('a checkpoint', () => {
  it('is stored at once after a pause, and once a second while batches follow each other', () => {
    const { store, stored, timers, storage } = createStore()
    store.move(at(1), sound)
    expect(stored()).toMatchObject({ offset: 1, records: 1 })
    const before = storage.rowsWritten()
    for (let offset = 2; offset <= 50; offset += 1) store.move(at(offset), sound)
    expect([stored()?.offset, store.read()?.offset, store.read()?.records, timers.length]).toEqual([1, 50, 50, 1])
    timers[0]?.()
    expect([stored()?.offset, stored()?.records, storage.rowsWritten() - before]).toEqual([50, 50, 1])
  })

  it('is stored when it is asked to be, and with records that were lost', () => {
    const { store, stored } = createStore()
    store.move(at(1), sound)
    store.move(at(2), sound)
    store.flush()
    expect(stored()).toMatchObject({ offset: 2, records: 2 })
    store.move(at(3), { ...sound, lost: 4, dropped: 0 })
    expect(stored()).toMatchObject({ offset: 3, records: 3, lost: 4, dropped: 0 })
  })

  it('without a clock is stored with each batch', () => {
    const { storage } = createStore()
    const store = new CheckpointStore(storage.sql)
    store.move(at(1), sound)
    store.move(at(2), sound)
    expect(new CheckpointStore(storage.sql).read()).toMatchObject({ offset: 2, records: 2 })
  })
})
