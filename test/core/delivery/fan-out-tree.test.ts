import { describe, expect, it } from 'vitest'
import { planDeliveries, type ShardSender } from '../../../src/core/delivery/fan-out-tree.ts'
import type { RoutedEvent } from '../../../src/core/events/stored-event.ts'
import { decodeBatch, type AppendBatch } from '../../../src/core/delivery/batch-codec.ts'
import { runWithLimit } from '../../../src/core/concurrency.ts'
import { emptyRoutedBatch, BroadcastStream, type RoutedBatch } from '../../../src/core/delivery/routed-batch.ts'
import { fromRelayBatch, type RelayBatch } from '../../../src/core/delivery/relay-batch.ts'
import { createRandom } from '../../../scripts/random.ts'

const source = { topic: 'rig', partition: 0, generation: 0 }
const decoder = new TextDecoder()

/** A text of its own, so that one shard's cannot be taken for another's. */
function makeEvent(offset: number, bytes = 20): Omit<RoutedEvent, 'recipients'> {
  return {
    offset,
    type: `t${offset % 3}`,
    utf8: new TextEncoder().encode(`${offset}`.padEnd(bytes, ' ü')),
    fields: { n: offset },
  }
}

type Expected = Map<number, { offset: number; text: string; recipients: readonly string[] | null }[]>

/** Addressed events and broadcasts as they fall, and by the plainest way what each shard has to get. */
function makeUp(random: () => number, shards: number, events: number) {
  const routes = emptyRoutedBatch()
  const expected: Expected = new Map()
  const due = (shard: number, { offset, utf8 }: Omit<RoutedEvent, 'recipients'>, recipients: string[] | null) => {
    const known = expected.get(shard) ?? []
    expected.set(shard, [...known, { offset, text: decoder.decode(utf8), recipients }])
  }
  const sets = [0.9, 0.5, 0.05].map(
    (share) => new Set(Array.from({ length: shards }, (_, shard) => shard).filter(() => random() < share)),
  )
  for (let offset = 0; offset < events; offset += 1) {
    const event = makeEvent(offset, 10 + Math.floor(random() * 50))
    const interested = sets[Math.floor(random() * 4)]
    if (interested !== undefined && interested.size > 0) {
      const stream = routes.broadcasts.get(interested) ?? new BroadcastStream()
      routes.broadcasts.set(interested, stream)
      stream.push({ ...event, recipients: null })
      for (const shard of interested) due(shard, event, null)
    } else {
      const users = new Map<number, string[]>()
      for (let user = 0; user < random() * 10; user += 1) {
        const shard = Math.floor(random() * shards)
        users.set(shard, [...(users.get(shard) ?? []), `user-${user}`])
      }
      for (const [shard, recipients] of users) {
        routes.addressed.set(shard, [...(routes.addressed.get(shard) ?? []), { ...event, recipients }])
        due(shard, event, recipients)
      }
    }
  }
  return { routes, expected }
}

/** Shards that relay as UserShard does, without a runtime; `fails` says which calls do. */
function makeShards(fails: (shard: number) => boolean = () => false) {
  const got: Expected = new Map()
  const callsPerInvocation: number[] = []
  const shipments: RelayBatch[] = []
  let underWay = 0
  const random = createRandom(7).next
  /** A while, not the same for each call: they end in another order than they began. */
  const ticks = async () => {
    for (let tick = random() * 20; tick > 0; tick -= 1) await Promise.resolve()
  }
  const store = (shard: number, { packs }: AppendBatch) => {
    if (fails(shard)) throw new Error(`shard ${shard} is out of reach`)
    const events = packs.flatMap((pack) => [...decodeBatch(pack)])
    const stored = events.map(({ offset, recipients, utf8 }) => ({ offset, text: decoder.decode(utf8), recipients }))
    got.set(shard, [...(got.get(shard) ?? []), ...stored])
  }
  const invocation = () => {
    const index = callsPerInvocation.push(0) - 1
    const call = async (work: () => void | Promise<void>) => {
      callsPerInvocation[index] = (callsPerInvocation[index] ?? 0) + 1
      underWay += 1
      await ticks()
      try {
        await work()
      } finally {
        underWay -= 1
      }
    }
    const carrier: ShardSender = {
      append: (shard, batch) => call(() => store(shard, structuredClone(batch))),
      relay: (shard, shipment) => call(() => relay(shard, structuredClone(shipment))),
    }
    return carrier
  }
  const relay = async (self: number, shipment: RelayBatch) => {
    shipments.push(shipment)
    const away = invocation()
    const append = async (shard: number, batch: AppendBatch) =>
      shard === self ? store(shard, batch) : away.append(shard, batch)
    await runWithLimit(
      planDeliveries({ ...away, append }, shipment, shipment.fanOut, fromRelayBatch(shipment), self),
      4,
    )
  }
  const deliver = (routes: RoutedBatch, fanOut: number, partition = 0) =>
    runWithLimit(planDeliveries(invocation(), { ...source, partition }, fanOut, routes), 4)
  return { got, callsPerInvocation, shipments, deliver, underWay: () => underWay }
}

function broadcastTo(shards: number, events: readonly Omit<RoutedEvent, 'recipients'>[]): RoutedBatch {
  const routes = emptyRoutedBatch()
  const stream = new BroadcastStream()
  for (const event of events) stream.push({ ...event, recipients: null })
  routes.broadcasts.set(new Set(Array.from({ length: shards }, (_, shard) => shard)), stream)
  return routes
}

describe('deliveries', () => {
  it.each(
    [1, 2, 3, 4, 5, 6, 7, 8].flatMap((seed) => [
      [seed, 3, 64],
      [seed, 40, 3],
      [seed, 200, 7],
      [seed, 90, 2],
    ]),
  )(
    'bring every shard exactly its events in order, and no invocation makes more calls than it may (seed %i, %i shards, %i calls)',
    async (seed, shards, fanOut) => {
      const { expected, routes } = makeUp(createRandom(seed).next, shards, 60)
      const world = makeShards()
      await world.deliver(routes, fanOut, seed)
      expect(new Map([...world.got].toSorted(([a], [b]) => a - b))).toEqual(
        new Map([...expected].toSorted(([a], [b]) => a - b)),
      )
      expect(Math.max(...world.callsPerInvocation)).toBeLessThanOrEqual(fanOut)
    },
  )

  it('need no relay as long as one invocation may call every shard', async () => {
    const world = makeShards()
    await world.deliver(broadcastTo(64, [makeEvent(0)]), 64)
    expect([world.callsPerInvocation, world.got.size]).toEqual([[64], 64])
  })

  it('need one level of relays for the square of that, and one call a shard all in all', async () => {
    const world = makeShards()
    await world.deliver(broadcastTo(4_096, [makeEvent(0)]), 64)
    expect(world.callsPerInvocation).toEqual([64, ...Array.from({ length: 64 }, () => 63)])
    expect(world.got.size).toBe(4_096)
  })

  it.each([3, 20, 38])(
    'fail if shard %i fails, when every other has answered and no call is under way',
    async (down) => {
      const world = makeShards((shard) => shard === down)
      let underWay: number | undefined
      const delivered = world.deliver(broadcastTo(40, [makeEvent(0)]), 3).catch((error: unknown) => {
        underWay = world.underWay()
        return String(error)
      })
      expect(await delivered).toBe(`Error: shard ${down} is out of reach`)
      expect([underWay, world.got.size]).toEqual([0, 39])
    },
  )

  it('pack a broadcast once, for all shards and all relays', () => {
    const batches: unknown[] = []
    const carrier: ShardSender = {
      append: async (_shard, { packs }) => void batches.push(packs[0]?.body),
      relay: async (_shard, { broadcasts }) => void batches.push(broadcasts[0]?.packs[0]?.body),
    }
    for (const shards of [3, 9]) {
      batches.length = 0
      for (const call of planDeliveries(carrier, source, 3, broadcastTo(shards, [makeEvent(0)]))) void call()
      expect([batches.length, new Set(batches).size]).toEqual([3, 1])
    }
  })

  it('carry an event once to each relay, however many shards its recipients are on', async () => {
    const routes = emptyRoutedBatch()
    for (let shard = 0; shard < 400; shard += 1)
      routes.addressed.set(shard, [{ ...makeEvent(0, 10_000), recipients: [`user of ${shard}`] }])
    const world = makeShards()
    await world.deliver(routes, 4)
    const bytes = world.shipments.map(({ addressed: { packs } }) =>
      packs.reduce((sum, { body }) => sum + body.length, 0),
    )
    expect(new Set(bytes)).toEqual(new Set([makeEvent(0, 10_000).utf8.length]))
    expect(world.got.get(399)).toMatchObject([{ recipients: ['user of 399'] }])
  })

  it('are relayed by another shard for another partition', () => {
    const relays = [0, 1, 2].map((partition) => {
      const called: number[] = []
      const carrier: ShardSender = { append: async () => undefined, relay: async (shard) => void called.push(shard) }
      for (const call of planDeliveries(carrier, { ...source, partition }, 2, broadcastTo(6, [makeEvent(0)])))
        void call()
      return called
    })
    expect(relays).toEqual([
      [0, 3],
      [1, 4],
      [2, 5],
    ])
  })
})
