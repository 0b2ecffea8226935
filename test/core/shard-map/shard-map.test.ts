// The state machine of a change of the number of shards. The property test walks it with followers and shards that learn of
// each version late and in any order; scripts/sim.ts does the same with the real objects and clients.
import { describe, expect, it } from 'vitest'
import { BroadcastStream, emptyRoutedBatch } from '../../../src/core/delivery/routed-batch.ts'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import { isCovered, predatesReturn } from '../../../src/core/shard-map/coverage.ts'
import { ShardRouting } from '../../../src/core/shard-map/routing.ts'
import {
  allShardsOf,
  initialMap,
  isGaining,
  isHome,
  isLosing,
  canResumeFrom,
  connectingGroups,
  hasShard,
  homesOf,
  homeOf,
  type ShardMap,
} from '../../../src/core/shard-map/shard-map.ts'
import { advance, wantGroups, wantShards, type ChangeProgress } from '../../../src/core/shard-map/change.ts'
import { groupNumber, groupOf, placeOf, shardAt } from '../../../src/core/shard-map/shard-number.ts'
import { createRandom } from '../../../scripts/random.ts'

const RETENTION_MS = 50
const done: ChangeProgress = {
  followers: Infinity,
  shards: Infinity,
  movedSinceMs: 0,
  nowMs: RETENTION_MS,
  retentionMs: RETENTION_MS,
}
/** Besides the default one. */
const GROUPS = [groupNumber('eu'), groupNumber('us')].toSorted((a, b) => a - b)
const users = Array.from({ length: 40 }, (_, n) => `user-${n}`)

function want(map: ShardMap, shards: number): ShardMap {
  const wanted = wantShards(map, shards)
  if (!wanted.ok) throw new Error(wanted.reason)
  return wanted.value
}

function withGroups(map: ShardMap, groups: readonly number[]): ShardMap {
  const wanted = wantGroups(map, groups)
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
    expect(advance(map, { ...done, movedSinceMs: null })).toBe(map)
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

describe('groups of shards', () => {
  const [one = 0, other = 0] = GROUPS
  const added = withGroups(initialMap(3), [one, other])
  const steady = (groups: readonly number[], wantedGroups = groups): ShardMap => ({
    ...withGroups(initialMap(3, 9), wantedGroups),
    ...(groups.length > 0 && { groups }),
  })
  const phases = (from: ShardMap) => {
    const maps = [from]
    for (let map = from; maps.length < 6 && advance(map, done) !== map; maps.push(map)) map = advance(map, done)
    return maps
  }

  it('number their shards apart, and the default group as if there were no others', () => {
    expect([homeOf(initialMap(3), 'alice'), homeOf(initialMap(3), 'alice', one)]).toEqual([
      shardOf('alice', 3),
      shardAt(one, shardOf('alice', 3)),
    ])
    expect([groupOf(shardAt(one, 7)), placeOf(shardAt(one, 7))]).toEqual([one, 7])
    expect(allShardsOf(steady([one]))).toEqual([0, 1, 2, ...[0, 1, 2].map((place) => shardAt(one, place))])
    expect([hasShard(steady([one]), shardAt(one, 2)), hasShard(steady([one]), shardAt(one, 3))]).toEqual([true, false])
    expect(hasShard(steady([one]), shardAt(other, 0))).toBe(false)
  })

  it('each get what is for a user, and all of them are asked for the connections of the user', () => {
    const routing = new ShardRouting(steady([one]))
    expect(routing.ofUser('alice')).toEqual([shardOf('alice', 3), shardAt(one, shardOf('alice', 3))])
    expect(homesOf(steady([one]), 'alice')).toEqual(routing.ofUser('alice'))
  })

  it('take users when all followers write to them, and are added without waiting for the retention', () => {
    const never = { ...done, movedSinceMs: null }
    let map = added
    const seen: unknown[] = []
    while (advance(map, never) !== map) {
      expect(advance(map, { ...never, followers: map.version - 1 })).toBe(map)
      expect(advance(map, { ...never, shards: map.version - 1 })).toBe(map)
      map = advance(map, never)
      const written = new ShardRouting(map).ofUser('alice').map(groupOf)
      seen.push([phaseOf(map), connectingGroups(map).length, written.length])
    }
    expect(seen).toEqual([
      ['adopting', 1, 1],
      ['writing_both', 1, 3],
      ['moving', 3, 3],
      ['ending', 3, 3],
      ['steady', 3, 3],
    ])
    expect(map).toMatchObject({ groups: GROUPS, wantedGroups: GROUPS, change: null })
  })

  it('that are removed give their users to those that remain, who may read on in them until the retention has passed', () => {
    const maps = phases(steady(GROUPS, [other]))
    const moving = maps.find((map) => phaseOf(map) === 'moving') ?? added
    const [place] = [shardOf('alice', 3)]
    const from = shardAt(one, place)
    expect([isHome(moving, from, 'alice'), isLosing(moving, from), isGaining(moving, from)]).toEqual([
      false,
      true,
      false,
    ])
    for (const group of [0, other]) {
      const to = shardAt(group, place)
      expect([isGaining(moving, to), canResumeFrom(moving, from, to, 'alice')]).toEqual([true, true])
      expect(canResumeFrom(moving, from, shardAt(group, (place + 1) % 3), 'alice')).toBe(false)
      expect(canResumeFrom(moving, to, shardAt(group === 0 ? other : 0, place), 'alice')).toBe(false)
    }
    expect(advance(moving, { ...done, nowMs: RETENTION_MS - 1 })).toBe(moving)
    expect(new ShardRouting(moving).ofUser('alice')).toContain(from)
    expect([...new ShardRouting(moving).ofInterested(new Set([from]))]).toHaveLength(1 + 2 * 3)
    expect(maps.at(-1)).toMatchObject({ groups: [other], change: null })
    expect(new ShardRouting(maps.at(-1) ?? added).ofUser('alice')).not.toContain(from)
  })

  it('all go, and leave the map as it was before there were any', () => {
    const last = phases(steady(GROUPS, [])).at(-1)
    expect(last).toEqual({ version: 14, shards: 3, change: null, wanted: 3 })
  })

  it('change one after the other with the number of shards, in every group', () => {
    const both = { ...steady([one], GROUPS), wanted: 5 }
    const growing = advance(both, done)
    expect(growing).toMatchObject({ shards: 5, groups: [one], change: { from: 3, phase: 'adopting' } })
    const moving = { ...growing, change: { from: 3, phase: 'moving' } } as const
    const user = users.find((name) => shardOf(name, 5) >= 3) ?? ''
    const [from, to] = [shardOf(user, 3), shardOf(user, 5)]
    expect(canResumeFrom(moving, shardAt(one, from), shardAt(one, to), user)).toBe(true)
    expect(canResumeFrom(moving, from, shardAt(one, to), user)).toBe(false)
    expect([...new ShardRouting(moving).ofInterested(new Set([shardAt(one, 1)]))].map(groupOf)).toEqual([one, one, one])
    expect(new ShardRouting(moving).ofUser(user)).toEqual([to, from, shardAt(one, to), shardAt(one, from)])
  })

  it('share the limit of shards', () => {
    expect(wantShards(steady(GROUPS), 2_730).ok).toBe(true)
    expect(wantShards(steady(GROUPS), 2_731)).toEqual({
      ok: false,
      reason: 'shards must be a whole number from 1 to 2730 in each of 3 groups, got 2731',
    })
  })

  it('share it also where the number was raised before they came, and with groups that are removed', () => {
    const [eu = 0, us = 0] = GROUPS
    expect(wantGroups(initialMap(4_096), [eu]).ok).toBe(true)
    const reason = '2 groups, with those that are there, may have 4096 shards each, and there are 4097'
    expect(wantGroups(initialMap(4_097), [eu])).toEqual({ ok: false, reason })
    expect(wantGroups(want(initialMap(4), 4_097), [eu])).toEqual({ ok: false, reason })
    expect(wantGroups(initialMap(4_096, 1, [eu]), [us]).ok).toBe(false)
    expect(wantGroups(initialMap(4_096, 1, [eu]), []).ok).toBe(true)
    const removing = advance(withGroups(initialMap(4, 1, [eu]), []), done)
    expect([wantShards(removing, 4_096).ok, wantShards(removing, 4_097).ok]).toEqual([true, false])
    expect(wantShards(withGroups(initialMap(4, 1, [eu]), [us]), 4_096).ok).toBe(false)
  })

  it('have the same number for ever', () => {
    expect(['eu', 'us', 'apac'].map(groupNumber)).toMatchInlineSnapshot(`
      [
        29396,
        120014,
        29314,
      ]
    `)
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
  /** What shards know; those that are not here know the first map. */
  readonly shards = new Map<number, ShardMap>()
  readonly #first: ShardMap
  #nowMs = 0
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
    this.map = initialMap(1 + this.#below(5))
    this.#first = this.map
    this.followers = Array.from({ length: 4 }, () => this.map)
  }

  step(): void {
    this.#nowMs += 1
    const kind = this.#random()
    if (kind < 0.35) this.followers[this.#below(4)] = this.map
    else if (kind < 0.8) this.#learn()
    else if (kind < 0.97) this.map = advance(this.map, this.#progress())
    else if (kind < 0.985) this.map = want(this.map, 1 + this.#below(9))
    else this.map = withGroups(this.map, GROUPS.filter(() => this.#random() < 0.5)) // prettier-ignore
  }

  violation(): string | undefined {
    const routings = [...new Set(this.followers)].map((follower) => new ShardRouting(follower))
    for (const user of users.slice(0, 8)) {
      for (const [shard, map] of this.#known()) {
        for (const routing of routings) {
          const written = routing.ofUser(user)
          const state = `${user}: shard ${shard} by version ${map.version}, follower by ${routing.map.version}`
          if (isHome(map, shard, user) && !written.includes(shard)) return `not written to its home: ${state}`
          for (const old of allShardsOf(map).filter((one) => canResumeFrom(map, one, shard, user))) {
            const isFirst = isGaining(routing.map, shard) && !isGaining(routing.map, old)
            if (!written.includes(shard) || !written.includes(old) || !isFirst)
              return `resumes from ${old} where nobody writes: ${state}`
          }
        }
      }
    }
    return undefined
  }

  /** Shards that exist by the newest map, with what they know of it. */
  #known(): readonly (readonly [number, ShardMap])[] {
    return allShardsOf(this.map).map((shard) => [shard, this.shards.get(shard) ?? this.#first] as const)
  }

  /** Some of the shards hear of the newest map. */
  #learn(): void {
    for (const [shard] of this.#known()) if (this.#random() < 0.3) this.shards.set(shard, this.map)
  }

  #progress(): ChangeProgress {
    const isLeft = this.#random() < 0.5
    return {
      followers: Math.min(...this.followers.map(({ version }) => version)),
      shards: Math.min(...this.#known().map(([, { version }]) => version)),
      movedSinceMs: isLeft ? null : this.#nowMs - RETENTION_MS,
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
