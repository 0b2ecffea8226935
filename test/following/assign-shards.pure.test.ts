import { describe, expect, it } from 'vitest'
import type { RoutedEvent } from '../../src/core/events/stored-event.ts'
import { emptyRoutedBatch, groupByPayload, type RoutedBatch } from '../../src/core/delivery/routed-batch.ts'
import { decodeBatch } from '../../src/core/delivery/batch-codec.ts'
import { ShardRouting } from '../../src/core/shard-map/routing.ts'
import { initialMap } from '../../src/core/shard-map/shard-map.ts'
import { shardOf } from '../../src/core/delivery/shard-hash.ts'
import { decodeRecord } from '../../src/decoding/decode-record.ts'
import { RecordKey } from '../../src/decoding/record-key.ts'
import { watchTopic } from '../../src/core/subscriptions/watch-topic.ts'
import { assignShards, type RouteRules } from '../../src/following/assign-shards.ts'

const SHARDS = 4
const users = Array.from({ length: 20 }, (_, n) => `user-${n}`)

function makeRules(interested: Readonly<Record<string, readonly number[]>> = {}): RouteRules {
  return {
    extractors: new Map([['news', [{ name: 'topic', event: ['data', 'topic'], claim: undefined, enforced: false }]]]),
    recipients: { all: ['data', 'to'], byType: new Map([['private', ['data', 'to']]]) },
    routing: new ShardRouting(initialMap(SHARDS)),
    interests: {
      shardsOf: (type) => new Set(interested[type]),
      watchersOf: (user) => new Set(interested[watchTopic(user)]),
    },
  }
}

function decode(text: string) {
  const value = new TextEncoder().encode(text)
  const record = { topic: 't', partition: 0, offset: 5, timestampMs: 0, key: null, headers: [], value }
  const decoded = decodeRecord(record, 1_000, null)
  if (!decoded.ok) throw new Error(decoded.reason.kind)
  return decoded.value
}

/** Shard → the events that it gets. */
function eventsByShard(routes: RoutedBatch): ReadonlyMap<number, readonly RoutedEvent[]> {
  return new Map(
    groupByPayload(routes).flatMap(({ shards, take }) =>
      shards.map((shard) => [shard, take().flatMap((pack) => [...decodeBatch(pack)])] as const),
    ),
  )
}

const recordAt = (offset: number) => ({
  topic: 'rig',
  partition: 0,
  offset,
  timestampMs: 0,
  key: new TextEncoder().encode('k1'),
  headers: [{ key: 'Tenant', value: new TextEncoder().encode('t1') }],
  value: null,
})

const keyAt = (offset: number) => new RecordKey(recordAt(offset), null)

function routed(data: unknown, type = 'news', rules = makeRules({ news: [1, 3] })) {
  const routes = emptyRoutedBatch()
  const event = decode(JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type, data }))
  const result = assignShards(routes, rules, event, recordAt(5), keyAt(5))
  return { routes: eventsByShard(routes), result }
}

describe('an event', () => {
  it('without recipients goes to every shard that is interested in its type, with its fields', () => {
    const { routes } = routed({ topic: 'sport' })
    expect([...routes.keys()]).toEqual([1, 3])
    expect(routes.get(3)).toMatchObject([{ offset: 5, type: 'news', recipients: null, fields: { topic: 'sport' } }])
  })

  it('that nobody is interested in goes nowhere', () => {
    expect(routed({}, 'other').routes.size).toBe(0)
  })

  it('with recipients goes to their shards only, each with its own users, interested or not', () => {
    const { routes } = routed({ to: users }, 'unknown to all')
    const told = [...routes].flatMap(([shard, events]) => events.flatMap(({ recipients }) => [[shard, recipients]]))
    const expected = Map.groupBy(users, (user) => shardOf(user, SHARDS))
    expect(new Map(told as [number, string[]][])).toEqual(expected)
  })

  it.each([
    ['one user', 'alice', ['alice']],
    ['a number', 7, ['7']],
    ['the same user twice', ['alice', 'alice'], ['alice']],
  ])('takes %s', (_what, to, recipients) => {
    expect([...routed({ to }).routes.values()]).toMatchObject([[{ recipients }]])
  })

  it('with an empty list of recipients goes nowhere, not to everybody', () => {
    const { routes, result } = routed({ to: [] })
    expect([routes.size, result.ok]).toEqual([0, true])
  })

  it.each([{ to: {} }, { to: [{}] }, { to: '' }, { to: [null] }, { to: true }, { to: ['alice', ''] }])(
    'with recipients that cannot be read is refused, and goes nowhere: %o',
    (data) => {
      const { routes, result } = routed(data)
      expect([routes.size, result.ok]).toEqual([0, false])
    },
  )

  it('of a type that must have recipients is refused without, for it would go to everybody', () => {
    const { routes, result } = routed({ two: 'alice' }, 'private', makeRules({ private: [0, 1] }))
    expect([routes.size, result.ok]).toEqual([0, false])
  })
})

it('events of one shard keep the order they were routed in', () => {
  const routes = emptyRoutedBatch()
  for (const offset of [1, 2, 5]) {
    const event = decode('{"specversion":"1.0","id":"1","source":"/s","type":"news"}')
    assignShards(routes, makeRules({ news: [0] }), event, recordAt(offset), keyAt(offset))
  }
  expect(
    eventsByShard(routes)
      .get(0)
      ?.map(({ offset }) => offset),
  ).toEqual([1, 2, 5])
})

it('fields may come from the key and the headers of the record', () => {
  const extractors = new Map([
    [
      'news',
      [
        {
          name: 'tenant',
          event: [],
          from: { kind: 'header', name: 'tenant' } as const,
          claim: undefined,
          enforced: false,
        },
        { name: 'id', event: [], from: { kind: 'key', pointer: null } as const, claim: undefined, enforced: false },
        {
          name: 'other',
          event: [],
          from: { kind: 'header', name: 'other' } as const,
          claim: undefined,
          enforced: false,
        },
      ],
    ],
  ])
  const { routes } = routed({}, 'news', { ...makeRules({ news: [1] }), extractors })
  expect(routes.get(1)).toMatchObject([{ fields: { tenant: 't1', id: 'k1' } }])
})

it('recipients of a rule go before those of RECIPIENTS', () => {
  const routes = emptyRoutedBatch()
  const event = decode('{"specversion":"1.0","id":"1","source":"/s","type":"news"}')
  assignShards(routes, makeRules({ news: [0, 1, 2] }), event, recordAt(5), keyAt(5), ['alice'])
  expect([...eventsByShard(routes).values()].flat()).toMatchObject([{ recipients: ['alice'] }])
})
