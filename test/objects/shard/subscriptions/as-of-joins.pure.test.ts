// Joining at offsets, against a model: partitions that are written, followed in batches and created anew, a shard that begins
// to want types late and whose log drops rows, and clients that come with the state of a service that is ahead or behind. A
// client that is told that it has joined ends with exactly the events of the model: each once, none of its state, none of others.
import { describe, expect, it } from 'vitest'
import { createRandom, type Random } from '../../../../scripts/random.ts'
import { parseAsOf } from '../../../../src/core/as-of/as-of.ts'
import { hasPassed, type OffsetJoin } from '../../../../src/core/as-of/joins.ts'
import type { LogRow } from '../../../../src/core/as-of/resolve-as-of.ts'
import type { StoredEvent } from '../../../../src/core/events/stored-event.ts'
import { createFilter, matchesFilter, withJoins } from '../../../../src/core/subscriptions/filter.ts'
import type { Connection } from '../../../../src/objects/shard/connections/connection.ts'
import { AsOfJoins } from '../../../../src/objects/shard/subscriptions/as-of-joins.ts'

const TYPES = ['a', 'b'] as const
const TOPIC = 'orders'
const ALICE = 'alice'

interface Written {
  readonly id: string
  readonly type: string
  readonly to: string | null
}

class Partition {
  readonly name: string
  readonly partition: number
  generation = 0
  records: Written[] = []
  /** Records before have been appended by every shard. */
  done = 0
  /** Records before have been routed, by the interest of that time. */
  planned = 0
  batch: readonly StoredEvent[] = []

  constructor(partition: number) {
    this.partition = partition
    this.name = `${TOPIC}/${partition}`
  }
}

class World {
  readonly random: Random
  readonly partitions: readonly Partition[]
  readonly wanted = new Map<string, number>()
  events: StoredEvent[] = []
  logRows: LogRow[] = []
  readonly stored: Record<string, [number, number]> = {}
  head = 0
  floor = 0
  written = 0
  joins = this.#newJoins()

  constructor(random: Random) {
    this.random = random
    this.partitions = Array.from({ length: 1 + random.below(3) }, (_, n) => new Partition(n))
  }

  *rows(): Generator<LogRow> {
    yield* this.logRows.toReversed()
  }

  /** The object has lost its memory. */
  restart(): void {
    this.joins = this.#newJoins()
  }

  #newJoins(): AsOfJoins {
    return new AsOfJoins({
      log: this,
      committedSeq: () => this.head,
      interestSince: (type) => this.wanted.get(type),
      partitions: async () => this.partitions.map(({ partition }) => ({ topic: TOPIC, partition })),
      isFollowed: (topic) => topic === TOPIC,
      progress: async ({ partition }) => {
        // The world goes on while the shard asks.
        if (this.random.chance(0.5)) this.step()
        const at = this.partitions[partition]
        if (at === undefined) return null
        const { generation, planned, records } = at
        return { generation, planned, latest: records.length, shards: 1 }
      },
      shards: () => 1,
      usersSince: () => 1,
      nowMs: () => 0,
    })
  }

  want(type: string): void {
    if (this.wanted.has(type)) return
    this.head += 1
    this.wanted.set(type, this.head)
  }

  step(): void {
    const { random } = this
    const at = random.pick(this.partitions)
    const what = random.below(100)
    if (what < 40) this.#write(at)
    else if (what < 65) this.#plan(at)
    else if (what < 90) this.#append(at)
    else if (what < 94) this.#trim()
    else if (what < 97) this.want(random.pick(TYPES))
    else if (what < 98 && random.chance(0.3)) this.#recreate(at)
  }

  settle(): void {
    for (const at of this.partitions) {
      while (at.done < at.records.length) {
        this.#plan(at)
        this.#append(at)
      }
    }
  }

  #write({ records }: Partition): void {
    this.written += 1
    const to = this.random.chance(0.2) ? this.random.pick([ALICE, 'bob']) : null
    records.push({ id: String(this.written), type: this.random.pick([...TYPES, 'c']), to })
  }

  #plan(at: Partition): void {
    if (at.planned > at.done || at.planned === at.records.length) return
    const end = Math.min(at.records.length, at.planned + 1 + this.random.below(4))
    const origin = { partition: at.name, generation: at.generation }
    at.batch = at.records.slice(at.planned, end).flatMap(({ id, to, type }, index): StoredEvent[] => {
      if (to === null && !this.wanted.has(type)) return []
      const recipients = to === null ? null : [to]
      return [
        { seq: 0, type, json: id, fields: {}, recipients, connectionId: null, origin, offset: at.planned + index },
      ]
    })
    at.planned = end
  }

  #append(at: Partition): void {
    if (at.planned === at.done) return
    for (const event of at.batch) {
      this.head += 1
      this.events.push({ ...event, seq: this.head })
    }
    const lastOffset = at.batch.at(-1)?.offset
    if (lastOffset !== undefined) {
      this.logRows.push({ position: this.head, partition: at.name, generation: at.generation, lastOffset })
      this.stored[at.name] = [at.generation, lastOffset + 1]
    }
    at.batch = []
    at.done = at.planned
  }

  #trim(): void {
    const dropped = this.logRows.splice(0, this.random.below(Math.min(4, this.logRows.length + 1)))
    this.floor = dropped.at(-1)?.position ?? this.floor
    this.events = this.events.filter(({ seq }) => seq > this.floor)
  }

  /** The topic is deleted and created again: what was not followed of it is gone. */
  #recreate(at: Partition): void {
    if (at.planned > at.done) return
    Object.assign(at, { generation: at.generation + 1, records: [], done: 0, planned: 0 })
  }
}

/** A client with the state of a service: it counts each event once, or it is wrong. */
class Client {
  readonly subscribed: readonly string[]
  readonly user: string | null
  readonly asOf: ReadonlyMap<string, number>
  /** Of the partitions, when the state was read. */
  readonly generations: readonly number[]
  readonly got: string[] = []
  seq = 0
  joins: readonly OffsetJoin[] = []

  constructor(world: World) {
    const { random } = world
    this.subscribed = TYPES.filter(() => random.chance(0.6))
    this.user = random.chance(0.5) ? ALICE : null
    this.generations = world.partitions.map(({ generation }) => generation)
    this.asOf = new Map(
      world.partitions.map(({ done, name, records }): [string, number] => {
        const newest = records.length - 1
        return [name, Math.max(-1, random.pick([newest, newest, done - 1, newest - random.below(6)]))]
      }),
    )
  }

  get asOfText(): string {
    return [...this.asOf].map(([name, offset]) => `${name}@${offset}`).join(',')
  }

  mayGet({ to, type }: Written): boolean {
    return to === null ? this.subscribed.includes(type) : to === this.user
  }

  read(world: World, untilSeq = world.head): void {
    const subscriptions = this.subscribed.map((eventType) => ({ eventType, oneOf: [] }))
    const filter = withJoins(createFilter('c', this.user, subscriptions), this.joins)
    for (const event of world.events) {
      if (event.seq <= this.seq || event.seq > untilSeq) continue
      if (matchesFilter(filter, event)) this.got.push(event.json)
    }
    this.seq = Math.max(this.seq, untilSeq)
    if (hasPassed(this.joins, world.stored) && this.seq === world.head) this.joins = []
  }
}

async function connect(world: World, client: Client, lastEventId: string | null) {
  for (const type of client.subscribed) world.want(type)
  return world.joins.placeOf(
    { lastEventId, asOf: client.asOfText, eventTypes: client.subscribed, hasUser: client.user !== null },
    true,
  )
}

/** Returns whether the client joined. Throws if it then gets other events than the model's. */
async function runSchedule(seed: number): Promise<'joined' | 'gap' | 'ended'> {
  const random = createRandom(seed)
  const world = new World(random)
  let client = new Client(world)
  for (let steps = random.below(160); steps > 0; steps -= 1) {
    world.step()
    // Others join before, so that the shard knows from where on it has their types.
    if (random.chance(0.05)) await connect(world, new Client(world), null)
    if (random.chance(0.05)) world.restart()
    // A page may take long to load, and its topic be created anew meanwhile.
    if (random.chance(0.2)) client = new Client(world)
  }
  const { generations } = client
  const isStale = () => world.partitions.some(({ generation }, n) => generation !== generations[n])
  const generationsBefore = world.partitions.map(({ generation }) => generation)
  const placed = await connect(world, client, null)
  if (!placed.ok) throw new Error('not placed')
  if (placed.value.isGap) return 'gap'
  if (isStale()) {
    // Created anew while the shard asked: as if the client had joined before.
    if (world.partitions.some(({ generation }, n) => generation !== generationsBefore[n])) return 'ended'
    // An offset of the topic before is told apart only while the new one is shorter.
    const isTold = world.partitions.some(({ name, records }) => (client.asOf.get(name) ?? 0) >= records.length)
    if (isTold) throw new Error(`seed ${seed}: joined at ${client.asOfText}, which does not exist`)
    return 'ended'
  }
  client.seq = placed.value.startSeq ?? Number.NaN
  client.joins = placed.value.joins
  for (let steps = random.below(60); steps > 0; steps -= 1) {
    world.step()
    // A reader that retention overtakes is told so, and begins anew.
    if (client.seq < world.floor) return 'ended'
    if (random.chance(0.3)) client.read(world, client.seq + random.below(Math.max(1, world.head - client.seq + 1)))
    if (random.chance(0.1) && client.joins.length > 0) {
      const again = await connect(world, client, `1.life-${client.seq}*`)
      if (!again.ok || again.value.isGap || client.seq < world.floor) return 'ended'
      client.joins = again.value.joins
    }
  }
  world.settle()
  client.read(world)
  if (isStale()) return 'ended'
  const expected = world.partitions.flatMap(({ name, records }) =>
    records.slice((client.asOf.get(name) ?? 0) + 1).flatMap((written) => (client.mayGet(written) ? [written.id] : [])),
  )
  const [got, wanted] = [client.got.toSorted(), expected.toSorted()]
  if (JSON.stringify(got) !== JSON.stringify(wanted))
    throw new Error(`seed ${seed}: as of ${client.asOfText}, got ${got.join(' ')}; expected ${wanted.join(' ')}`)
  return 'joined'
}

describe('joining at offsets', () => {
  it('gives exactly the events beyond the state, or says that some may be missing', async () => {
    const outcomes = { joined: 0, gap: 0, ended: 0 }
    for (let seed = 1; seed <= 4_000; seed += 1) outcomes[await runSchedule(seed)] += 1
    // A join that is always refused would pass too.
    expect(outcomes.joined).toBeGreaterThan(1_000)
    expect(outcomes.gap).toBeGreaterThan(200)
  })

  it('is withheld what its state has until a poll confirms the answer, which may be lost and read again', () => {
    const world = new World(createRandom(1))
    const join: OffsetJoin = { before: null, untilSeq: 0, offsets: { 'orders/0': [0, 4] }, ahead: ['orders/0'] }
    const progress = { writtenSeq: 12, acknowledgedSeq: 11, needsPoll: true }
    const polling = { state: { joins: [join] }, progress } as unknown as Connection
    const ended: Connection[] = []
    const endPassed = () =>
      world.joins.endPassed(
        { joining: () => new Set([polling]) },
        { update: (connection) => void ended.push(connection) },
      )
    Object.assign(world.stored, { 'orders/0': [0, 5] })
    world.head = 12
    endPassed()
    expect(ended).toEqual([])
    Object.assign(progress, { acknowledgedSeq: 12 })
    endPassed()
    expect(ended).toEqual([polling])
  })

  it('takes a list of places, and says what would be right', () => {
    expect(parseAsOf('orders/3@1042, nats:stock.>/0@-1')).toEqual({
      ok: true,
      value: new Map([
        ['orders/3', 1042],
        ['nats:stock.>/0', -1],
      ]),
    })
    for (const text of ['', 'orders', 'orders/3', 'orders/3@', 'orders/03@1', '/3@1', 'orders/3@1,orders/3@2'])
      expect(parseAsOf(text).ok).toBe(false)
    expect(parseAsOf(Array.from({ length: 101 }, (_, n) => `t/${n}@1`).join(',')).ok).toBe(false)
  })
})
