// Whether storage takes writes: asked as often as anybody likes, written once in five seconds.
import { expect, it } from 'vitest'
import { StorageProbe } from '../../src/segment-log/storage-probe.ts'
import { createTestStorage } from '../support/sql-storage.ts'

it('writes one row in five seconds, however often it is asked', async () => {
  const storage = createTestStorage()
  const clock = { nowMs: 1_000_000 }
  const probe = new StorageProbe(storage, () => clock.nowMs)
  const rowsFor = async () => {
    const before = storage.rowsWritten()
    await probe.check()
    return storage.rowsWritten() - before
  }
  expect([await rowsFor(), await rowsFor()]).toEqual([1, 0])
  clock.nowMs += 5_000
  expect([await rowsFor(), await rowsFor()]).toEqual([1, 0])
})

it('rejects while a write cannot be made durable, and asks anew each time', async () => {
  const { sql } = createTestStorage()
  let isFull = true
  const sync = () => (isFull ? Promise.reject(new Error('database or disk is full')) : Promise.resolve())
  const probe = new StorageProbe({ sql, sync }, () => 0)
  await expect(probe.check()).rejects.toThrow('disk is full')
  await expect(probe.check()).rejects.toThrow('disk is full')
  isFull = false
  await expect(probe.check()).resolves.toBeUndefined()
})
