// Keys that name a schema of the registry, as Debezium and Kafka Connect write them with AvroConverter, ProtobufConverter and
// JsonSchemaConverter: from a fetched batch to recipients, fields and dead letters.
import { describe, expect, it } from 'vitest'
import { parseTopicRule } from '../../src/config/topics.ts'
import type { LogRecord, NewRecord } from '../../src/core/events/kafka-record.ts'
import type { Extractors } from '../../src/core/events/extractors.ts'
import { decodeBatch, type AppendBatch } from '../../src/core/delivery/batch-codec.ts'
import { ShardRouting } from '../../src/core/shard-map/routing.ts'
import { initialMap } from '../../src/core/shard-map/shard-map.ts'
import { EventPlanner, EVENTS_RUN } from '../../src/following/plan-events.ts'
import { SchemaCache } from '../../src/schema-registry/schema-cache.ts'
import { writeFrame, type SchemaKey } from '../../src/schema-registry/wire-format.ts'

const encode = (text: string) => new TextEncoder().encode(text)
const GUID = '00010203-0405-0607-0809-0a0b0c0d0e0f'
const guidHeader = Uint8Array.of(1, ...Array(16).keys())

const DEBEZIUM_KEY = JSON.stringify({
  type: 'record',
  name: 'Key',
  namespace: 'dbserver1.inventory.customers',
  fields: [{ name: 'id', type: 'int' }],
  'connect.name': 'dbserver1.inventory.customers.Key',
})
const PROTOBUF_KEY = 'syntax = "proto3"; package dbserver1; message Key { int64 customer_id = 1; }'
/** Schema → type and text. */
const REGISTRY = new Map<SchemaKey, readonly ['AVRO' | 'PROTOBUF' | 'JSON', string]>([
  [1, ['AVRO', DEBEZIUM_KEY]],
  [2, ['PROTOBUF', PROTOBUF_KEY]],
  [3, ['JSON', '{}']],
  [4, ['AVRO', '"string"']],
  [5, ['AVRO', '{"type":"record"}']],
  [GUID, ['AVRO', DEBEZIUM_KEY]],
])
/** {"id": 1004} in Avro. */
const AVRO = Uint8Array.of(0xd8, 0x0f)
/** The message of index 0 with customer_id = 1004. */
const PROTOBUF = Uint8Array.of(0, 0x08, 0xec, 0x07)

interface Keyed {
  readonly key: Uint8Array | null
  readonly headers?: LogRecord['headers']
  readonly value?: unknown
}

async function follow(
  rule: unknown,
  keys: readonly Keyed[],
  { extractors = new Map(), hasRegistry = true }: { extractors?: Extractors; hasRegistry?: boolean } = {},
) {
  const asked: SchemaKey[] = []
  const byId = async (id: SchemaKey) => {
    asked.push(id)
    const [type, text] = REGISTRY.get(id) ?? []
    if (type === undefined || text === undefined) return { ok: false, reason: { kind: 'unknown_schema' } } as const
    return { ok: true, value: { id, type, text, descriptor: null, references: [] } } as const
  }
  const cache = new SchemaCache({ client: { byId }, nowMs: () => 0, sleep: async () => undefined })
  const parsed = rule === null ? null : parseTopicRule('customers', rule).rule
  if (parsed === undefined) throw new Error('the rule of the test is wrong')
  const got: { recipients: readonly string[] | null; fields: unknown }[] = []
  const letters: NewRecord[] = []
  const everybody = new Set([0])
  const planner = new EventPlanner({
    topic: 'customers',
    partition: 0,
    maxEventBytes: 100_000,
    deadLetterTopic: 'dead',
    schemas: hasRegistry ? cache : null,
    fanOut: 64,
    budget: EVENTS_RUN,
    deliver: null,
    shards: {
      append: async (_shard: number, { packs }: AppendBatch) => {
        for (const { fields, recipients } of packs.flatMap((pack) => [...decodeBatch(pack)])) {
          got.push({ recipients, fields })
        }
      },
      relay: () => Promise.reject(new Error('there are too few shards for a relay')),
    },
    log: { produce: async (some) => (letters.push(...some), []) },
    rule: parsed,
    rules: {
      extractors,
      recipients: { all: undefined, byType: new Map() },
      interests: { shardsOf: () => everybody, watchersOf: () => new Set<number>() },
    },
    shardMap: { routing: new ShardRouting(initialMap(1)), planned: () => undefined },
  })
  const records = keys.map(({ headers = [], key, value = { n: 1 } }, offset): LogRecord => {
    const bytes = value === null ? null : encode(JSON.stringify(value))
    return { topic: 'customers', partition: 0, offset, timestampMs: 1, key, headers, value: bytes }
  })
  const plan = await planner.plan({ records, next: records.length }, 0)
  await Promise.all(plan.stages.flat().map((call) => call()))
  const reasons = letters.map(({ headers = [] }) =>
    Object.fromEntries(headers.map(({ key, value }) => [key, new TextDecoder().decode(value)])),
  )
  return { asked, got, letters, reasons, dropped: plan.dropped }
}

const RULE = 'type customer, recipients key:/id'

describe('a key that names a schema', () => {
  it.each([
    ['of Avro, as Debezium writes it', RULE, { key: writeFrame(1, AVRO) }, '1004'],
    ['of Protobuf', 'type customer, recipients key:/customerId', { key: writeFrame(2, PROTOBUF) }, '1004'],
    ['of JSON Schema', RULE, { key: writeFrame(3, encode('{"id":9007199254740993}')) }, '9007199254740993'],
    [
      'of Avro by its GUID in the header',
      RULE,
      { key: AVRO, headers: [{ key: '__key_schema_id', value: guidHeader }] },
      '1004',
    ],
    [
      'of Protobuf by its id in the header, which has the path of the message too',
      'type customer, recipients key:/customerId',
      {
        key: PROTOBUF.subarray(1),
        headers: [{ key: '__key_schema_id', value: Uint8Array.of(0, 0, 0, 0, 2, 0) }],
      },
      '1004',
    ],
    ['of one string', 'type customer, recipients key:', { key: writeFrame(4, Uint8Array.of(4, 0x61, 0x62)) }, 'ab'],
    [
      'in a template with a pattern',
      { type: 'customer', recipients: { key: '/id', pattern: '1{id}' } },
      { key: writeFrame(1, AVRO) },
      '004',
    ],
  ])('%s names the recipient', async (_what, rule, keyed, recipient) => {
    const { got, letters } = await follow(rule, [keyed])
    expect([got.map(({ recipients }) => recipients), letters]).toEqual([[[recipient]], []])
  })

  it.each([
    ['a type', 'type customer.{key:/id}'],
    ['an extension', { type: 'customer', extensions: { customer: 'key:/id' } }],
    ['data', { type: 'customer', data: { customer: 'key:/id' } }],
    ['a filter', { type: 'customer', filter: { 'key:/id': 1004 } }],
    ['the type of a tombstone', { type: '/n', tombstones: { type: 'customer.{key:/id}' } }],
  ])('is decoded for %s', async (_what, rule) => {
    const isTombstone = JSON.stringify(rule).includes('tombstones')
    const keyed = { key: writeFrame(1, AVRO), value: isTombstone ? null : { n: 1 } }
    const { asked, got } = await follow(rule, [keyed])
    expect([asked, got.length]).toEqual([[1], 1])
  })

  it('gives a field to an extractor', async () => {
    const extractors: Extractors = new Map([
      [
        'customer',
        [{ name: 'id', event: [], from: { kind: 'key', pointer: ['id'] }, claim: undefined, enforced: false }],
      ],
    ])
    const unknown = { key: writeFrame(9, AVRO) }
    const { got, reasons } = await follow('type customer', [{ key: writeFrame(1, AVRO) }, unknown], { extractors })
    expect(got).toEqual([{ recipients: null, fields: { id: 1004 } }])
    expect(reasons).toMatchObject([{ 'rigel-reason-code': 'invalid_key' }])
  })

  it.each([
    ['is unknown', { key: writeFrame(9, AVRO) }, 'the schema registry has no schema 9'],
    ['does not fit', { key: writeFrame(1, new Uint8Array()) }, 'the data does not match its schema 1: '],
    [
      'has no message of its schema',
      { key: writeFrame(2, Uint8Array.of(2, 14, 8)) },
      'the data does not match its schema 2: ',
    ],
    ['ends within a field', { key: writeFrame(2, PROTOBUF.subarray(0, 3)) }, 'the data does not match its schema 2: '],
    ['cannot be used', { key: writeFrame(5, AVRO) }, 'schema 5 cannot be used: '],
    [
      'is named by a header that cannot be read',
      { key: AVRO, headers: [{ key: '__key_schema_id', value: Uint8Array.of(9) }] },
      'the header __key_schema_id cannot be read: its first byte must be 0 or 1, got 9',
    ],
    [
      'makes more JSON than the limit',
      { key: writeFrame(3, encode(JSON.stringify('x'.repeat(65_535)))) },
      'larger than 65536 bytes',
    ],
  ])('that %s makes a dead letter with the reason, and with the key’s own bytes', async (_what, keyed, reason) => {
    const { got, letters, reasons } = await follow(RULE, [keyed, { key: writeFrame(1, AVRO) }])
    expect(got.map(({ recipients }) => recipients)).toEqual([['1004']])
    expect(letters.map(({ key }) => key)).toEqual([keyed.key])
    expect(reasons[0]?.['rigel-reason-code']).toBe('invalid_key')
    expect(reasons[0]?.['rigel-reason']).toContain(`the key cannot be decoded: ${reason}`)
  })

  it('is a dead letter, and not dropped, if a filter cannot read it', async () => {
    const { dropped, letters } = await follow({ type: 'x', filter: { 'key:/id': 1 } }, [{ key: writeFrame(9, AVRO) }])
    expect([dropped, letters.length]).toEqual([0, 1])
  })

  it('is a dead letter that says so without a registry', async () => {
    const { reasons } = await follow(RULE, [{ key: writeFrame(1, AVRO) }], { hasRegistry: false })
    expect(reasons[0]?.['rigel-reason']).toContain('KAFKA_SCHEMA_REGISTRY_URL is not set')
  })

  it('is not decoded if a place before it has a value', async () => {
    const rule = 'type customer, recipients /user | key:/id'
    const { got, letters } = await follow(rule, [{ key: writeFrame(9, AVRO), value: { user: 'a' } }])
    expect([got.map(({ recipients }) => recipients), letters]).toEqual([[['a']], []])
  })

  it.each([
    ['there is no rule', null],
    ['no rule reads the key', 'type customer'],
    ['a rule reads the key as text', 'type customer, recipients key | =a'],
  ])('costs no request if %s', async (_what, rule) => {
    const { asked } = await follow(rule, [{ key: writeFrame(1, AVRO) }])
    expect(asked).toEqual([])
  })

  it('is no text, even if its bytes are', async () => {
    const headers = [{ key: '__key_schema_id', value: guidHeader }]
    const { got, reasons } = await follow('type customer, recipients key', [{ key: encode('\u0002a'), headers }])
    expect([got, reasons[0]?.['rigel-reason-code']]).toEqual([[], 'invalid_recipients'])
  })

  it('and its value’s are asked for once each, and at most 16 new ones in a batch', async () => {
    const keys = Array.from({ length: 20 }, (_, n) => ({ key: writeFrame(100 + n, AVRO) }))
    const { asked, letters } = await follow(RULE, keys)
    // Each unknown schema is asked for twice, because one node of a registry may learn of it late.
    expect([new Set(asked).size, letters.length]).toEqual([16, 16])
  })
})

describe('other keys', () => {
  it.each([
    ['JSON', RULE, encode('{"id":7}'), '7'],
    ['JSON of Kafka Connect', RULE, encode('{"schema":{"type":"struct"},"payload":{"id":7}}'), '7'],
    ['text', 'type customer, recipients key user.{id}', encode('user.7'), '7'],
    ['text, where a pointer finds nothing', 'type customer, recipients key:/id | key', encode('a'), 'a'],
    // 42 of LongSerializer looks like schema 0, which no registry has.
    [
      'a small Long, where a pointer finds nothing',
      'type customer, recipients key:/id | =a',
      new Uint8Array(8).fill(42, 7),
      'a',
    ],
  ])('of %s stay as they are', async (_what, rule, key, recipient) => {
    const { asked, got } = await follow(rule, [{ key }])
    expect([asked, got.map(({ recipients }) => recipients)]).toEqual([[], [[recipient]]])
  })
})
