// What of a source topic's records is not for users: secrets of proxied requests, and responses to them.
import { describe, expect, it } from 'vitest'
import { decodeBatch, type AppendBatch } from '../../src/core/delivery/batch-codec.ts'
import type { CorrelatedResponse } from '../../src/core/events/correlated-response.ts'
import type { LogRecord, NewRecord, RecordHeader } from '../../src/core/events/kafka-record.ts'
import type { TopicRule } from '../../src/core/events/topic-rule.ts'
import type { TableRules } from '../../src/core/tables/table-rule.ts'
import { parseTopicRule } from '../../src/config/topics.ts'
import { EventPlanner, EVENTS_RUN, type EventPlannerOptions } from '../../src/following/plan-events.ts'
import { ShardRouting } from '../../src/core/shard-map/routing.ts'
import { initialMap } from '../../src/core/shard-map/shard-map.ts'

const CORRELATION = `7.${'a'.repeat(32)}`
const encode = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const header = (key: string, value: string): RecordHeader => ({ key, value: encode(value) })
const everybody = new Set([0])

interface Input {
  readonly headers?: readonly RecordHeader[]
  readonly key?: string
  readonly value: string | null
}

async function run(
  inputs: readonly Input[],
  hasResponses = true,
  rule: TopicRule | null = null,
  tables: TableRules | null = null,
  { shards = 1, ...more }: Partial<EventPlannerOptions['rules']> & { readonly shards?: number } = {},
) {
  const events: string[] = []
  const appended: number[][] = []
  const letters: NewRecord[] = []
  const responses: CorrelatedResponse[] = []
  const options: EventPlannerOptions = {
    topic: 'rig',
    partition: 0,
    maxEventBytes: 1_048_576,
    deadLetterTopic: 'dead',
    schemas: null,
    fanOut: 64,
    budget: EVENTS_RUN,
    deliver: hasResponses ? async (response) => void responses.push(response) : null,
    shards: {
      append: async (_shard: number, batch: AppendBatch) => {
        const got = batch.packs.flatMap((pack) => [...decodeBatch(pack)])
        events.push(...got.map(({ utf8 }) => decode(utf8)))
        appended.push([...new Set(got.map(({ offset }) => offset))])
      },
      relay: () => Promise.reject(new Error('there are too few shards for a relay')),
    },
    log: {
      produce: async (some) => {
        letters.push(...some)
        return []
      },
    },
    rule,
    rules: {
      extractors: new Map(),
      recipients: { all: undefined, byType: new Map() },
      interests: { shardsOf: () => everybody, watchersOf: () => new Set<number>() },
      tables,
      ...more,
    },
    shardMap: { routing: new ShardRouting(initialMap(shards)), planned: () => undefined },
  }
  const records = inputs.map(({ headers = [], key = null, value }, offset): LogRecord => {
    const bytes = { key: key === null ? null : encode(key), value: value === null ? null : encode(value) }
    return { topic: 'rig', partition: 0, offset, timestampMs: 1, headers, ...bytes }
  })
  const plan = await new EventPlanner(options).plan({ records, next: records.length }, 0)
  await Promise.all(plan.stages.flat().map((call) => call()))
  return { appended, events, letters, responses, plan }
}

const request = JSON.stringify({
  specversion: '1.0',
  id: '1',
  source: '/s',
  type: 'order',
  rig: {
    correlation: CORRELATION,
    headers: [
      ['authorization', 'Bearer secret'],
      ['x-token', 'secret'],
      ['accept', 'a'],
    ],
    query: 'jwt=secret&a=1',
    token_in: { header: 'x-token', query: 'jwt' },
  },
})
const response = (status = '200') => ({
  headers: [header('rig-correlation', CORRELATION), header('Rig-Response-Code', status)],
  value: 'done',
})

describe('the event of a proxied request', () => {
  it('enters a shard’s log without the caller’s token, whichever place it had, and without the correlation', async () => {
    const { events } = await run([{ value: request }])
    expect(events.map((event) => (JSON.parse(event) as { rig: unknown }).rig)).toEqual([
      { headers: [['accept', 'a']], query: 'a=1' },
    ])
  })
})

describe('a source topic that has responses too', () => {
  it('delivers those with both headers, and none of them as an event', async () => {
    const plain = { headers: [header('rig-correlation', CORRELATION)], value: request }
    const { events, letters, responses } = await run([response('201'), plain, { value: request }])
    const body = encode('done')
    expect(responses).toEqual([{ correlation: CORRELATION, answer: { status: 201, headers: [], body } }])
    expect([events.length, letters.length]).toEqual([2, 0])
  })

  it('makes a dead letter of a response that cannot be one', async () => {
    const { events, letters, responses } = await run([response('abc')])
    expect([events.length, letters.length, responses.length]).toEqual([0, 1, 0])
  })

  it('plans at most 500 responses at once, and reads on from there', async () => {
    const { plan, responses } = await run(Array.from({ length: 510 }, () => response()))
    expect([responses.length, plan.next, plan.records]).toEqual([500, 500, 500])
  })

  it('is a source topic like others where it is no response topic', async () => {
    const { letters, responses } = await run([response()], false)
    expect([letters.length, responses.length]).toEqual([1, 0])
  })
})

describe('what a rule drops', () => {
  it('is counted, and is neither an event nor a dead letter', async () => {
    const { rule = null } = parseTopicRule('rig', { type: 'order', filter: { '/state': 'paid' }, tombstones: 'drop' })
    const values = ['{"state": "paid"}', '{"state": "open"}', '{"state": "new"}', 'no JSON']
    const { events, letters, plan } = await run(
      values.map((value) => ({ value })),
      true,
      rule,
    )
    expect(events).toHaveLength(1)
    expect(letters).toHaveLength(1)
    expect(plan).toMatchObject({ records: 4, dropped: 2, deadLetters: { count: 1 } })
  })
})

describe('tombstones that remove rows and are events besides', () => {
  it('count for a stage by their keys, and what has one offset is in one stage: a shard drops the rest as stored', async () => {
    const { rule = null } = parseTopicRule('rig', { type: 'order', tombstones: { type: 'gone'.padEnd(500, 'e') } })
    const table = { type: 'order', topic: 'rig', key: 'record', maxRows: 9, maxBytes: 9 } as const
    const inputs = Array.from({ length: 7_000 }, (_, n) => ({ key: `${n}`.padEnd(500, 'k'), value: null }))
    const { appended, events, plan } = await run(inputs, true, rule, new Map([['order', table]]))
    expect(plan.stages.length).toBeGreaterThan(2)
    expect(events).toHaveLength(14_000)
    expect(appended.flat()).toEqual(inputs.map((_, offset) => offset))
  })
})

describe('an event that no shard could store', () => {
  const event = (data: unknown) => JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 'order', data })
  const small = event({ to: ['u'] })
  const recipients = { all: ['data', 'to'], byType: new Map() }
  const extractor = (name: string) => ({ name, event: ['data', 'text'], claim: undefined, enforced: false })
  const extractors = new Map([['order', [extractor('a'), extractor('b')]]])
  const users = Array.from({ length: 11_000 }, (_, n) => `${n}`.padEnd(90, 'u'))
  const reasonOf = (letter?: NewRecord) =>
    letter?.headers?.filter(({ key }) => key === 'rigel-reason-code').map(({ value }) => decode(value ?? encode('')))

  it.each([
    ['a recipient list as long as it is', event({ to: users }), { recipients }],
    ['two fields of one long value', event({ text: 'x'.repeat(700_000) }), { extractors }],
    ['a field of control characters', event({ text: '\u0001'.repeat(170_000) }), { extractors }],
  ])('because of %s is a dead letter, and those behind it come', async (_what, large, rules) => {
    const { appended, letters } = await run(
      [{ value: small }, { value: large }, { value: small }],
      true,
      null,
      null,
      rules,
    )
    expect(letters.map(reasonOf)).toEqual([['too_large_for_shard']])
    expect(appended).toEqual([[0, 2]])
  })

  const list = (length: number, item: (n: number) => string) =>
    `[${Array.from({ length }, (_, n) => item(n + 1)).join()}]`
  const long = (count: number) => event({ to: 0 }).replace('"to":0', `"to":${list(count, (n) => `${n}1e990`)}`)

  it('because all its recipients are too long with their digits written out is a dead letter, by a rule too', async () => {
    const given = await run([{ value: long(5_000) }], true, null, null, { recipients, shards: 32 })
    const { rule = null } = parseTopicRule('rig', { recipients: '/data/to' })
    const ruled = await run([{ value: long(5_000) }], true, rule, null, { shards: 32 })
    for (const { events, letters } of [given, ruled])
      expect([letters.map(reasonOf), events.length]).toEqual([[['too_large_for_shard']], 0])
  })

  it('because of the digits of its fields is a dead letter', async () => {
    const names = Array.from({ length: 20 }, (_, n) => extractor(`f${n}`))
    const value = event({ text: 0 }).replace('"text":0', `"text":${list(100, () => '1e999')}`)
    const { letters } = await run([{ value }], true, null, null, { extractors: new Map([['order', names]]) })
    expect(letters.map(reasonOf)).toEqual([['too_large_for_shard']])
  })

  it('is none of several that grow: a plan has the first of them, and the others come with the next', async () => {
    const inputs = Array.from({ length: 7 }, () => ({ value: long(4_000) }))
    const { letters, plan } = await run(inputs, true, null, null, { recipients, shards: 32 })
    expect([letters.length, plan.records, plan.next]).toEqual([0, 5, 5])
  })

  it('is none if its recipients are in several shards, each of which can store it with its own', async () => {
    const { appended, letters } = await run([{ value: event({ to: users }) }], true, null, null, {
      recipients,
      shards: 4,
    })
    expect([letters, appended]).toEqual([[], [[0], [0], [0], [0]]])
  })
})

it('a tombstone removes no rows by a key that no row can have', async () => {
  const table = { type: 'order', topic: 'rig', key: 'record', maxRows: 9, maxBytes: 9 } as const
  const tables = new Map(Array.from({ length: 3 }, (_, n) => [`order${n}`, table]))
  const tombstones = [1_024, 1_025, 700_000].map((length) => ({ key: 'k'.repeat(length), value: null }))
  const { appended, letters } = await run(tombstones, true, null, tables)
  expect([appended, letters.length]).toEqual([[[0]], 0])
})
