// What a follower stores of the interest of shards: it must know the same after a restart, and a new type must cost one row.
import { expect, it } from 'vitest'
import { bitmapOf } from '../../src/core/interest/bitmap.ts'
import type { InterestUpdate } from '../../src/core/interest/ledger.ts'
import { InterestIndex } from '../../src/following/interest-index.ts'
import { createTestStorage } from '../support/sql-storage.ts'

const bitmap = (shard: number, version: number, ...types: readonly string[]) => ({
  shard,
  version,
  bitmap: bitmapOf(types),
})
const watch = (shard: number, version: number, user: string) => ({ shard, version, user, isWatched: true })

function makeUpdate(version: number, more: Partial<InterestUpdate>): InterestUpdate {
  return { epoch: 'e1', after: version - 1, version, bitmaps: [], watches: [], ...more }
}

function makeIndex() {
  const storage = createTestStorage()
  const index = new InterestIndex(storage)
  index.apply(
    makeUpdate(3, { after: 0, bitmaps: [bitmap(0, 1, 'a'), bitmap(1, 2, 'b')], watches: [watch(1, 3, 'alice')] }),
  )
  const restarted = () => new InterestIndex(storage)
  return { storage, index, restarted }
}

it('writes one row for a new type, and knows it after a restart', () => {
  const { index, restarted, storage } = makeIndex()
  const before = storage.rowsWritten()
  index.apply(makeUpdate(4, { bitmaps: [bitmap(0, 4, 'a', 'new')] }))
  expect(storage.rowsWritten() - before).toBe(1)
  for (const one of [index, restarted()])
    expect([one.at, [...one.shardsOf('new')]]).toEqual([{ epoch: 'e1', version: 4 }, [0]])
})

it('takes the next update after a restart, and refuses one before which another is missing', () => {
  const { index, restarted } = makeIndex()
  index.apply(makeUpdate(4, { bitmaps: [bitmap(0, 4, 'a', 'new')] }))
  const after = restarted()
  expect(after.apply(makeUpdate(6, { bitmaps: [bitmap(0, 6, 'a', 'newer')] }))).toBe(4)
  expect(after.apply(makeUpdate(5, { watches: [watch(0, 5, 'bob')] }))).toBe(5)
  expect(restarted().at).toEqual({ epoch: 'e1', version: 5 })
})

it('does not take the version of an orphan, which is of another epoch, for its own', () => {
  const { index, restarted } = makeIndex()
  index.apply({ epoch: 'e2', after: 0, version: 1, bitmaps: [bitmap(0, 1, 'a')], watches: [] })
  const after = restarted()
  expect([after.at, after.orphans]).toEqual([{ epoch: 'e2', version: 1 }, [1]])
})
