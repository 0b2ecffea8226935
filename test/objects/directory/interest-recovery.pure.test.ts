// A new storage of the Directory asks the shards before a follower that registers is answered.
import { describe, expect, it } from 'vitest'
import { initialMap, type ShardMap } from '../../../src/core/shard-map/shard-map.ts'
import { InterestRecovery } from '../../../src/objects/directory/interest-recovery.ts'

interface Shards {
  readonly maps: readonly ShardMap[]
  /** By shard: the epoch that it has declared to. */
  readonly declaredTo: (string | null | undefined)[]
  failing: number | null
}

function createRecovery(shards: Shards, first: ShardMap, isDone = false) {
  const asked: number[] = []
  const state = { map: first, done: 0, queries: 0 }
  const recovery = new InterestRecovery(isDone, {
    epoch: () => 'new',
    map: () => state.map,
    adopt: (map) => (state.map = map),
    query: async (numbers, { version }) => {
      state.queries += 1
      expect(version).toBe(0)
      return numbers.map((shard) => {
        const declaredTo = shards.declaredTo[shard]
        const map = shards.maps[shard] ?? first
        if (declaredTo === undefined) return { shard, ok: true, value: { map, leaving: 0 } }
        return { shard, ok: true, value: { map, leaving: 0, declaredTo } }
      })
    },
    ask: async (shard) => {
      asked.push(shard)
      if (shard === shards.failing) throw new Error('does not answer')
      shards.declaredTo[shard] = 'new'
    },
    done: () => (state.done += 1),
  })
  return { recovery, asked, state }
}

describe('a new storage of the Directory', () => {
  it('asks shards that have declared to another, once: not those that never have; old versions do not say', async () => {
    const shards: Shards = { maps: [], declaredTo: ['lost', null, 'new', undefined], failing: null }
    const { asked, recovery, state } = createRecovery(shards, initialMap(4))
    await Promise.all([recovery.ensure(), recovery.ensure()])
    await recovery.ensure()
    expect([asked, state.done, state.queries]).toEqual([[0, 3], 1, 1])
  })

  it('is not recovered while a shard does not answer; then it asks those that are missing', async () => {
    const shards: Shards = { maps: [], declaredTo: ['lost', 'lost', 'lost'], failing: 1 }
    const { asked, recovery, state } = createRecovery(shards, initialMap(3))
    await expect(recovery.ensure()).rejects.toThrow('does not answer')
    expect([asked, state.done]).toEqual([[0, 1, 2], 0])
    shards.failing = null
    await recovery.ensure()
    expect([asked, state.done]).toEqual([[0, 1, 2, 1], 1])
  })

  it('takes the newest map that a shard has, and asks its shards', async () => {
    const grown: ShardMap = { version: 7, shards: 3, change: null, wanted: 3 }
    const shards: Shards = { maps: [initialMap(2), grown], declaredTo: ['lost', 'lost', 'lost'], failing: null }
    const { asked, recovery, state } = createRecovery(shards, initialMap(2))
    await recovery.ensure()
    expect([asked, state.map, state.queries]).toEqual([[0, 1, 2], grown, 2])
  })

  it('asks nobody if the storage is not new', async () => {
    const { asked, recovery, state } = createRecovery(
      { maps: [], declaredTo: ['lost'], failing: null },
      initialMap(1),
      true,
    )
    await recovery.ensure()
    expect([asked, state.queries]).toEqual([[], 0])
  })
})
