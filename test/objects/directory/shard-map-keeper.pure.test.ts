// A change of the number of shards survives the death of the Directory at every call that it makes, and the loss of its storage
// in every phase: the alarm that is stored with each step continues it.
import { describe, expect, it } from 'vitest'
import { type ShardMap } from '../../../src/core/shard-map/shard-map.ts'
import { groupNumber } from '../../../src/core/shard-map/shard-number.ts'
import { ShardMapKeeper } from '../../../src/objects/directory/shard-map-keeper.ts'
import type { MapConfirmation } from '../../../src/objects/directory/map-confirmation.ts'
import { expectLogs } from '../../support/expect-logs.ts'
import { createTestStorage } from '../../support/sql-storage.ts'

expectLogs(/"message":"the shard map has changed"/, /a variable of shards cannot be taken yet/)

const RETENTION_MS = 10_000
const FROM = 2
const TO = 3
/** A change takes some twenty calls. */
const MAX_ALARMS = 200

/** A Directory with one follower and the shards of both numbers. `diesAt`: the number of the call at which it dies. */
class World {
  readonly calls: { readonly kind: 'follower' | 'shards'; readonly map: ShardMap }[] = []
  nowMs = 0
  alarmAtMs: number | null = null
  /** When a client came last to a shard with a position of an old log. */
  resumedAtMs: (nowMs: number) => number = () => 0
  readonly #diesAt: ReadonlySet<number>
  #storage = createTestStorage()
  #starts = 0
  /** By SHARD_GROUPS. */
  groups: readonly number[] = []
  /** SHARDS. */
  variable = FROM
  #keeper: ShardMapKeeper
  /** The newest map that the follower, and the shards, have. */
  #known: ShardMap | null = null

  constructor(diesAt: readonly number[] = []) {
    this.#diesAt = new Set(diesAt)
    this.#keeper = this.#start()
  }

  get map(): ShardMap {
    return this.#keeper.map
  }

  /** The phase that the follower and the shards know. */
  get toldPhase(): string | undefined {
    return this.#known?.change?.phase
  }

  get problem(): string | null {
    return this.#keeper.status().problem
  }

  want(shards: number): void {
    this.#keeper.want(shards)
  }

  /** Its storage is lost. The next time that followers are told something, one answers with its map. */
  lose(): void {
    this.#storage = createTestStorage()
    this.alarmAtMs = null
    this.#keeper = this.#start()
    if (this.#known !== null) this.#keeper.adopt(this.#known)
  }

  /** The cron: nothing else wakes a Directory whose alarm was given up. */
  resume(): void {
    this.#keeper = this.#start()
    this.#keeper.resume()
  }

  /** Runs alarms until none is set. Returns the phases of the map. */
  async run(until: (map: ShardMap) => boolean = () => false): Promise<readonly string[]> {
    const phases: string[] = []
    for (let alarms = 0; this.alarmAtMs !== null && !until(this.map); alarms += 1) {
      if (alarms === MAX_ALARMS) throw new Error(`it does not end: ${JSON.stringify(this.map)}`)
      this.nowMs = Math.max(this.nowMs, this.alarmAtMs)
      this.alarmAtMs = null
      const stepping = this.#keeper
      // The runtime repeats an alarm that has not ended.
      const isOver = await stepping.step().then(
        () => stepping === this.#keeper,
        () => false,
      )
      if (!isOver) this.alarmAtMs = Math.min(this.alarmAtMs ?? Infinity, this.nowMs)
      const phase = this.map.change?.phase ?? 'steady'
      if (phases.at(-1) !== phase) phases.push(phase)
    }
    return phases
  }

  #start(): ShardMapKeeper {
    this.#starts += 1
    const start = this.#starts
    const { sql } = this.#storage
    const alive = () => {
      if (start !== this.#starts) throw new Error('the Directory has died')
    }
    const exec = (...statement: Parameters<SqlStorage['exec']>) => {
      alive()
      return sql.exec(...statement)
    }
    return new ShardMapKeeper({ exec } as SqlStorage, {
      variable: this.variable,
      groups: this.groups,
      retentionMs: RETENTION_MS,
      tellFollowers: (map) => this.#answer('follower', map, alive),
      tellShards: (map) => this.#answer('shards', map, alive),
      nowMs: () => this.nowMs,
      wakeBy: (atMs) => {
        if (start === this.#starts) this.alarmAtMs = Math.min(this.alarmAtMs ?? Infinity, atMs)
      },
    })
  }

  async #answer(kind: 'follower' | 'shards', map: ShardMap, alive: () => void): Promise<MapConfirmation> {
    const call = this.calls.push({ kind, map }) - 1
    if ((this.#known?.version ?? 0) < map.version) this.#known = map
    await Promise.resolve()
    if (this.#diesAt.has(call)) this.#keeper = this.#start()
    alive()
    const resumedUntilMs = this.resumedAtMs(this.nowMs)
    return { lowest: map.version, confirmed: 1, of: 1, newest: this.#known, leaving: 0, resumedUntilMs, problem: null }
  }
}

const PHASES = ['adopting', 'writing_both', 'moving', 'ending', 'steady']

describe('a change of the number of shards', () => {
  it('goes through its phases by itself, and then sets no alarm', async () => {
    const world = new World()
    world.want(TO)
    expect(await world.run()).toEqual(PHASES)
    expect(world.map).toEqual({ version: 6, shards: TO, change: null, wanted: TO })
    expect(world.nowMs).toBeGreaterThanOrEqual(RETENTION_MS)
  })

  it('waits the retention for clients that came with an old position, and not for ever', async () => {
    const endsAfter = async (resumedAtMs: (nowMs: number) => number) => {
      const world = new World()
      world.resumedAtMs = resumedAtMs
      world.want(TO)
      await world.run(({ change }) => change?.phase === 'ending')
      return world.nowMs
    }
    const without = await endsAfter(() => 0)
    expect(await endsAfter((nowMs) => Math.min(nowMs, 6_000))).toBe(6_000 + RETENTION_MS)
    expect(await endsAfter((nowMs) => nowMs)).toBe(without + RETENTION_MS)
  })

  it('ends although the Directory dies at any of its calls', async () => {
    const whole = new World()
    whole.want(TO)
    await whole.run()
    for (const call of whole.calls.keys()) {
      const world = new World([call, call + 3])
      world.want(TO)
      await world.run()
      expect([call, world.map]).toEqual([call, whole.map])
    }
  })

  it.each(PHASES.slice(0, -1))('ends although the Directory loses its storage while %s', async (phase) => {
    const world = new World()
    world.want(TO)
    await world.run(() => world.toldPhase === phase)
    world.lose()
    // It goes on, and does not begin anew.
    expect(PHASES.slice(PHASES.indexOf(phase)).join()).toContain((await world.run()).join())
    expect(world.map).toMatchObject({ shards: TO, change: null, wanted: TO })
  })

  it.each(PHASES.slice(0, -1))('is continued by the cron after its alarm was given up while %s', async (phase) => {
    const world = new World()
    world.want(TO)
    await world.run(({ change }) => change?.phase === phase)
    world.alarmAtMs = null
    world.resume()
    await world.run()
    expect(world.map).toMatchObject({ shards: TO, change: null })
    world.resume()
    expect(world.alarmAtMs).toBeNull()
  })
})

describe('other groups of shards', () => {
  const groups = [groupNumber('eu'), groupNumber('us')].toSorted((a, b) => a - b)
  const deployed = async (...deploys: readonly (readonly number[])[]) => {
    const world = new World()
    const phases: (readonly string[])[] = []
    for (const named of deploys) {
      world.groups = named
      world.resume()
      phases.push(await world.run())
    }
    return { world, phases }
  }

  it('come with the deploy that names them, and go with the one that does not', async () => {
    const { phases, world } = await deployed(groups, groups, [])
    expect(phases).toEqual([PHASES, [], PHASES])
    expect(world.map).toEqual({ version: 11, shards: FROM, change: null, wanted: FROM })
  })

  it('wait, and say so, while the number that was raised leaves no room for them', async () => {
    const world = new World()
    world.want(5_000)
    await world.run()
    world.groups = groups.slice(1)
    world.resume()
    await world.run()
    expect([world.map.groups, world.alarmAtMs]).toEqual([undefined, null])
    expect(world.problem).toContain('may have 4096 shards each, and there are 5000')
    world.want(4_000)
    expect(await world.run()).toEqual([...PHASES, ...PHASES])
    expect([world.map.shards, world.map.groups, world.problem]).toEqual([4_000, groups.slice(1), null])
  })

  it('go before SHARDS, of the same deploy, is raised to a number for which they leave no room', async () => {
    const { world } = await deployed(groups)
    world.groups = []
    world.variable = 8_000
    world.resume()
    expect(world.problem).toContain('from 1 to 2730 in each of 3 groups, got 8000')
    // Also if it dies meanwhile.
    await world.run(({ change }) => change?.phase === 'moving')
    world.resume()
    await world.run()
    expect(world.map).toMatchObject({ shards: 8_000, wanted: 8_000, change: null })
    expect([world.map.groups, world.problem]).toEqual([undefined, null])
  })

  it.each(PHASES.slice(0, -1))(
    'are what the variable says also if the Directory loses its storage while %s',
    async (phase) => {
      const { world } = await deployed()
      world.groups = groups
      world.resume()
      await world.run(() => world.toldPhase === phase)
      world.groups = groups.slice(1)
      world.lose()
      await world.run()
      expect(world.map).toMatchObject({ groups: groups.slice(1), wantedGroups: groups.slice(1), change: null })
    },
  )
})
