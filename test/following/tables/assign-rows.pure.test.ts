// What shards that have a table are sent besides the events of their users.
import { describe, expect, it } from 'vitest'
import { emptyRoutedBatch } from '../../../src/core/delivery/routed-batch.ts'
import { fromRelayBatch, toRelayBatch } from '../../../src/core/delivery/relay-batch.ts'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import type { LogRecord } from '../../../src/core/events/kafka-record.ts'
import { initialMap } from '../../../src/core/shard-map/shard-map.ts'
import { ShardRouting } from '../../../src/core/shard-map/routing.ts'
import { RecordKey } from '../../../src/decoding/record-key.ts'
import { assignShards } from '../../../src/following/assign-shards.ts'
import { addTombstone } from '../../../src/following/tables/assign-rows.ts'

const SHARDS = 4
const all = new Set([0, 1, 2, 3])
const rule = (type: string, key: 'subject' | 'record') => ({ type, topic: 'rig', key, maxRows: 1, maxBytes: 1 })
const rules = {
  extractors: new Map(),
  recipients: { byType: new Map(), all: ['data', 'to'] },
  routing: new ShardRouting(initialMap(SHARDS)),
  interests: { shardsOf: () => all, watchersOf: () => new Set<number>() },
  tables: new Map([
    ['a', rule('a', 'subject')],
    ['b', rule('b', 'record')],
  ]),
}
const record = (key: string | null): LogRecord => {
  const bytes = key === null ? null : new TextEncoder().encode(key)
  return { topic: 'rig', partition: 0, offset: 7, timestampMs: 0, headers: [], key: bytes, value: null }
}

function assign(event: Record<string, unknown>, key: string | null = 'the key') {
  const batch = emptyRoutedBatch()
  const type = String(event['type'])
  const decoded = { type, parsed: event, utf8: new TextEncoder().encode(JSON.stringify(event)) }
  const from = record(key)
  assignShards(batch, rules, decoded, from, new RecordKey(from, null))
  return batch
}

describe('an event of a table', () => {
  it('for one user goes there, and to the others without its content', () => {
    const { addressed } = assign({ type: 'a', subject: 'k', data: { to: 'alice' } })
    const home = shardOf('alice', SHARDS)
    expect([...addressed.keys()].toSorted((a, b) => a - b)).toEqual([...all])
    for (const [shard, [event]] of addressed) {
      const isHome = shard === home
      expect(event).toMatchObject({ row: ['k', 0], recipients: isHome ? ['alice'] : [] })
      expect((event?.utf8.length ?? 0) > 0).toBe(isHome)
    }
  })

  it('keeps both kinds apart in a relay', () => {
    const batch = assign({ type: 'a', subject: 'k', data: { to: 'alice' } })
    const relayed = fromRelayBatch(toRelayBatch({ topic: 'rig', partition: 0, generation: 0 }, 64, batch, [...all]))
    for (const [shard, events] of batch.addressed) expect(relayed.addressed.get(shard)).toEqual(events)
  })

  it('without data removes its row, and without a key has none', () => {
    const of = (event: Record<string, unknown>, key?: string | null) =>
      [...assign({ type: 'a', ...event }, key).broadcasts.values()][0]?.events[0]?.row
    expect(of({ subject: 'k' })).toEqual(['k', 1])
    expect(of({ data: 1 })).toBeUndefined()
    expect(of({ type: 'b', data: 1 }, null)).toBeUndefined()
    expect(of({ type: 'c', subject: 'k', data: 1 })).toBeUndefined()
    expect(of({ subject: 'k\ud800', data: 1 })).toBeUndefined()
  })

  it('has the key of its record', () => {
    const [stream] = assign({ type: 'b', data: 1 }).broadcasts.values()
    const text = new TextDecoder().decode(stream?.events[0]?.utf8)
    expect(JSON.parse(text)).toEqual({ partitionkey: 'the key', type: 'b', data: 1 })
  })
})

describe('a tombstone', () => {
  it('removes its key from each table of the topic, in every shard that has it, and is no event for anybody', () => {
    const batch = emptyRoutedBatch()
    addTombstone(batch, rules, record('k'), new RecordKey(record('k'), null))
    for (const shard of all)
      expect(batch.addressed.get(shard)).toMatchObject(
        ['a', 'b'].map((type) => ({ type, recipients: [], row: ['k', 1], offset: 7 })),
      )
    expect(batch.broadcasts.size).toBe(0)
    const relayed = fromRelayBatch(toRelayBatch({ topic: 'rig', partition: 0, generation: 0 }, 64, batch, [...all]))
    expect(relayed.addressed).toEqual(batch.addressed)
  })

  it('that a rule makes an event of is that event for its users, besides the removals', () => {
    const batch = emptyRoutedBatch()
    const tombstone = record('k')
    const key = new RecordKey(tombstone, null)
    addTombstone(batch, rules, tombstone, key)
    const event = { type: 'gone', parsed: { data: { to: 'alice' } }, utf8: new TextEncoder().encode('{}') }
    assignShards(batch, rules, event, tombstone, key)
    expect(batch.addressed.get(shardOf('alice', SHARDS))).toMatchObject([
      { type: 'a', recipients: [] },
      { type: 'b', recipients: [] },
      { type: 'gone', recipients: ['alice'], utf8: event.utf8 },
    ])
  })
})
