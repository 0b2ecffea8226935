// Presets of TOPICS over records as the tools write them: Debezium's documented examples (JSON with and without schemas,
// flattened), values of Confluent's Avro serializer, messages of spring-kafka, and of Kafka Connect's JsonConverter.
import { describe, expect, it } from 'vitest'
import { parseTopicRule } from '../../src/config/topics.ts'
import type { LogRecord } from '../../src/core/events/kafka-record.ts'
import { decodeByRule } from '../../src/decoding/apply-rule.ts'
import { describeDecodeError } from '../../src/decoding/decode-error.ts'
import { decodeAvro } from '../../src/schema-registry/avro/avro-decode.ts'
import { parseAvroSchema } from '../../src/schema-registry/avro/avro-schema.ts'
import type { Schemas } from '../../src/schema-registry/schema-cache.ts'
import { writeFrame } from '../../src/schema-registry/wire-format.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

function apply(
  rule: unknown,
  value: Uint8Array | object | string | null,
  more: { key?: string; headers?: Record<string, string>; schemas?: Schemas } = {},
) {
  const parsed = parseTopicRule('t', rule)
  if (parsed.rule === undefined) throw new Error(parsed.problems.join('; '))
  const record: LogRecord = {
    topic: 't',
    partition: 1,
    offset: 7,
    timestampMs: 1_700_000_000_000,
    key: more.key === undefined ? null : bytes(more.key),
    headers: Object.entries(more.headers ?? {}).map(([key, text]) => ({ key, value: bytes(text) })),
    value:
      value === null || value instanceof Uint8Array
        ? value
        : bytes(typeof value === 'string' ? value : JSON.stringify(value)),
  }
  const decoded = decodeByRule(record, parsed.rule, 10_000, more.schemas ?? null)
  if (!decoded.ok) return { error: describeDecodeError(decoded.reason) }
  if (decoded.value === null) return 'dropped'
  return { ...decoded.value.event.parsed, recipients: decoded.value.recipients, json: decoded.value.event.json }
}

const SOURCE = {
  version: '3.0.0.Final',
  connector: 'postgresql',
  name: 'PostgreSQL_server',
  ts_ms: 1_559_033_904_863,
  snapshot: 'false',
  db: 'postgres',
  schema: 'public',
  table: 'customers',
  txId: 555,
  lsn: 24_023_128,
  xmin: null,
}
const CREATED = {
  before: null,
  after: { id: 9_007_199, first_name: 'Anne', email: 'annek@noanswer.org' },
  source: SOURCE,
  op: 'c',
  ts_ms: 1_559_033_904_999,
}
const DELETED = { ...CREATED, before: CREATED.after, after: null, op: 'd' }
const EXPECTED = {
  specversion: '1.0',
  id: 't/1/7',
  type: 'io.debezium.connector.postgresql.DataChangeEvent',
  source: '/debezium/postgresql/PostgreSQL_server',
  time: '2019-05-28T08:58:24.863Z',
  iodebeziumop: 'c',
  iodebeziumtable: 'customers',
  data: { before: null, after: CREATED.after },
}

describe('debezium', () => {
  it.each([
    ['without schemas', CREATED],
    [
      'with schemas',
      { schema: { type: 'struct', fields: [], name: 'PostgreSQL_server.public.customers.Envelope' }, payload: CREATED },
    ],
  ])('makes the event of Debezium’s own converter of a change event in JSON %s', (_how, value) => {
    expect(apply('debezium', value)).toMatchObject(EXPECTED)
  })

  it('takes recipients from the row, before it if it was deleted', () => {
    const rule = { preset: 'debezium', recipients: '/after/id | /before/id', type: 'customers.{/op}' }
    expect(apply(rule, CREATED)).toMatchObject({ type: 'customers.c', recipients: ['9007199'] })
    expect(apply(rule, DELETED)).toMatchObject({ type: 'customers.d', recipients: ['9007199'] })
  })

  it('makes an event of a flattened row (ExtractNewRecordState), by fields or headers', () => {
    const row = { id: 1, name: 'x', __op: 'u', __table: 'customers', __source_ts_ms: 1_559_033_904_863 }
    const event = { type: 'io.debezium.DataChangeEvent', source: '/debezium/t', iodebeziumop: 'u', data: row }
    expect(apply('debezium', row)).toMatchObject({ ...event, time: '2019-05-28T08:58:24.863Z' })
    expect(apply('debezium', { id: 1 }, { headers: { __op: 'u' } })).toMatchObject({ ...event, data: { id: 1 } })
  })

  it('drops the tombstone behind a delete', () => {
    expect(apply('debezium', null, { key: '{"id":1}' })).toBe('dropped')
    expect(apply('debezium', { schema: null, payload: null })).toBe('dropped')
  })

  it('reads a key in JSON, with and without its schema', () => {
    const rule = { preset: 'debezium', recipients: 'key:/id' }
    expect(apply(rule, CREATED, { key: '{"id":1004}' })).toMatchObject({ recipients: ['1004'] })
    expect(apply(rule, CREATED, { key: '{"schema":{"type":"struct"},"payload":{"id":1004}}' })).toMatchObject({
      recipients: ['1004'],
    })
  })
})

describe('confluent', () => {
  const schema = parseAvroSchema(
    '{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"user","type":"string"}]}',
  )
  if (!schema.ok) throw new Error(schema.reason)
  const codec = {
    toJson: (body: Uint8Array, limit: number) => decodeAvro(schema.value, body, limit),
    nameOf: () => 'shop.Order',
  }
  const schemas: Schemas = new Map([[7, { ok: true, value: codec }]])
  /** As KafkaAvroSerializer writes {"id": 2^53 + 1, "user": "a"}. */
  const value = writeFrame(7, Uint8Array.of(0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0x02, 0x61))

  it('names the type by the schema of the record, and keeps every digit', () => {
    const event = apply({ preset: 'confluent', recipients: '/user' }, value, { schemas })
    expect(event).toMatchObject({ type: 'shop.Order', recipients: ['a'] })
    expect((event as { json: string }).json).toContain('"data":{"id":9007199254740993,"user":"a"}')
  })

  it('names a record without a schema by its topic', () => {
    expect(apply('confluent', { a: 1 })).toMatchObject({ type: 't', data: { a: 1 } })
  })
})

describe('spring', () => {
  const headers = {
    __TypeId__: 'com.example.OrderCreated',
    contentType: '"application/json"',
    spring_json_header_types: '{"contentType":"java.lang.String","tenant":"java.lang.String"}',
    tenant: '"t1"',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  }

  it('names the type by __TypeId__, and reads header values that Spring wrote as JSON', () => {
    const rule = { preset: 'spring', recipients: 'header:tenant' }
    expect(apply(rule, { orderId: 1 }, { headers })).toMatchObject({
      type: 'com.example.OrderCreated',
      recipients: ['t1'],
      traceparent: headers.traceparent,
      data: { orderId: 1 },
    })
  })

  it('takes text and bytes as its contentType says', () => {
    expect(apply('spring', 'hello', { headers: { contentType: 'text/plain' } })).toMatchObject({
      type: 't',
      data: 'hello',
    })
    const image = Uint8Array.of(0, 255, 1)
    const event = apply('spring', image, { headers: { contentType: 'application/octet-stream' } })
    expect(event).toMatchObject({ data_base64: 'AP8B' })
  })
})

describe('connect', () => {
  const schema = {
    type: 'struct',
    fields: [{ type: 'int64', optional: false, field: 'id' }],
    optional: false,
    name: 'shop.Order',
  }

  it('takes the payload beside its schema, and the type of the schema’s name', () => {
    const value = `{"schema":${JSON.stringify(schema)},"payload":{"id":9007199254740993}}`
    const event = apply('connect', value)
    expect(event).toMatchObject({ type: 'shop.Order' })
    expect((event as { json: string }).json).toContain('"data":{"id":9007199254740993}')
  })

  it('takes a value without schema as it is', () => {
    expect(apply('connect', { id: 5 })).toMatchObject({ type: 't', data: { id: 5 } })
  })
})
