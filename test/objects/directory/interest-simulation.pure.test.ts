// The real code of all three sides of interest over a simulated network: shards declare and withdraw, followers come,
// restart and fail, calls are late, lost, or arrive although their answer is lost, and the Directory restarts or loses its
// storage. What must hold at every moment: a shard that was told that its interest is confirmed is in what each follower
// routes by.
import { describe, expect, it } from 'vitest'
import { InterestDeclarer } from '../../../src/core/interest/declarer.ts'
import { InterestLedger, type InterestDeclaration, type InterestUpdate } from '../../../src/core/interest/ledger.ts'
import { InterestTable } from '../../../src/core/interest/table.ts'
import { initialMap } from '../../../src/core/shard-map/shard-map.ts'
import { FollowerNotifier } from '../../../src/objects/directory/follower-notifier.ts'
import { InterestRecovery } from '../../../src/objects/directory/interest-recovery.ts'
import type { FollowerResult } from '../../../src/rpc/follower.ts'
import { createRandom } from '../../../scripts/random.ts'

const SHARDS = 4
const FOLLOWERS = 5
const TYPES = ['a', 'b', 'c.d', 'c.e', 'f.*', '*']
const USERS = ['alice', 'bob', 'carol']
const STEPS = 60

/** Calls take some turns of the event loop, and now and then fail before they arrive or after. */
class Network {
  readonly #random: () => number
  faults = 0.1

  constructor(random: () => number) {
    this.#random = random
  }

  async call<T>(work: () => Promise<T> | T): Promise<T> {
    await this.turns()
    if (this.#random() < this.faults / 2) throw new Error('the call was lost')
    const result = await work()
    await this.turns()
    if (this.#random() < this.faults / 2) throw new Error('the answer was lost')
    return result
  }

  async turns(): Promise<void> {
    for (let turn = this.#random() * 12; turn > 0; turn -= 1) await Promise.resolve()
  }
}

/** A follower as TopicFollower is: it registers before it routes, and keeps its table over restarts. */
class Follower {
  table = new InterestTable(null)
  hasRegistered = false
  starting: Promise<void> | undefined
  restarts = 0

  restart(): void {
    const { at, bitmaps, orphans, watches } = this.table
    this.table = new InterestTable(at, structuredClone(bitmaps), watches, orphans)
  }

  /** Its storage is lost. */
  lose(): void {
    this.restarts += 1
    this.table = new InterestTable(null)
    this.hasRegistered = false
  }

  apply(update: InterestUpdate): { version: number | null; orphans: readonly number[] } {
    this.table.apply(structuredClone(update))
    const version = this.table.at?.epoch === update.epoch ? this.table.at.version : null
    return { version, orphans: this.table.orphans }
  }
}

/** Later epochs sort behind earlier ones, as those of the Directory do, which begin with the time. */
function epochOf(number: number): string {
  return `epoch ${String(number).padStart(3, '0')}`
}

class Directory {
  ledger: InterestLedger
  #stored = { bitmaps: new Map<number, unknown>(), watches: new Map<string, unknown>() }
  #followers = new Set<number>()
  #notifier: FollowerNotifier
  readonly #world: World
  #epochs = 0
  #isRecovered = false
  #recovery: InterestRecovery

  constructor(world: World) {
    this.#world = world
    this.ledger = new InterestLedger(epochOf(0), 0)
    this.#notifier = this.#createNotifier()
    this.#recovery = this.#createRecovery()
  }

  async declare(declaration: InterestDeclaration) {
    const { ledger } = this
    const { epoch } = ledger
    const notifier = this.#notifier
    if (!declaration.isComplete && declaration.epoch !== epoch) return { epoch, isAccepted: false }
    const { bitmap, version, watches } = ledger.declare(structuredClone(declaration))
    if (bitmap !== null) this.#stored.bitmaps.set(bitmap.shard, bitmap)
    for (const watch of watches) this.#stored.watches.set(`${watch.shard} ${watch.user}`, watch)
    await notifier.confirmed(version)
    // What was under way when the object restarted ends with it.
    if (notifier !== this.#notifier) throw new Error('restarted')
    return { epoch, isAccepted: true }
  }

  async register(follower: number): Promise<InterestUpdate> {
    const notifier = this.#notifier
    await this.#recovery.ensure()
    if (notifier !== this.#notifier) throw new Error('restarted')
    this.#followers.add(follower)
    this.#notifier.register({ topic: 't', partition: follower }, this.ledger.version)
    return this.ledger.since(0)
  }

  refresh(): Promise<void> {
    return this.#notifier.refresh()
  }

  restart(): void {
    const { epoch, version } = this.ledger
    this.ledger = new InterestLedger(
      epoch,
      version,
      [...this.#stored.bitmaps.values()] as never,
      [...this.#stored.watches.values()] as never,
    )
    this.#notifier = this.#createNotifier()
    this.#recovery = this.#createRecovery()
  }

  /** Loses its storage. As objects/directory does, it finds the followers before it confirms anything. */
  lose(): void {
    this.#epochs += 1
    this.#stored = { bitmaps: new Map(), watches: new Map() }
    this.ledger = new InterestLedger(epochOf(this.#epochs), 0)
    this.#followers = new Set(this.#world.followers.keys())
    this.#notifier = this.#createNotifier()
    this.#isRecovered = false
    this.#recovery = this.#createRecovery()
  }

  #createRecovery(): InterestRecovery {
    const { ledger } = this
    const { network } = this.#world
    const map = initialMap(SHARDS)
    return new InterestRecovery(this.#isRecovered, {
      epoch: () => ledger.epoch,
      map: () => map,
      adopt: () => expect.fail('all have the same map'),
      query: (shards) => {
        const query = async (shard: number) => {
          const { epoch: declaredTo } = await network.call(() => this.#world.shard(shard))
          return { shard, ok: true as const, value: { map, leaving: 0, declaredTo } }
        }
        return Promise.all(shards.map(query))
      },
      ask: (shard) => network.call(() => this.#world.shard(shard).declareOrFail(ledger.epoch)),
      done: () => {
        if (ledger === this.ledger) this.#isRecovered = true
      },
    })
  }

  #createNotifier(): FollowerNotifier {
    const { ledger } = this
    const { network } = this.#world
    const followers = [...this.#followers].map((partition) => ({ topic: 't', partition }))
    return new FollowerNotifier(followers, {
      version: () => ledger.version,
      wait: () => network.turns(),
      random: () => 0,
      send: (targets, after) => {
        const update = ledger.since(after)
        const tell = async ({ topic, partition }: { topic: string; partition: number }): Promise<FollowerResult> => {
          try {
            const value = await network.call(() => this.#world.follower(partition).apply(update))
            for (const orphan of value.orphans) void this.#world.shard(orphan).declareAnew(ledger.epoch)
            return { topic, partition, ok: true, value }
          } catch (error) {
            return { topic, partition, ok: false, error: String(error) }
          }
        }
        return Promise.all(targets.map(tell))
      },
    })
  }
}

/** A shard as UserShard is: what was confirmed is stored, and what is withdrawn is forgotten first. */
class Shard {
  readonly types = new Set<string>()
  readonly users = new Set<string>()
  readonly #adding: string[] = []
  readonly #addingUsers: string[] = []
  readonly #number: number
  readonly #world: World
  epoch: string | null = null
  #declarer: InterestDeclarer
  #sequence = 0
  #starts = 0

  constructor(number: number, world: World) {
    this.#number = number
    this.#world = world
    this.#declarer = this.#createDeclarer()
  }

  async add(types: readonly string[], wantedUsers: readonly string[]): Promise<void> {
    const start = this.#starts
    const users = wantedUsers.filter((user) => !this.users.has(user))
    const missing = types.filter((type) => !this.types.has(type))
    for (const type of missing) if (this.#declarer.isConfirmed(type)) this.types.add(type)
    this.#adding.push(...missing)
    this.#addingUsers.push(...users)
    try {
      await this.#declarer.add(missing, users)
      if (start !== this.#starts) return
      for (const type of missing) this.types.add(type)
      for (const user of users) this.users.add(user)
    } finally {
      if (start === this.#starts) {
        for (const type of missing) this.#adding.splice(this.#adding.indexOf(type), 1)
        for (const user of users) this.#addingUsers.splice(this.#addingUsers.indexOf(user), 1)
      }
    }
  }

  async withdraw(types: readonly string[], unwantedUsers: readonly string[]): Promise<void> {
    const users = unwantedUsers.filter((user) => this.users.has(user) && !this.#addingUsers.includes(user))
    for (const type of types) this.types.delete(type)
    for (const user of users) this.users.delete(user)
    await this.#declarer.withdraw(users, [...this.types, ...this.#adding])
  }

  declareAnew(epoch: string): Promise<void> {
    return this.declareOrFail(epoch).catch(() => undefined)
  }

  declareOrFail(epoch: string): Promise<void> {
    return this.#declarer.declareAnew(epoch)
  }

  restart(): void {
    this.#starts += 1
    this.#adding.length = 0
    this.#addingUsers.length = 0
    this.#declarer = this.#createDeclarer()
  }

  #createDeclarer(): InterestDeclarer {
    const { network } = this.#world
    const start = this.#starts
    return new InterestDeclarer(this.epoch, {
      declare: (declaration) => {
        if (start !== this.#starts) throw new Error('restarted')
        return network.call(() => this.#world.directory.declare({ ...declaration, shard: this.#number }))
      },
      confirmed: { types: () => [...this.types], users: () => [...this.users] },
      setEpoch: (epoch) => (this.epoch = epoch),
      nowMs: () => (this.#sequence += 1),
    })
  }
}

class World {
  readonly network: Network
  readonly followers = Array.from({ length: FOLLOWERS }, () => new Follower())
  readonly shards: Shard[]
  readonly directory: Directory

  constructor(random: () => number) {
    this.network = new Network(random)
    this.directory = new Directory(this)
    this.shards = Array.from({ length: SHARDS }, (_, number) => new Shard(number, this))
  }

  follower(number: number): Follower {
    return this.followers[number] ?? expect.fail(`no follower ${number}`)
  }

  shard(number: number): Shard {
    return this.shards[number] ?? expect.fail(`no shard ${number}`)
  }

  /** Does what a follower does before it routes an event. One run at a time. */
  start(follower: Follower, number: number): Promise<void> {
    return (follower.starting ??= this.#register(follower, number).finally(() => (follower.starting = undefined)))
  }

  async #register(follower: Follower, number: number): Promise<void> {
    while (!follower.hasRegistered) {
      const { restarts } = follower
      const update = await this.network.call(() => this.directory.register(number)).catch(() => undefined)
      if (update === undefined || restarts !== follower.restarts) continue
      follower.hasRegistered = follower.apply(update).version !== null
    }
  }

  /** Interest that a shard was told is confirmed, and that a follower that may route does not know. */
  *missing(): Generator<string> {
    for (const [number, { hasRegistered, table }] of this.followers.entries()) {
      if (!hasRegistered) continue
      for (const [shard, { types, users }] of this.shards.entries()) {
        for (const type of types)
          if (!table.shardsOf(type).has(shard)) yield `follower ${number}: shard ${shard} ${type}`
        for (const user of users)
          if (!table.watchersOf(user).has(shard)) yield `follower ${number}: shard ${shard} user ${user}`
      }
    }
  }
}

function step(world: World, random: () => number, work: Promise<unknown>[], mayLose: boolean): void {
  const shard = () => world.shard(Math.floor(random() * SHARDS))
  const some = (list: readonly string[]) => list.filter(() => random() < 0.3)
  const kind = random()
  const number = Math.floor(random() * FOLLOWERS)
  const background = (promise: Promise<unknown>) => work.push(promise.catch(() => undefined))
  if (kind < 0.45) background(shard().add(some(TYPES), some(USERS)))
  else if (kind < 0.65) background(shard().withdraw(some(TYPES), some(USERS)))
  else if (kind < 0.8) background(world.start(world.follower(number), number))
  else if (kind < 0.85) world.follower(number).restart()
  else if (kind < 0.87) world.follower(number).lose()
  else if (kind < 0.92) shard().restart()
  else if (kind < 0.96) world.directory.restart()
  else if (mayLose) world.directory.lose()
  else background(world.directory.refresh())
}

/** Returns what was missing, with the step; undefined if nothing ever was. */
async function simulate(seed: number, mayLose: boolean): Promise<string | undefined> {
  const random = createRandom(seed).next
  const world = new World(random)
  const work: Promise<unknown>[] = []
  for (let n = 0; n < STEPS; n += 1) {
    step(world, random, work, mayLose)
    for (let turns = random() * 40; turns > 0; turns -= 1) {
      await Promise.resolve()
      const [problem] = world.missing()
      if (problem !== undefined) return `seed ${seed}, step ${n}: ${problem}`
    }
  }
  world.network.faults = 0
  await Promise.all(work)
  await Promise.all(world.followers.map((follower, number) => world.start(follower, number)))
  await world.directory.refresh()
  await Promise.all(world.shards.map((shard) => shard.add([...shard.types], ['last'])))
  const [problem] = world.missing()
  return problem && `seed ${seed}, at the end: ${problem}`
}

describe('interest that was confirmed is known to every follower', () => {
  const SCHEDULES = 10

  it.each(Array.from({ length: 12 }, (_, n) => n * SCHEDULES))(
    'whatever fails or restarts: schedules from seed %i',
    async (seed) => {
      for (let n = seed; n < seed + SCHEDULES; n += 1) expect(await simulate(n, false)).toBeUndefined()
    },
  )

  it.each(Array.from({ length: 8 }, (_, n) => n * SCHEDULES))(
    'also if the Directory loses its storage, and followers theirs: schedules from seed %i',
    async (seed) => {
      for (let n = seed; n < seed + SCHEDULES; n += 1) expect(await simulate(n, true)).toBeUndefined()
    },
  )
})
