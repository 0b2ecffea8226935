import { describe, expect, it } from 'vitest'
import type { LogRecord, NewRecord } from '../../src/core/events/kafka-record.ts'
import { decodeBatch, type AppendBatch } from '../../src/core/delivery/batch-codec.ts'
import { shardOf } from '../../src/core/delivery/shard-hash.ts'
import type { BatchCounters, Checkpoint } from '../../src/following/checkpoint-store.ts'
import { consume, type BatchPlanner, type PartitionConsumer } from '../../src/following/consume-loop.ts'
import { DeadLetterLog } from '../../src/following/dead-letters.ts'
import { EventPlanner, type EventPlannerOptions } from '../../src/following/plan-events.ts'
import { ShardRouting } from '../../src/core/shard-map/routing.ts'
import { initialMap } from '../../src/core/shard-map/shard-map.ts'
import { eventually } from '../support/eventually.ts'

const SHARDS = 2
const both = new Set([0, 1])
const nobody = new Set<number>()
const BUDGET = { batches: 100, calls: 1_000, ms: 1_000 }
const ONE_BATCH = { ...BUDGET, batches: 1 }
const START: Checkpoint = { offset: 0, generation: 0, topicId: null }
const eventsOf = (batch: AppendBatch | undefined) => (batch?.packs ?? []).flatMap((pack) => [...decodeBatch(pack)])
const bytes = (text: string) => new TextEncoder().encode(text)
const decoder = new TextDecoder()
const alice = shardOf('alice', SHARDS)
const bob = ['bob', 'bert', 'bill', 'boris'].find((user) => shardOf(user, SHARDS) !== alice) ?? ''

function record(offset: number, value: string | object | null): LogRecord {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return {
    topic: 'rig',
    partition: 0,
    offset,
    timestampMs: 1,
    key: null,
    headers: [],
    value: value === null ? null : bytes(text),
  }
}

const event = (id: string, recipients?: unknown, type = 'news') => ({
  specversion: '1.0',
  id,
  source: '/t',
  type,
  ...(recipients === undefined ? {} : { data: { recipients } }),
})

/** A consumer over plain arrays, with shards that drop what they have seen, and a script of deaths. */
function makeWorld(records: readonly LogRecord[], perFetch = 10) {
  const calls: string[] = []
  const shards = new Map<number, { generation: number; next: number; ids: string[] }>()
  const deadLetters: NewRecord[] = []
  const counted: BatchCounters[] = []
  let stored: Checkpoint = START
  const deaths = new Set<string>()
  const log = { earliest: 0, records: [...records] }
  const dieIf = (call: string) => {
    calls.push(call)
    if (deaths.delete(call)) throw new Error(`died: ${call}`)
  }
  const append = async (shard: number, batch: AppendBatch) => {
    dieIf(`append ${shard}`)
    const state = shards.get(shard) ?? { generation: 0, next: 0, ids: [] }
    shards.set(shard, state)
    if (batch.generation > state.generation) Object.assign(state, { generation: batch.generation, next: 0 })
    const fresh = eventsOf(batch).filter(({ offset }) => offset >= state.next)
    state.ids.push(...fresh.map(({ utf8 }) => (JSON.parse(decoder.decode(utf8)) as { id: string }).id))
    state.next = (fresh.at(-1)?.offset ?? state.next - 1) + 1
    dieIf(`appended ${shard}`)
  }
  const relay = () => Promise.reject(new Error('there are too few shards for a relay'))
  const routing: EventPlannerOptions = {
    topic: 'rig',
    partition: 0,
    maxEventBytes: 1_024,
    deadLetterTopic: 'dead',
    schemas: null,
    fanOut: 64,
    budget: BUDGET,
    deliver: null,
    shards: { append, relay },
    log: {
      produce: async (letters) => {
        dieIf('dead letters')
        deadLetters.push(...letters)
        return []
      },
    },
    rule: null,
    rules: {
      extractors: new Map(),
      recipients: { all: ['data', 'recipients'], byType: new Map() },
      interests: { shardsOf: (type) => (type === 'news' ? both : nobody), watchersOf: () => nobody },
    },
    shardMap: { routing: new ShardRouting(initialMap(SHARDS)), planned: () => undefined },
  }
  /** The planner of events, with changed options. */
  const planWith = (changes: Partial<EventPlannerOptions>): BatchPlanner => {
    const events = new EventPlanner({ ...routing, ...changes })
    return {
      budget: events.budget,
      plan: async (fetched, generation) => {
        const call = `plan ${fetched.records[0]?.offset}`
        if (deaths.delete(call)) throw new Error(`died: ${call}`)
        return events.plan(fetched, generation)
      },
    }
  }
  const consumer: PartitionConsumer = {
    topic: 'rig',
    partition: 0,
    fetchLimits: { maxWaitMs: 0, maxBytes: 1 },
    planner: planWith({}),
    log: {
      fetch: async ({ offset }) => {
        dieIf(`fetch ${offset}`)
        const latest = (log.records.at(-1)?.offset ?? log.earliest - 1) + 1
        if (offset < log.earliest || offset > latest)
          return { kind: 'offset_out_of_range', earliest: log.earliest, latest }
        const found = log.records.filter((one) => one.offset >= offset).slice(0, perFetch)
        return { kind: 'records', records: found, next: (found.at(-1)?.offset ?? offset - 1) + 1 }
      },
    },
    checkpoints: {
      move: (next, of) => {
        dieIf(`checkpoint ${next.offset}`)
        stored = next
        counted.push(of)
      },
    },
    health: { succeeded: () => undefined },
    committer: null,
    deadLetterLog: new DeadLetterLog((message) => calls.push(`warn ${message}`)),
    nowMs: () => 0,
    warn: (message) => calls.push(`warn ${message}`),
  }
  const consumeWith = (changes: Partial<EventPlannerOptions>, from = START) =>
    consume({ ...consumer, planner: planWith(changes) }, from)
  /** As the follower does: from the stored checkpoint, again after each death. */
  const run = async (): Promise<number> => {
    for (let died = 0; ; died += 1) {
      const result = await consume(consumer, stored).catch(() => undefined)
      if (result?.kind === 'caught_up') return died
      if (died > 50) throw new Error('never caught up')
    }
  }
  const checkpoint = () => stored
  const shardCalls = { append, relay }
  return {
    consumer,
    shardCalls,
    routing,
    consumeWith,
    calls,
    shards,
    deadLetters,
    counted,
    deaths,
    log,
    run,
    checkpoint,
  }
}

describe('the consume loop', () => {
  it('checkpoints only after every shard has answered, batch by batch', async () => {
    const world = makeWorld([record(0, event('a')), record(1, event('b'))], 1)
    await world.run()
    expect(world.calls.filter((call) => call.startsWith('checkpoint'))).toEqual(['checkpoint 1', 'checkpoint 2'])
    const before = (first: string, second: string) => world.calls.indexOf(first) < world.calls.indexOf(second)
    expect([before('appended 0', 'checkpoint 1'), before('appended 1', 'checkpoint 1')]).toEqual([true, true])
    expect(world.checkpoint()).toEqual({ offset: 2, generation: 0, topicId: null })
  })

  it.each([
    ['during a fetch', 'fetch 0'],
    ['during the fetch ahead', 'fetch 2'],
    ['while schemas are fetched', 'plan 2'],
    ['before an append', 'append 0'],
    ['between two shards’ appends', 'append 1'],
    ['after an append whose answer was lost', 'appended 0'],
    ['between append and checkpoint', 'checkpoint 2'],
    ['in the dead-letter topic', 'dead letters'],
  ])('loses nothing and appends nothing twice when it dies %s', async (_when, death) => {
    const records = [record(0, event('a')), record(1, 'garbage'), record(2, event('c')), record(3, event('d'))]
    const world = makeWorld(records, 2)
    world.deaths.add(death)
    expect(await world.run()).toBe(1)
    expect([...world.shards.values()].map(({ ids }) => ids)).toEqual([
      ['a', 'c', 'd'],
      ['a', 'c', 'd'],
    ])
    expect(world.deadLetters.length).toBeGreaterThanOrEqual(1)
  })

  it('waits for all appends of a batch before it gives up on it: none can arrive after the batch is fetched again', async () => {
    const world = makeWorld([record(0, event('a'))])
    let finished = false
    const append = async (shard: number, batch: AppendBatch) => {
      if (shard === 0) throw new Error('down')
      await Promise.resolve()
      await world.shardCalls.append(shard, batch)
      finished = true
    }
    const shards = { ...world.shardCalls, append }
    await expect(world.consumeWith({ shards, budget: ONE_BATCH })).rejects.toThrow('down')
    expect(finished).toBe(true)
  })

  it('sends an addressed event to the shards of its users only, and names to each only its own', async () => {
    const world = makeWorld([
      record(0, event('both', ['alice', bob])),
      record(1, event('one', 'alice')),
      record(2, event('none', [])),
    ])
    const batches = new Map<number, AppendBatch>()
    const append = async (shard: number, batch: AppendBatch) => void batches.set(shard, batch)
    await world.consumeWith({ shards: { ...world.shardCalls, append }, budget: ONE_BATCH })
    expect(eventsOf(batches.get(alice)).map(({ offset, recipients }) => [offset, recipients])).toEqual([
      [0, ['alice']],
      [1, ['alice']],
    ])
    expect(eventsOf(batches.get(1 - alice)).map(({ offset, recipients }) => [offset, recipients])).toEqual([[0, [bob]]])
  })

  it('turns what is no event into dead letters with reason and origin, and goes on', async () => {
    const huge = event('h', undefined, 'x'.repeat(2_000))
    const odd = [
      record(0, 'garbage'),
      record(1, null),
      record(2, event('x', { a: 1 })),
      record(3, huge),
      record(4, event('good')),
    ]
    const world = makeWorld(odd)
    await world.run()
    const codeOf = ({ headers }: NewRecord) =>
      new TextDecoder().decode(headers?.find(({ key }) => key === 'rigel-reason-code')?.value)
    expect(world.deadLetters.map(codeOf)).toEqual(['not_a_cloud_event', 'tombstone', 'invalid_recipients', 'too_large'])
    expect(world.shards.get(0)?.ids).toEqual(['good'])
  })

  it('starts where the log starts when retention was faster, with a new generation, and says what was lost', async () => {
    const world = makeWorld([record(5, event('e'))])
    world.log.earliest = 5
    await world.run()
    expect(world.calls).toContain('warn retention overtook the checkpoint')
    expect(world.checkpoint()).toEqual({ offset: 6, generation: 1, topicId: null })
    expect(world.shards.get(0)?.ids).toEqual(['e'])
  })

  /** A log that answers once that the offset is out of range, as one that knows topics' ids does. */
  const outOfRangeOnce = (
    world: ReturnType<typeof makeWorld>,
    range: { earliest: number; latest: number },
    topicId: string,
  ) => {
    let isAnswered = false
    const fetch: PartitionConsumer['log']['fetch'] = async (at) => {
      if (isAnswered) return { kind: 'records', records: [], next: at.offset, topicId }
      isAnswered = true
      return { kind: 'offset_out_of_range', ...range, topicId }
    }
    return { ...world.consumer, log: { fetch } }
  }

  it('goes on at the new end of a topic that is the same and was cut off: nothing is sent again', async () => {
    const world = makeWorld([])
    const consumer = outOfRangeOnce(world, { earliest: 0, latest: 7 }, 'one')
    await consume(consumer, { offset: 9, generation: 2, topicId: 'one' })
    expect(world.checkpoint()).toEqual({ offset: 7, generation: 3, topicId: 'one' })
    expect(world.calls).toContain('warn the end of the log was cut off by the brokers')
  })

  it('reads another topic of the name from its start, even where the old offset exists, and calls nothing lost', async () => {
    const world = makeWorld([])
    const consumer = outOfRangeOnce(world, { earliest: 5, latest: 50 }, 'two')
    await consume(consumer, { offset: 3, generation: 0, topicId: 'one' })
    expect(world.checkpoint()).toEqual({ offset: 5, generation: 1, topicId: 'two' })
    expect(world.counted).toMatchObject([{ records: 0, deadLetters: { count: 0 }, lost: 0 }])
    expect(world.calls).toContain('warn the topic was created anew')
  })

  it('reads a topic that was made anew from its start: shards do not take its offsets for seen ones', async () => {
    const world = makeWorld([record(0, event('a')), record(1, event('b'))])
    await world.run()
    world.log.records = [record(0, event('a2'))]
    await world.run()
    expect(world.shards.get(0)?.ids).toEqual(['a', 'b', 'a2'])
    expect(world.checkpoint()).toEqual({ offset: 1, generation: 1, topicId: null })
  })

  it('ends when its time is over, however few batches it had: an alarm is killed after a quarter of an hour', async () => {
    const world = makeWorld(
      Array.from({ length: 10 }, (_, n) => record(n, event(`e${n}`))),
      1,
    )
    const nowMs = () => (world.counted.length >= 2 ? BUDGET.ms : 0)
    expect(await consume({ ...world.consumer, nowMs }, START)).toMatchObject({ kind: 'more', at: { offset: 3 } })
    expect(world.checkpoint()?.offset).toBe(3)
  })

  it('does a bounded amount of work, and says that there is more', async () => {
    const world = makeWorld(
      Array.from({ length: 10 }, (_, n) => record(n, event(`e${n}`))),
      1,
    )
    const result = await world.consumeWith({ budget: { ...BUDGET, batches: 4 } })
    expect(result).toMatchObject({ kind: 'more', at: { offset: 4, generation: 0, topicId: null } })
  })

  it('bounds its calls too: every batch is one fetch and one append a shard', async () => {
    const records = Array.from({ length: 10 }, (_, n) => record(n, event(`e${n}`)))
    const world = makeWorld(records, 1)
    const result = await world.consumeWith({ budget: { ...BUDGET, calls: 6 } })
    expect(result).toMatchObject({ kind: 'more', at: { offset: 2, generation: 0, topicId: null } })
    expect(world.calls.filter((call) => call.startsWith('fetch'))).toEqual(['fetch 0', 'fetch 1'])
  })

  it('fetches the next batch while it appends this one, and checkpoints in order all the same', async () => {
    const world = makeWorld([record(0, event('a')), record(1, event('b'))], 1)
    const ends: (() => void)[] = []
    const append = async (shard: number, batch: AppendBatch) => {
      await new Promise<void>((resolve) => ends.push(resolve))
      await world.shardCalls.append(shard, batch)
    }
    const running = world.consumeWith({ shards: { ...world.shardCalls, append } })
    await eventually(() => expect(ends).toHaveLength(2))
    expect(world.calls).toEqual(['fetch 0', 'fetch 1'])
    for (const end of ends.splice(0)) end()
    await eventually(() => expect(ends).toHaveLength(2))
    expect(world.checkpoint().offset).toBe(1)
    for (const end of ends.splice(0)) end()
    expect(await running).toMatchObject({ kind: 'caught_up', at: { offset: 2, generation: 0, topicId: null } })
  })

  it('routes a batch by the interest there is when its turn comes, not when it was fetched', async () => {
    const world = makeWorld([record(0, event('a')), record(1, event('b'))], 1)
    const wanted = new Set([0])
    const append = async (shard: number, batch: AppendBatch) => {
      wanted.add(1)
      await world.shardCalls.append(shard, batch)
    }
    const rules = { ...world.routing.rules, interests: { shardsOf: () => wanted, watchersOf: () => nobody } }
    await world.consumeWith({ rules, shards: { ...world.shardCalls, append } })
    expect([...world.shards].map(([shard, { ids }]) => [shard, ids])).toEqual([
      [0, ['a', 'b']],
      [1, ['b']],
    ])
  })

  it('skips holes that compaction left, and keeps the order of each shard', async () => {
    const world = makeWorld([record(0, event('a')), record(7, event('b')), record(9, event('c'))], 2)
    await world.run()
    expect(world.shards.get(1)?.ids).toEqual(['a', 'b', 'c'])
    expect(world.checkpoint().offset).toBe(10)
  })

  it('is not stopped by a record that makes us throw: it becomes a dead letter', async () => {
    const world = makeWorld([record(0, event('bad')), record(1, event('good'))])
    let asked = 0
    const shardsOf = () => {
      asked += 1
      if (asked === 1) throw new RangeError('a bug')
      return new Set([0])
    }
    await world.consumeWith({ rules: { ...world.routing.rules, interests: { shardsOf, watchersOf: () => nobody } } })
    const reason = world.deadLetters[0]?.headers?.find(({ key }) => key === 'rigel-reason')?.value
    expect(new TextDecoder().decode(reason)).toBe('could not be processed: RangeError: a bug')
    expect(world.shards.get(0)?.ids).toEqual(['good'])
  })

  it('appends what is too much for a call in stages: the next begins when every shard has the one before', async () => {
    const large = { ...event('x'), data: 'x'.repeat(1_000_000) }
    const world = makeWorld(Array.from({ length: 10 }, (_, offset) => record(offset, { ...large, id: String(offset) })))
    world.deaths.add('appended 1')
    await expect(world.consumeWith({ maxEventBytes: 1_048_576 })).rejects.toThrow('died')
    await world.consumeWith({ maxEventBytes: 1_048_576 })
    const ids = Array.from({ length: 10 }, (_, offset) => String(offset))
    expect([world.shards.get(0)?.ids, world.shards.get(1)?.ids]).toEqual([ids, ids])
    // Three stages; of the first try only the first, for a shard died in it.
    const appends = world.calls.filter((call) => call.startsWith('append'))
    const stage = ['append 0', 'appended 0', 'append 1', 'appended 1']
    expect(appends).toEqual([...stage, ...stage, ...stage, ...stage])
  })

  it('appends what the planner took of a batch, and fetches the rest again', async () => {
    const world = makeWorld(['a', 'b', 'c'].map((id, offset) => record(offset * 2, event(id))))
    const { planner } = world.consumer
    const planFirst: BatchPlanner['plan'] = ({ records }, generation) =>
      planner.plan({ records: records.slice(0, 1), next: (records[0]?.offset ?? 0) + 1 }, generation)
    await consume({ ...world.consumer, planner: { ...planner, plan: planFirst } }, START)
    expect(world.calls.filter((call) => call.startsWith('fetch'))).toEqual(['fetch 0', 'fetch 1', 'fetch 3', 'fetch 5'])
    expect([...world.shards.values()].map(({ ids }) => ids)).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ])
  })

  it('says that a partition is not there, and moves nothing', async () => {
    const world = makeWorld([])
    const fetch = async () => ({ kind: 'unknown_topic_or_partition' as const })
    const from = { offset: 3, generation: 2, topicId: null }
    expect(await consume({ ...world.consumer, log: { fetch } }, from)).toMatchObject({ kind: 'unknown', at: from })
    expect(world.calls).toEqual([])
  })

  it('counts what a batch was made of, and what retention took', async () => {
    const world = makeWorld([record(5, event('e')), record(6, 'garbage')])
    world.log.earliest = 5
    await consume(world.consumer, { offset: 2, generation: 0, topicId: null })
    expect(world.counted).toMatchObject([
      { records: 0, deadLetters: { count: 0, last: null }, lost: 3 },
      { records: 2, deadLetters: { count: 1, last: { code: 'not_a_cloud_event', offset: 6 } }, lost: 0 },
    ])
  })
})
