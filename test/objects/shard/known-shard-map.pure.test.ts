// What a shard remembers of changes that bring users to it: since when its log has what is for them.
import { describe, expect, it } from 'vitest'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import type { ShardMap } from '../../../src/core/shard-map/shard-map.ts'
import { KnownShardMap } from '../../../src/objects/shard/known-shard-map.ts'
import { createTestStorage } from '../../support/sql-storage.ts'

type Phase = 'adopting' | 'writing_both' | 'moving' | 'ending'

const steady = (version: number, shards: number): ShardMap => ({ version, shards, change: null, wanted: shards })
const changing = (version: number, from: number, shards: number, phase: Phase): ShardMap => ({
  version,
  shards,
  change: { from, phase },
  wanted: shards,
})

function make(storage = createTestStorage()) {
  const clock = { nowMs: 0 }
  const map = new KnownShardMap(storage.sql, {
    shard: 2,
    guess: 2,
    fetch: () => Promise.reject(new Error('not asked')),
    advanceLog: () => 7,
    nowMs: () => clock.nowMs,
  })
  const learn = (nowMs: number, next: ShardMap) => {
    clock.nowMs = nowMs
    map.learn(next)
  }
  return { learn, map, storage }
}

/** `comer` moves to shard 2 when 2 shards become 3; `stayer` does not. */
const userWho = (fits: (user: string) => boolean) =>
  Array.from({ length: 100 }, (_, n) => `user ${n}`).find(fits) ?? 'none'
const comer = userWho((user) => shardOf(user, 3) === 2)
const stayer = userWho((user) => shardOf(user, 3) !== 2)

describe('a shard that users come to', () => {
  it('has what is for them since they move, which is when all followers write here', () => {
    const { learn, map, storage } = make()
    learn(1, steady(1, 2))
    learn(10, changing(2, 2, 3, 'adopting'))
    learn(20, changing(3, 2, 3, 'writing_both'))
    expect(map.cameBy(comer)).toMatchObject({ seq: 7, completeMs: null })
    learn(30, changing(4, 2, 3, 'moving'))
    expect([map.cameBy(comer)?.completeMs, map.cameBy(stayer)]).toEqual([30, undefined])
    learn(40, changing(5, 2, 3, 'ending'))
    learn(50, steady(6, 3))
    expect(map.cameBy(comer)).toMatchObject({ completeMs: 30 })
    expect(make(storage).map.cameBy(comer)).toMatchObject({ completeMs: 30 })
  })

  it('has its users since the version by which they came, and no longer asks followers anew for each phase', () => {
    const { learn, map } = make()
    const versions = [
      steady(1, 2),
      changing(2, 2, 3, 'adopting'),
      changing(3, 2, 3, 'writing_both'),
      changing(4, 2, 3, 'moving'),
      changing(5, 2, 3, 'ending'),
      steady(6, 3),
      // It has not heard of versions in between: users may have left and come back.
      steady(13, 3),
    ]
    const since = versions.map((version) => {
      learn(version.version, version)
      return map.usersSince
    })
    expect(since).toEqual([0, 0, 0, 4, 4, 4, 13])
  })

  it('reads cuts of versions that did not know the time', () => {
    const storage = createTestStorage()
    storage.sql.exec(
      'CREATE TABLE shard_cuts (old_shards INTEGER NOT NULL, new_shards INTEGER NOT NULL, seq INTEGER NOT NULL)',
    )
    storage.sql.exec('INSERT INTO shard_cuts VALUES (2, 3, 5)')
    expect(make(storage).map.cameBy(comer)).toMatchObject({ seq: 5, completeMs: null })
  })
})
