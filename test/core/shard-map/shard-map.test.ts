// The state machine of a change of the number of shards. The property test walks it with followers and shards that learn of
// each version late and in any order; scripts/sim.ts does the same with the real objects and clients.
import { describe, expect, it } from 'vitest'
import { BroadcastStream, emptyRoutedBatch } from '../../../src/core/delivery/routed-batch.ts'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import { isCovered, predatesReturn } from '../../../src/core/shard-map/coverage.ts'
import { ShardRouting } from '../../../src/core/shard-map/routing.ts'
import {
  advance,
  allShardsOf,
  initialMap,
  isGaining,
  isHome,
  isLosing,
  canResumeFrom,
  wantShards,
  type ChangeProgress,
  type ShardMap,
} from '../../../src/core/shard-map/shard-map.ts'
import { createRandom } from '../../../scripts/random.ts'

const RETENTION_MS = 50
const done: ChangeProgress = {
  followers: Infinity,
  shards: Infinity,
  noneLeftSinceMs: 0,
  nowMs: RETENTION_MS,
  retentionMs: RETENTION_MS,
}
const users = Array.from({ length: 40 }, (_, n) => `user-${n}`)

function want(map: ShardMap, shards: number): ShardMap {
  const wanted = wantShards(map, shards)
  if (!wanted.ok) throw new Error(wanted.reason)
  return wanted.value
}

/** The map of a change in this phase. */
function during(from: number, to: number, phase: NonNullable<ShardMap['change']>['phase']): ShardMap {
  return { version: 5, shards: to, change: { from, phase }, wanted: to }
}

const phaseOf = (map: ShardMap) => map.change?.phase ?? 'steady'

describe('a change of the number of shards', () => {
  it('goes through its phases, each only when all have confirmed it', () => {
    let map = want(initialMap(4), 8)
    const seen = [phaseOf(map)]
    for (let n = 0; n < 5; n += 1) {
      expect(advance(map, { ...done, followers: map.version - 1 })).toBe(map)
      expect(advance(map, { ...done, shards: map.version - 1 })).toBe(map)
      map = advance(map, done)
      seen.push(phaseOf(map))
    }
    expect(seen).toEqual(['steady', 'adopting', 'writing_both', 'moving', 'ending', 'steady'])
    expect(map).toEqual({ version: 6, shards: 8, change: null, wanted: 8 })
    expect(advance(map, done)).toBe(map)
  })

  it('writes to both shards until the retention has passed since the last old connection', () => {
    const map = during(4, 8, 'moving')
    expect(advance(map, { ...done, noneLeftSinceMs: null })).toBe(map)
    expect(advance(map, { ...done, nowMs: RETENTION_MS - 1 })).toBe(map)
    expect(phaseOf(advance(map, done))).toBe('ending')
  })

  it('that is asked for during another comes after it, and the last one that was asked for counts', () => {
    let map = want(want(during(4, 8, 'adopting'), 5), 3)
    while (map.change?.from === 4) map = advance(map, done)
    expect([map.shards, map.change]).toEqual([8, null])
    expect(advance(map, done)).toMatchObject({ shards: 3, change: { from: 8, phase: 'adopting' } })
  })

  it.each([0, -1, 1.5, 8_193, NaN])('to %d shards is refused', (shards) => {
    expect(wantShards(initialMap(4), shards).ok).toBe(false)
  })

  it('moves nobody who need not move', () => {
    const routing = new ShardRouting(during(4, 5, 'moving'))
    const many = Array.from({ length: 1_000 }, (_, n) => `user-${n}`)
    const moved = many.filter((user) => routing.ofUser(user).length === 2)
    expect(moved.length).toBeGreaterThan(150)
    expect(moved.length).toBeLessThan(250)
  })

  it.each([
    [4, 8],
    [8, 3],
  ])('from %d to %d: users leave shards that lose them for shards that gain them', (from, to) => {
    const map = during(from, to, 'moving')
    for (const user of users.filter((one) => shardOf(one, from) !== shardOf(one, to))) {
      expect([isLosing(map, shardOf(user, from)), isGaining(map, shardOf(user, to))]).toEqual([true, true])
      expect(canResumeFrom(map, shardOf(user, from), shardOf(user, to), user)).toBe(true)
    }
  })
})

describe('what is written to both shards', () => {
  const map = during(3, 5, 'writing_both')
  const routing = new ShardRouting(map)

  it('goes to the new one first', () => {
    const batch = emptyRoutedBatch()
    for (const shard of [0, 3, 1]) batch.addressed.set(shard, [])
    batch.broadcasts.set(new Set([2, 4]), new BroadcastStream())
    const stages = routing.inOrder(batch).map(({ addressed, broadcasts }) => ({
      addressed: [...addressed.keys()],
      broadcasts: [...broadcasts.keys()].flatMap((shards) => [...shards]),
    }))
    expect(stages).toEqual([
      { addressed: [3], broadcasts: [4] },
      { addressed: [0, 1], broadcasts: [2] },
    ])
  })

  it('is also what shards want that users leave, and the set for the same set is the same', () => {
    const interested = new Set([1])
    expect([...routing.ofInterested(interested)]).toEqual([1, 3, 4])
    expect(routing.ofInterested(interested)).toBe(routing.ofInterested(interested))
    const gaining = new Set([4])
    expect(routing.ofInterested(gaining)).toBe(gaining)
  })

  it('is nothing while shards adopt', () => {
    const adopting = new ShardRouting(during(3, 5, 'adopting'))
    const interested = new Set([1])
    expect(adopting.ofInterested(interested)).toBe(interested)
    expect(users.every((user) => adopting.ofUser(user).length === 1)).toBe(true)
  })
})

it('a log covers what is before its next offset, and every earlier generation', () => {
  expect([isCovered([1, 5], 1, 4), isCovered([1, 5], 1, 5), isCovered([1, 5], 0, 9)]).toEqual([true, false, true])
  expect([isCovered([1, 5], 2, 0), isCovered(undefined, 0, 0)]).toEqual([false, false])
})

it('a position from before its user left the shard and came back is recognised', () => {
  const user = users.find((one) => shardOf(one, 8) === 6) ?? ''
  const home = shardOf(user, 3)
  const cuts = [{ from: 8, to: 3, seq: 10 }]
  expect([predatesReturn(cuts, home, user, 9), predatesReturn(cuts, home, user, 10)]).toEqual([true, false])
})

/** Followers and shards that learn of each version late; what must hold in every state. */
class Walk {
  map: ShardMap
  readonly followers: ShardMap[]
  readonly shards: ShardMap[]
  #nowMs = 0
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
    this.map = initialMap(1 + this.#below(5))
    this.followers = Array.from({ length: 4 }, () => this.map)
    this.shards = Array.from({ length: 10 }, () => this.map)
  }

  step(): void {
    this.#nowMs += 1
    const kind = this.#random()
    if (kind < 0.35) this.followers[this.#below(4)] = this.map
    else if (kind < 0.8) this.shards[this.#below(10)] = this.map
    else if (kind < 0.97) this.map = advance(this.map, this.#progress())
    else this.map = want(this.map, 1 + this.#below(9))
  }

  violation(): string | undefined {
    const routings = [...new Set(this.followers)].map((follower) => new ShardRouting(follower))
    for (const user of users.slice(0, 8)) {
      for (const [shard, map] of this.#known()) {
        for (const routing of routings) {
          const written = routing.ofUser(user)
          const state = `${user}: shard ${shard} by version ${map.version}, follower by ${routing.map.version}`
          if (isHome(map, shard, user) && !written.includes(shard)) return `not written to its home: ${state}`
          const old = shardOf(user, map.change?.from ?? map.shards)
          if (canResumeFrom(map, old, shard, user) && written.join() !== [shard, old].join())
            return `resumes where nobody writes: ${state}`
        }
      }
    }
    return undefined
  }

  /** Shards that exist by the newest map, with what they know of it. */
  #known(): readonly (readonly [number, ShardMap])[] {
    return this.shards.slice(0, allShardsOf(this.map)).map((map, shard) => [shard, map] as const)
  }

  #progress(): ChangeProgress {
    const isLeft = this.#random() < 0.5
    return {
      followers: Math.min(...this.followers.map(({ version }) => version)),
      shards: Math.min(...this.#known().map(([, { version }]) => version)),
      noneLeftSinceMs: isLeft ? null : this.#nowMs - RETENTION_MS,
      nowMs: this.#nowMs,
      retentionMs: RETENTION_MS,
    }
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }
}

describe('whoever learns of it late', () => {
  it.each([1, 2, 3, 4, 5])('writes to where users connect, and to both where they may resume: walk %d', (seed) => {
    const walk = new Walk(createRandom(seed).next)
    let changes = 0
    for (let n = 0; n < 800; n += 1) {
      const { version } = walk.map
      walk.step()
      if (walk.map.version !== version && walk.map.change === null) changes += 1
      expect(walk.violation()).toBeUndefined()
    }
    expect(changes).toBeGreaterThan(1)
  })
})
