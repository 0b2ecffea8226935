// One scan for all shards that wait, which goes on after a crash, ends where events come by themselves, and survives failures.
import { describe, expect, it } from 'vitest'
import { decodeBatch } from '../../../src/core/delivery/batch-codec.ts'
import type { LogRecord } from '../../../src/core/events/kafka-record.ts'
import { initialMap } from '../../../src/core/shard-map/shard-map.ts'
import { ShardRouting } from '../../../src/core/shard-map/routing.ts'
import { EventPlanner, EVENTS_RUN } from '../../../src/following/plan-events.ts'
import { TableFiller } from '../../../src/following/tables/table-filler.ts'
import type { FillBatch } from '../../../src/rpc/shard.ts'
import { expectLogs } from '../../support/expect-logs.ts'
import { createTestStorage } from '../../support/sql-storage.ts'

expectLogs(/a table could not be filled yet.*the shard is gone/)

const encoder = new TextEncoder()
const tables = new Map(
  ['order', 'user'].map((type) => [
    type,
    { type, topic: 'rig', key: 'record' as const, maxRows: 1_000, maxBytes: 1_000_000 },
  ]),
)

function makeRecord(offset: number, type: string, value: string | null = 'x'): LogRecord {
  const event = { specversion: '1.0', id: String(offset), source: '/s', type, data: { value } }
  return {
    topic: 'rig',
    partition: 0,
    offset,
    timestampMs: 1,
    headers: [],
    key: encoder.encode(`k${offset % 5}`),
    value: value === null ? null : encoder.encode(JSON.stringify(event)),
  }
}

function open(records: readonly LogRecord[], storage = createTestStorage()) {
  const fetched: number[] = []
  const filled = new Map<string, number[]>()
  const { length } = records
  const state = { planned: length, done: length, end: length, fails: 0, perFetch: 10, follows: 0 }
  const fill = async (shard: number, { packs, upTo }: FillBatch) => {
    if (state.fails > 0) {
      state.fails -= 1
      throw new Error('the shard is gone')
    }
    for (const { offset, type } of packs.flatMap((pack) => [...decodeBatch(pack)])) {
      const end = new Map(upTo.map(([name, before]) => [name, before])).get(type)
      if (end === undefined || offset >= end) continue
      const key = `${shard} ${type}`
      filled.set(key, [...(filled.get(key) ?? []), offset])
    }
  }
  const filler = new TableFiller({
    at: { topic: 'rig', partition: 0 },
    sql: storage.sql,
    log: {
      fetch: async ({ offset }) => {
        fetched.push(offset)
        const some = records.filter((record) => record.offset >= offset).slice(0, state.perFetch)
        return { kind: 'records', records: some, next: (some.at(-1)?.offset ?? offset - 1) + 1 }
      },
    },
    createPlanner: (shardsOf, send) =>
      new EventPlanner({
        topic: 'rig',
        partition: 0,
        maxEventBytes: 10_000,
        deadLetterTopic: 'dead',
        schemas: null,
        fanOut: Infinity,
        budget: EVENTS_RUN,
        deliver: null,
        rule: null,
        log: { produce: async () => [] },
        rules: {
          extractors: new Map(),
          recipients: { all: undefined, byType: new Map() },
          interests: { shardsOf, watchersOf: () => new Set<number>() },
          tables,
        },
        shardMap: { routing: new ShardRouting(initialMap(4)), planned: () => undefined },
        shards: { append: send, relay: () => Promise.reject(new Error('relayed')) },
      }),
    progress: async () => ({ generation: 0, planned: state.planned, latest: null, done: state.done, shards: 4 }),
    end: async () => state.end,
    follow: () => (state.follows += 1),
    fill,
    nowMs: () => 0,
    sleep: async () => undefined,
  })
  return { fetched, filled, filler, state, storage }
}

const orders = Array.from({ length: 40 }, (_, n) => makeRecord(n, n % 2 === 0 ? 'order' : 'user'))
const of = (shard: number, type = 'order') => ({ shard, type, fillId: `fill-${shard}` })
const even = (until: number) => orders.map(({ offset }) => offset).filter((n) => n % 2 === 0 && n < until)

describe('a scan', () => {
  it('sends a shard the rows of its type up to where events come by themselves', async () => {
    const { filled, filler, state } = open(orders)
    Object.assign(state, { planned: 31, done: 31, end: 31 })
    expect(await filler.ask(of(1))).toEqual({ done: true })
    expect([...filled]).toEqual([['1 order', even(31)]])
  })

  it('is one for all shards and types that wait', async () => {
    const { fetched, filled, filler } = open(orders)
    const answers = await Promise.all([filler.ask(of(1)), filler.ask(of(2)), filler.ask(of(3, 'user'))])
    expect(answers).toEqual([{ done: true }, { done: true }, { done: true }])
    expect(filled.get('1 order')).toEqual(even(40))
    expect(filled.get('2 order')).toEqual(even(40))
    expect(filled.get('3 user')).toHaveLength(20)
    // The others came when the first fetch was under way, and it goes on with them from where they are.
    expect(fetched).toEqual([0, 0, 10, 20, 30])
  })

  it('goes on after a failure and after a restart where it was', async () => {
    const first = open(orders)
    first.state.fails = 1
    expect(await first.filler.ask(of(1))).toEqual({ done: false })
    first.state.perFetch = 15
    expect(first.fetched).toEqual([0])
    const broken = open(orders.slice(0, 20), first.storage)
    Object.assign(broken.state, { planned: 40, end: 40 })
    expect(await broken.filler.ask(of(1))).toEqual({ done: false })
    const again = open(orders, first.storage)
    expect(await again.filler.ask(of(1))).toEqual({ done: true })
    expect(again.fetched[0]).toBe(20)
    expect([...(broken.filled.get('1 order') ?? []), ...(again.filled.get('1 order') ?? [])]).toEqual(even(40))
  })

  it('begins from the start for another filling of the same shard', async () => {
    const { fetched, filler } = open(orders)
    await filler.ask(of(1))
    const another = { ...of(1), fillId: 'another' }
    await filler.ask(another)
    expect(fetched).toEqual([0, 10, 20, 30, 0, 10, 20, 30])
  })

  it('is not done while events from before are still on their way to shards', async () => {
    const { filler, state } = open(orders)
    state.done = 39
    expect(await filler.ask(of(1))).toEqual({ done: false })
    state.done = 40
    expect(await filler.ask(of(1))).toEqual({ done: true })
  })

  it('sends what an earlier life of the follower may have routed already, and has it follow on', async () => {
    const { filled, filler, state } = open(orders)
    Object.assign(state, { planned: 0, done: 0 })
    expect(await filler.ask(of(1))).toEqual({ done: false })
    expect(filled.get('1 order')).toEqual(even(40))
    expect(state.follows).toBe(1)
    Object.assign(state, { planned: 40, done: 40 })
    expect(await filler.ask(of(1))).toEqual({ done: true })
    state.end = 50
    expect(await filler.ask(of(2))).toEqual({ done: true })
  })

  it('ends at the end of a log that was cut off', async () => {
    const { filled, filler, state } = open(orders)
    Object.assign(state, { planned: 60, done: 60 })
    expect(await filler.ask(of(1))).toEqual({ done: true })
    expect(filled.get('1 order')).toEqual(even(40))
  })

  it('sends tombstones, and the key of the record in the event', async () => {
    const { filled, filler } = open([makeRecord(0, 'order'), makeRecord(1, 'order', null)])
    await filler.ask(of(1))
    expect(filled.get('1 order')).toEqual([0, 1])
  })
})
