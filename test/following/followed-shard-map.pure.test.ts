// By which version of the shard map a follower says that it writes: the Directory continues a change when all followers do.
import { describe, expect, it } from 'vitest'
import { FollowedShardMap } from '../../src/following/followed-shard-map.ts'
import { createTestStorage } from '../support/sql-storage.ts'

const mapOf = (version: number) => ({ version, shards: 3, change: null, wanted: 3 })

function started(storage = createTestStorage()) {
  const map = new FollowedShardMap(storage.sql, 3)
  map.apply(mapOf(5))
  return map
}

describe('a follower that has started', () => {
  it('does not know what it had sent, until it has sent everything again', () => {
    const map = started()
    expect(map.writesBy).toBe(0)
    map.planned(10)
    map.committed(10)
    expect(map.writesBy).toBe(0)
    map.caughtUp()
    expect(map.writesBy).toBe(5)
  })

  it('writes by its map once it is past the end that the log had then, although records come all the time', () => {
    const map = started()
    expect(map.isEndWanted).toBe(true)
    map.endFound(15)
    for (const next of [10, 14]) {
      map.planned(next)
      map.committed(next)
      expect([next, map.writesBy]).toEqual([next, 0])
    }
    map.planned(20)
    expect(map.writesBy).toBe(0)
    map.committed(20)
    expect([map.writesBy, map.isEndWanted]).toEqual([5, false])
  })

  it('waits for a batch that was planned before the end was known', () => {
    const map = started()
    map.planned(20)
    map.endFound(15)
    expect(map.writesBy).toBe(0)
    map.committed(20)
    expect(map.writesBy).toBe(5)
  })
})

describe('a follower that runs', () => {
  it('writes by the older map until the batch that was sent by it is stored, however many come after', () => {
    const map = started()
    map.caughtUp()
    map.planned(30)
    map.apply(mapOf(6))
    expect(map.writesBy).toBe(5)
    map.endFound(1)
    map.committed(29)
    expect(map.writesBy).toBe(5)
    map.committed(30)
    expect(map.writesBy).toBe(6)
  })
})
