// What a shard remembers of changes that bring users to it: since when its log has what is for them.
import { describe, expect, it } from 'vitest'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import { type ShardMap } from '../../../src/core/shard-map/shard-map.ts'
import { groupNumber, shardAt } from '../../../src/core/shard-map/shard-number.ts'
import { KnownShardMap } from '../../../src/objects/shard/known-shard-map.ts'
import { expectLogs } from '../../support/expect-logs.ts'
import { createTestStorage } from '../../support/sql-storage.ts'

// The Directory does not answer.
expectLogs(/the shard map could not be asked for/)

type Phase = 'adopting' | 'writing_both' | 'moving' | 'ending'

const steady = (version: number, shards: number): ShardMap => ({ version, shards, change: null, wanted: shards })
const changing = (version: number, from: number, shards: number, phase: Phase): ShardMap => ({
  version,
  shards,
  change: { from, phase },
  wanted: shards,
})

function make(storage = createTestStorage(), shard = 2) {
  const clock = { nowMs: 0 }
  let head = 0
  const map = new KnownShardMap(storage.sql, {
    shard,
    guess: 2,
    fetch: () => Promise.reject(new Error('not asked')),
    advanceLog: () => (head += 7),
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

  it('remembers when a client came with a position of its old shard last', async () => {
    const { learn, map, storage } = make()
    const old = shardOf(comer, 2)
    learn(20, changing(3, 2, 3, 'writing_both'))
    expect([await map.canResumeFrom(old, comer), map.resumedUntilMs]).toEqual([false, 0])
    learn(30, changing(4, 2, 3, 'moving'))
    expect([await map.canResumeFrom(old, stayer), map.resumedUntilMs]).toEqual([false, 0])
    expect([await map.canResumeFrom(old, comer), map.resumedUntilMs]).toEqual([true, 1_030])
    // It is killed: what it has said to the client it still knows.
    expect(make(storage).map.resumedUntilMs).toBe(1_030)
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

describe('a shard of a group that is added', () => {
  const group = groupNumber('eu')
  const other = { addedGroups: [], removedGroups: [] }
  const adding = (version: number, phase: Phase): ShardMap => ({
    ...steady(version, 3),
    groups: [group],
    wantedGroups: [group],
    change: { from: 3, phase, ...other, addedGroups: [group] },
  })
  const removing = (version: number, phase: Phase): ShardMap => ({
    ...steady(version, 3),
    change: { from: 3, phase, ...other, removedGroups: [group] },
  })
  const opened = (version: number): ShardMap => ({ ...steady(version, 3), groups: [group], wantedGroups: [group] })

  it('takes its users from when all followers write to it, and not by a guess', () => {
    const { learn, map } = make(undefined, shardAt(group, 2))
    const maps = [
      steady(1, 3),
      adding(2, 'adopting'),
      adding(3, 'writing_both'),
      adding(4, 'moving'),
      adding(5, 'ending'),
      opened(6),
    ]
    const taken = [map.isHome(comer)]
    for (const next of maps) {
      learn(10 * next.version, next)
      taken.push(map.isHome(comer))
    }
    expect(taken).toEqual([false, false, false, false, true, true, true])
    expect([map.isHome(stayer), map.usersSince]).toEqual([false, 4])
    expect(map.cameBy(comer)).toMatchObject({ seq: 7, completeMs: 40 })
  })

  it('has a gap for positions of an earlier time, if the group was removed and comes back', () => {
    const { learn, map } = make(undefined, shardAt(group, 2))
    const phases = ['adopting', 'writing_both', 'moving', 'ending'] as const
    const maps = [
      ...phases.map((phase, at) => adding(2 + at, phase)),
      opened(6),
      ...phases.map((phase, at) => removing(7 + at, phase)),
    ]
    for (const next of maps) learn(1, next)
    expect([map.isHome(comer), map.predatesReturn(comer, 10)]).toEqual([false, false])
    for (const next of [...phases.map((phase, at) => adding(12 + at, phase)), opened(16)]) learn(1, next)
    expect([map.isHome(comer), map.predatesReturn(comer, 13), map.predatesReturn(comer, 14)]).toEqual([
      true,
      true,
      false,
    ])
  })

  it('leaves the cuts of other groups as they are', () => {
    const { learn, map } = make()
    for (const next of [adding(2, 'adopting'), adding(4, 'moving'), removing(7, 'adopting'), removing(9, 'moving')])
      learn(1, next)
    expect(map.cameBy(comer)).toBeUndefined()
  })
})
