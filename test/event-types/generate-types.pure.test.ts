import { describe, expect, it } from 'vitest'
import { eventVariables } from '../../src/config/events.ts'
import type { Extractors } from '../../src/core/events/extractors.ts'
import { fail, ok, type Result } from '../../src/core/result.ts'
import {
  parseEventSchema,
  schemasOfDefinitions,
  shapeOfFile,
  shapeOfRegistered,
} from '../../src/event-types/event-schemas.ts'
import { generateTypes } from '../../src/event-types/generate-types.ts'
import type { RegisteredSchema } from '../../src/schema-registry/registry-client.ts'

const file = (schema: unknown) => shapeOfFile(JSON.stringify(schema))
const registered = (type: RegisteredSchema['type'], text: string, references: RegisteredSchema['references'] = []) =>
  shapeOfRegistered({ id: 1, type, text, descriptor: null, references })

const extractors = (fields: unknown): Extractors => {
  return eventVariables.EXTRACTORS.parse(JSON.stringify(fields)) ?? new Map()
}
const at = (pointer: string) => ({ event: { json_pointer: pointer } })

/** The generated text for one event type, `order.shipped`. */
async function typesOf(schema: ReturnType<typeof shapeOfFile>, fields: unknown = {}): Promise<Result<string, unknown>> {
  const events = [{ type: 'order.shipped', from: { kind: 'file' as const, name: 'a.json' } }]
  return generateTypes({ extractors: extractors(fields), events, load: () => Promise.resolve(schema) })
}

/** The declarations before `Events`. */
async function declarationsOf(schema: ReturnType<typeof shapeOfFile>): Promise<string> {
  const generated = await typesOf(schema)
  if (!generated.ok) throw new Error(JSON.stringify(generated.reason))
  return generated.value.split('\n\n/** Event type → its data.')[0]?.split('again.\n\n')[1] ?? ''
}

describe('JSON Schema', () => {
  it.each([
    [{ type: 'string' }, 'string'],
    [{ type: ['integer', 'null'] }, 'number | null'],
    [{ type: 'number', nullable: true }, 'number | null'],
    [{ enum: ['a', "b's", 1, null] }, "'a' | 'b\\'s' | 1 | null"],
    [{ const: true }, 'true'],
    [true, 'unknown'],
    [{}, 'unknown'],
    [{ type: 'array', items: { enum: ['a', 'b'] } }, "readonly ('a' | 'b')[]"],
    [{ type: 'array', items: { type: 'array' } }, 'readonly (readonly unknown[])[]'],
    [{ prefixItems: [{ type: 'string' }, { type: 'number' }] }, 'readonly (string | number)[]'],
    [{ type: 'object' }, 'Readonly<Record<string, unknown>>'],
    [{ type: 'object', additionalProperties: { type: 'number' } }, 'Readonly<Record<string, number>>'],
    [{ properties: { 'a-b': {} }, required: ['a-b'] }, "{\n  readonly 'a-b': unknown\n}"],
    [
      { allOf: [{ properties: { a: {} } }, { oneOf: [{ type: 'string' }, { type: 'boolean' }] }] },
      '{\n  readonly a?: unknown\n} & (string | boolean)',
    ],
    [{ properties: { a: { description: 'one\n*/ two' } } }, '{\n  /** one *\\/ two */\n  readonly a?: unknown\n}'],
    [{ properties: { next: { $ref: '#' } } }, '{\n  readonly next?: OrderShipped\n}'],
  ])('%j is %s', async (schema, text) => {
    expect(await declarationsOf(file(schema))).toBe(`export type OrderShipped = ${text}`)
  })

  it('names what is referred to, also where it refers to itself', async () => {
    const Item = { properties: { parts: { type: 'array', items: { $ref: '#/$defs/Item' } } } }
    expect(await declarationsOf(file({ $ref: '#/$defs/Item', $defs: { Item } }))).toBe(
      'export type OrderShipped = OrderShippedItem\n\n' +
        'export type OrderShippedItem = {\n  readonly parts?: readonly OrderShippedItem[]\n}',
    )
  })

  it.each([
    [{ $ref: 'other.json#/Item' }, '"$ref": "other.json#/Item" leads out of the schema'],
    [{ $ref: '#/$defs/Item' }, '"$ref": "#/$defs/Item" leads nowhere'],
    [{ type: 'decimal' }, 'the type "decimal" does not exist'],
    [7, 'a schema must be an object or a boolean'],
  ])('%j is refused', (schema, message) => {
    expect(file(schema)).toMatchObject({ ok: false, reason: expect.stringContaining(message) })
  })

  it('of a whole event: its data', async () => {
    const names = ['specversion', 'id', 'source', 'type']
    const properties = { ...Object.fromEntries(names.map((name) => [name, {}])), data: { type: 'string' } }
    expect(await declarationsOf(file({ properties }))).toBe('export type OrderShipped = string')
  })
})

describe('Avro', () => {
  it('is typed as the decoder writes it', async () => {
    const fields = [
      { name: 'id', type: 'long' },
      { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 } },
      { name: 'state', type: { type: 'enum', name: 'State', symbols: ['NEW', 'OLD'] } },
      { name: 'weight', type: ['null', 'double'] },
      { name: 'labels', type: { type: 'map', values: 'string' } },
      { name: 'kept', type: { type: 'fixed', name: 'Kept', size: 12, logicalType: 'duration' } },
      { name: 'next', type: ['null', 'Order'] },
      { name: 'to', type: 'shop.Address' },
    ]
    const address = '{"type":"record","name":"shop.Address","fields":[{"name":"city","type":"string"}]}'
    const order = JSON.stringify({ type: 'record', name: 'Order', namespace: 'shop', fields })
    const references = [{ name: 'shop.Address', text: address, descriptor: null }]
    expect(await declarationsOf(registered('AVRO', order, references))).toMatchInlineSnapshot(`
      "export type OrderShipped = {
        readonly id: number
        readonly price: string
        readonly state: 'NEW' | 'OLD'
        readonly weight: null | number | 'NaN' | 'Infinity' | '-Infinity'
        readonly labels: Readonly<Record<string, string>>
        readonly kept: {
          readonly months: number
          readonly days: number
          readonly millis: number
        }
        readonly next: null | OrderShipped
        readonly to: OrderShippedAddress
      }

      export type OrderShippedAddress = {
        readonly city: string
      }"
    `)
  })
})

describe('Protobuf', () => {
  it('is typed as its JSON mapping, with the fields that are always there', async () => {
    const text = `
      syntax = "proto3"; package shop;
      import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
      message Order {
        int64 order_id = 1; int32 count = 2; optional bool gift = 3; repeated Line lines = 4;
        map<string, double> prices = 5; google.protobuf.Timestamp paid_at = 6; State state = 7;
        oneof to { string shop = 8; Order parent = 9; } google.protobuf.Int32Value rating = 10;
      }
      message Line { bytes sku = 1; Line bundle = 2; }
      enum State { NEW = 0; OLD = 1; }`
    expect(await declarationsOf(registered('PROTOBUF', text))).toMatchInlineSnapshot(`
      "export type OrderShipped = {
        readonly orderId: string
        readonly count: number
        readonly gift?: boolean
        readonly lines: readonly OrderShippedLine[]
        readonly prices: Readonly<Record<string, number | 'NaN' | 'Infinity' | '-Infinity'>>
        readonly paidAt?: string
        readonly state: 'NEW' | 'OLD'
        readonly shop?: string
        readonly parent?: OrderShipped
        readonly rating?: number
      }

      export type OrderShippedLine = {
        readonly sku: string
        readonly bundle?: OrderShippedLine
      }"
    `)
  })
})

describe('filters', () => {
  const item = { properties: { amount: { type: 'integer' } } }
  const schema = file({ properties: { tenant: { enum: ['a', 'b'] }, items: { type: 'array', items: item } } })

  it('have the types that the schema has at the pointer, through arrays, and those of the patterns', async () => {
    const fields = {
      'order.*': { tenant: at('/data/tenant'), region: at('/data/region') },
      'order.shipped': { amount: at('/data/items/amount'), from: at('/source'), trace: { event: { header: 'trace' } } },
      'order.paid': { any: at('/data/any') },
    }
    const generated = await typesOf(schema, fields)
    expect(generated.ok && generated.value.split('export interface ')).toEqual([
      expect.anything(),
      "Events {\n  'order.paid': unknown\n  'order.shipped': OrderShipped\n}\n\n" +
        '/** Event type, or pattern → the fields that a subscription may constrain. */\n',
      `Filters {
  'order.*': {
    readonly tenant?: string | number | boolean | 'a' | 'b'
    readonly region?: string | number | boolean
  }
  'order.paid': {
    readonly any?: string | number | boolean
    readonly tenant?: string | number | boolean
    readonly region?: string | number | boolean
  }
  'order.shipped': {
    readonly amount?: number
    readonly from?: string
    readonly trace?: string
    readonly tenant?: 'a' | 'b'
  }
}
`,
    ])
  })

  it('say which pointer leads nowhere since a field was renamed', async () => {
    const generated = await typesOf(schema, { 'order.shipped': { amount: at('/data/items/count'), all: at('/data') } })
    const where = 'where its schema has no string, number or boolean'
    expect(generated).toEqual(
      fail([
        `EXTRACTORS: "amount" of order.shipped is at /data/items/count, ${where}`,
        `EXTRACTORS: "all" of order.shipped is at /data, ${where}`,
      ]),
    )
  })
})

describe('names', () => {
  it('are unique, and legal', async () => {
    const events = ['order.shipped', 'order-shipped', '1.order', 'events'].map((type) => ({
      type,
      from: { kind: 'file' as const, name: 'a.json' },
    }))
    const load = () => Promise.resolve(file({ type: 'string' }))
    const generated = await generateTypes({ extractors: new Map(), events, load })
    expect(generated.ok && [...generated.value.matchAll(/export type (\w+)/g)].map(([, name]) => name)).toEqual([
      'Event1Order',
      'Events2',
      'OrderShipped',
      'OrderShipped2',
    ])
  })
})

describe('where a schema is', () => {
  it.each([
    ['order.shipped=orders-value', 'order.shipped', 'subject', 'orders-value'],
    ['order.shipped=schemas/order.json', 'order.shipped', 'file', 'schemas/order.json'],
    ['schemas/order.shipped.json', 'order.shipped', 'file', 'schemas/order.shipped.json'],
    ['order.shipped.schema.json', 'order.shipped', 'file', 'order.shipped.schema.json'],
  ])('%s', (text, type, kind, name) => {
    expect(parseEventSchema(text)).toEqual(ok({ type, from: { kind, name } }))
  })

  it('is refused if it says neither type nor file', () => {
    expect(parseEventSchema('orders-value')).toMatchObject({ ok: false })
  })

  it('is in the definitions of requests that become events, in both formats', () => {
    const short = {
      id: 'a',
      target: 'kafka:orders',
      schema: 'orders-value',
      routes: { 'POST /orders': { event_type: 'order.created' }, 'POST /notes': { event_type: 'note', schema: '' } },
    }
    const rig = { id: 'b', version_data: { default: { endpoints: [{ event_type: 'order.paid', schema: 'paid' }] } } }
    expect(schemasOfDefinitions({ apis: [short, rig] })).toEqual(
      ok([
        { type: 'order.created', from: { kind: 'subject', name: 'orders-value' } },
        { type: 'note', from: null },
        { type: 'order.paid', from: { kind: 'subject', name: 'paid' } },
      ]),
    )
    expect(schemasOfDefinitions({ apis: 'none' })).toMatchObject({ ok: false })
  })

  it('is told with what is wrong there', async () => {
    const events = [{ type: 'order.paid', from: { kind: 'subject' as const, name: 'paid' } }]
    const load = () => Promise.resolve(fail('the registry does not have it'))
    expect(await generateTypes({ extractors: new Map(), events, load })).toEqual(
      fail(['order.paid: subject paid: the registry does not have it']),
    )
  })
})
