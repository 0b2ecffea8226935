// The state machine of a change of the number of shards, over a simulated gateway: followers, shards and Workers that learn
// of each map late and in any order, that die and repeat what they did, and clients that come and go with positions of
// either shard. Every client gets every event that is addressed to it, once, in the order of its partition.
import { describe, expect, it } from 'vitest'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import {
  advance,
  homeOf,
  initialMap,
  wantShards,
  writtenTo,
  type ChangeProgress,
  type ShardMap,
} from '../../../src/core/shard-map/shard-map.ts'
import {
  isCovered,
  isOfEarlierStay,
  vectorOf,
  type EventOrigin,
  type OffsetVector,
  type ShardCut,
  type ShardPosition,
} from '../../../src/core/shard-map/cross-shard-resume.ts'
import { dice } from '../../api-definitions/random.ts'

const RETENTION_MS = 50
const done: ChangeProgress = {
  followers: Infinity,
  shards: Infinity,
  isInterestAdopted: true,
  noneLeftSinceMs: 0,
  nowMs: 0,
  retentionMs: RETENTION_MS,
}

function want(map: ShardMap, shards: number): ShardMap {
  const wanted = wantShards(map, shards)
  if (!wanted.ok) throw new Error(wanted.reason)
  return wanted.value
}

describe('a change of the number of shards', () => {
  it('goes through its phases, each only when all have confirmed it', () => {
    const phaseOf = (map: ShardMap) => map.change?.phase ?? 'steady'
    let map = want(initialMap(4), 8)
    const seen = [phaseOf(map)]
    for (let n = 0; n < 3; n += 1) {
      map = advance(map, done)
      seen.push(phaseOf(map))
      expect(advance(map, { ...done, followers: map.version - 1 })).toBe(map)
      expect(advance(map, { ...done, shards: map.version - 1 })).toBe(map)
    }
    expect(advance(map, { ...done, nowMs: RETENTION_MS, noneLeftSinceMs: null })).toBe(map)
    expect(advance(map, { ...done, nowMs: RETENTION_MS - 1 })).toBe(map)
    map = advance(map, { ...done, nowMs: RETENTION_MS })
    expect([...seen, phaseOf(map), map.shards]).toEqual(['steady', 'adopting', 'writing_both', 'moving', 'steady', 8])
  })

  it('waits for the interest of the shards that lose users', () => {
    const map = advance(want(initialMap(4), 8), done)
    expect(advance(map, { ...done, isInterestAdopted: false })).toBe(map)
  })

  it('that is asked for during another comes after it, and the last one that was asked for counts', () => {
    let map = advance(want(initialMap(4), 8), done)
    map = want(want(map, 5), 3)
    for (let n = 0; n < 3; n += 1) map = advance(map, { ...done, nowMs: n * RETENTION_MS * 2 })
    expect([map.shards, map.change]).toEqual([8, null])
    expect(advance(map, done)).toMatchObject({ shards: 3, change: { from: 8, phase: 'adopting' } })
  })

  it.each([0, -1, 1.5, 8_193, NaN])('to %d shards is refused', (shards) => {
    expect(wantShards(initialMap(4), shards).ok).toBe(false)
  })

  it('moves nobody who need not move', () => {
    let map = advance(want(initialMap(4), 5), done)
    map = advance(map, done)
    const users = Array.from({ length: 1_000 }, (_, n) => `user-${n}`)
    const moved = users.filter((user) => writtenTo(map, user).length === 2)
    expect(moved.length).toBeGreaterThan(150)
    expect(moved.length).toBeLessThan(250)
  })
})

interface Entry extends EventOrigin {
  readonly user: string
}

class SimulatedShard {
  map: ShardMap
  readonly log: Entry[] = []
  readonly #next = new Map<string, number>()
  /** Version of the map at which followers began to write to both → where the log was then. */
  readonly cuts = new Map<number, ShardCut>()

  constructor(map: ShardMap) {
    this.map = map
  }

  /** Drops what was stored already, like a shard's log. The follower's map comes with the batch. */
  append(entry: Entry, map: ShardMap): void {
    this.learn(map)
    const { change, shards: to } = map
    const cutVersion = change?.cutVersion ?? null
    if (change !== null && cutVersion !== null && !this.cuts.has(cutVersion))
      this.cuts.set(cutVersion, { from: change.from, to, seq: this.log.length })
    if (entry.offset < (this.#next.get(entry.partition) ?? 0)) return
    this.#next.set(entry.partition, entry.offset + 1)
    this.log.push(entry)
  }

  learn(map: ShardMap): void {
    if (map.version > this.map.version) this.map = map
  }

  cutOf(cutVersion: number | null): number {
    return this.cuts.get(cutVersion ?? -1)?.seq ?? this.log.length
  }

  vectorAt(seq: number): OffsetVector {
    return vectorOf(this.log.slice(0, seq))
  }
}

class SimulatedFollower {
  map: ShardMap
  readonly #partition: string
  readonly #world: Gateway
  #offset = 0

  constructor(partition: string, world: Gateway) {
    this.#partition = partition
    this.#world = world
    this.map = world.map
  }

  /** One event. The calls to two shards are made in any order; the second may come much later, or both twice. */
  follow(user: string, random: () => number): void {
    const entry = { partition: this.#partition, generation: 0, offset: this.#offset, user }
    this.#offset += 1
    this.#world.sent.push(entry)
    const targets = writtenTo(this.map, user).toSorted(() => random() - 0.5)
    for (let times = random() < 0.2 ? 2 : 1; times > 0; times -= 1) {
      for (const shard of targets) {
        this.#world.shard(shard).append(entry, this.map)
        this.#world.readSome(random)
      }
    }
  }
}

interface Client {
  readonly user: string
  readonly got: Entry[]
  /** `skip`: what the client has from its old shard. */
  connection: { position: ShardPosition; readonly skip: OffsetVector } | null
  position: ShardPosition
  leftAtMs: number
  /** It came back after its events were past the retention. */
  isTooLate: boolean
}

class Gateway {
  map: ShardMap
  nowMs = 0
  readonly sent: Entry[] = []
  readonly followers: SimulatedFollower[]
  readonly workers: ShardMap[]
  readonly clients: Client[]
  readonly #shards = new Map<number, SimulatedShard>()
  /** When a connection last ended, or the phase began. Shards report it: who only looks now and then misses some. */
  #lastLeftMs = 0

  constructor(shards: number) {
    this.map = initialMap(shards)
    this.followers = ['t/0', 't/1', 'u/0'].map((partition) => new SimulatedFollower(partition, this))
    this.workers = Array.from({ length: 3 }, () => this.map)
    this.clients = Array.from({ length: 8 }, (_, n) => {
      const user = `user-${n}`
      const position = { shard: homeOf(this.map, user), seq: 0, crossing: null }
      return { user, got: [], connection: null, position, leftAtMs: 0, isTooLate: false }
    })
  }

  shard(number: number): SimulatedShard {
    const known = this.#shards.get(number) ?? new SimulatedShard(this.map)
    this.#shards.set(number, known)
    return known
  }

  /** The Directory looks at what has been confirmed. */
  advance(): void {
    const count = Math.max(this.map.shards, this.map.change?.from ?? 0)
    const shards = Array.from({ length: count }, (_, number) => this.shard(number))
    const isLeft = this.clients.some(
      ({ connection, user }) => connection !== null && connection.position.shard !== homeOf(this.map, user),
    )
    const { version } = this.map
    this.map = advance(this.map, {
      followers: Math.min(...this.followers.map(({ map }) => map.version)),
      shards: Math.min(...shards.map(({ map }) => map.version)),
      isInterestAdopted: true,
      noneLeftSinceMs: isLeft ? null : this.#lastLeftMs,
      nowMs: this.nowMs,
      retentionMs: RETENTION_MS,
    })
    if (this.map.version !== version) this.#lastLeftMs = this.nowMs
  }

  connect(client: Client, worker: number): void {
    if (client.connection !== null) return
    let map = this.workers[worker] ?? this.map
    for (;;) {
      const shard = this.shard(homeOf(map, client.user))
      // The connect carries the Worker's map; a shard with a newer one answers with it.
      shard.learn(map)
      const isHome = homeOf(shard.map, client.user) === homeOf(map, client.user)
      map = shard.map
      if (isHome) break
    }
    this.workers[worker] = map
    this.#open(client, homeOf(map, client.user), map)
  }

  #open(client: Client, number: number, map: ShardMap): void {
    const { change } = map
    const { position } = client
    const shard = this.shard(number)
    if (position.shard === number) {
      if (isOfEarlierStay(shard.cuts.values(), number, client.user, position.seq)) return this.#tellOfGap(client)
      client.connection = { position, skip: this.#skipOf(position) }
      return
    }
    const isExplained = change !== null && shardOf(client.user, change.from) === position.shard
    if (!isExplained && map.version < this.map.version) {
      // The position is of a shard that only a newer map explains: it is asked for.
      this.shard(number).learn(this.map)
      return this.#open(client, homeOf(this.map, client.user), this.map)
    }
    if (!isExplained || change === null) {
      // Its old shard is of a change that has ended.
      return this.#tellOfGap(client)
    }
    this.#readLog(client, position)
    const { seq } = client.position
    const crossed = { shard: number, seq: shard.cutOf(change.cutVersion), crossing: { shard: position.shard, seq } }
    client.position = crossed
    client.connection = { position: crossed, skip: this.#skipOf(crossed) }
  }

  /** Right only for a client that was away for longer than events are kept. */
  #tellOfGap(client: Client): void {
    client.isTooLate = true
    if (this.nowMs - client.leftAtMs < RETENTION_MS) throw new Error(`${client.user} was told of a gap`)
  }

  #skipOf({ crossing }: ShardPosition): OffsetVector {
    return crossing === null ? new Map() : this.shard(crossing.shard).vectorAt(crossing.seq)
  }

  /** Sends what the log of a position has after it, and moves the client's position with each event. */
  #readLog(client: Client, position: ShardPosition): void {
    const skip = this.#skipOf(position)
    const { log } = this.shard(position.shard)
    for (const entry of log.slice(position.seq)) {
      if (entry.user === client.user && !isCovered(entry, skip)) client.got.push(entry)
    }
    client.position = { ...position, seq: log.length }
  }

  /** Live connections read their logs. */
  readSome(random: () => number): void {
    for (const client of this.clients) if (random() < 0.3) this.read(client)
  }

  read(client: Client): void {
    const { connection } = client
    if (connection === null) return
    this.#readLog(client, connection.position)
    connection.position = client.position
  }

  disconnect(client: Client): void {
    if (client.connection !== null) {
      client.leftAtMs = this.nowMs
      this.#lastLeftMs = this.nowMs
    }
    client.connection = null
  }
}

function step(gateway: Gateway, random: () => number): void {
  const index = (length: number) => Math.floor(random() * length)
  const client = gateway.clients[index(gateway.clients.length)]
  const follower = gateway.followers[index(gateway.followers.length)]
  const kind = random()
  gateway.nowMs += 1
  if (client === undefined || follower === undefined) return
  if (kind < 0.4) follower.follow(client.user, random)
  else if (kind < 0.55) gateway.connect(client, index(gateway.workers.length))
  else if (kind < 0.65) gateway.disconnect(client)
  else if (kind < 0.75) follower.map = gateway.map
  else if (kind < 0.85) gateway.shard(index(9)).learn(gateway.map)
  else if (kind < 0.88) gateway.workers[index(gateway.workers.length)] = gateway.map
  else if (kind < 0.98) gateway.advance()
  else gateway.map = want(gateway.map, 1 + index(9))
  closeMoved(gateway, random)
}

/** Old shards close connections of moved users, now and then, once they know that these have moved. */
function closeMoved(gateway: Gateway, random: () => number): void {
  for (const client of gateway.clients) {
    const { connection, user } = client
    if (connection === null || random() > 0.1) continue
    const { shard } = connection.position
    if (homeOf(gateway.shard(shard).map, user) !== shard) gateway.disconnect(client)
  }
}

/** Returns what was wrong, or undefined. */
function simulate(seed: number, steps: number): string | undefined {
  const random = dice(seed)
  const gateway = new Gateway(1 + Math.floor(random() * 5))
  for (let n = 0; n < steps; n += 1) step(gateway, random)
  for (const client of gateway.clients) {
    gateway.connect(client, 0)
    gateway.read(client)
    if (client.isTooLate) continue
    for (const partition of ['t/0', 't/1', 'u/0']) {
      const offsets = (entries: readonly Entry[]) =>
        entries
          .filter((entry) => entry.partition === partition && entry.user === client.user)
          .map(({ offset }) => offset)
      const [sent, got] = [offsets(gateway.sent).join(), offsets(client.got).join()]
      if (sent !== got) return `seed ${seed}: ${client.user} of ${partition}: sent ${sent}, got ${got}`
    }
  }
  return undefined
}

describe('clients of moved users', () => {
  it.each(Array.from({ length: 10 }, (_, n) => n * 100))(
    'get every event once, in order, whatever is late, dies or comes twice: schedules from seed %i',
    (seed) => {
      for (let n = seed; n < seed + 100; n += 1) expect(simulate(n, 400)).toBeUndefined()
    },
  )
})
