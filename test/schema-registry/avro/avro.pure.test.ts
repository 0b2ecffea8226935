import { describe, expect, it } from 'vitest'
import { parseExactly } from '../../../src/core/json.ts'
import { decodeAvro } from '../../../src/schema-registry/avro/avro-decode.ts'
import { encodeAvro } from '../../../src/schema-registry/avro/avro-encode.ts'
import { parseAvroSchema, type AvroType } from '../../../src/schema-registry/avro/avro-schema.ts'
import { createRandom } from '../../../scripts/random.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)
const LIMIT = 10_000

function typeOf(schema: unknown, referenced: readonly unknown[] = []): AvroType {
  const texts = referenced.map((other) => JSON.stringify(other))
  const parsed = parseAvroSchema(JSON.stringify(schema), texts)
  if (!parsed.ok) throw new Error(parsed.reason)
  return parsed.value
}

const record = (...fields: readonly unknown[]) => ({ type: 'record', name: 'R', fields })
const decimal = (type: object) => ({ ...type, logicalType: 'decimal', precision: 9, scale: 2 })
const fixed = (size: number, logicalType?: string) => ({ type: 'fixed', name: 'F', size, logicalType })

/** Schema, encoding, JSON: the specification's examples first. */
const PAIRS: readonly (readonly [schema: unknown, encoded: readonly number[], json: string])[] = [
  ['null', [], 'null'],
  ['boolean', [1], 'true'],
  ['int', [0x00], '0'],
  ['int', [0x01], '-1'],
  ['int', [0x02], '1'],
  ['int', [0x7f], '-64'],
  ['int', [0x80, 0x01], '64'],
  ['int', [0xff, 0xff, 0xff, 0xff, 0x0f], '-2147483648'],
  ['long', [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], '9223372036854775807'],
  ['long', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], '-9223372036854775808'],
  ['long', [0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20], '9007199254740993'],
  ['float', [0, 0, 0xc0, 0x3f], '1.5'],
  ['double', [0, 0, 0, 0, 0, 0, 0xf8, 0x7f], '"NaN"'],
  ['double', [0, 0, 0, 0, 0, 0, 0xf0, 0xff], '"-Infinity"'],
  ['string', [0x06, 0x66, 0x6f, 0x6f], '"foo"'],
  ['string', [0x06, 0xef, 0xbb, 0xbf], '"\ufeff"'],
  ['bytes', [0x04, 0xff, 0x00], '"/wA="'],
  [
    record({ name: 'a', type: 'long' }, { name: 'b', type: 'string' }),
    [0x36, 0x06, 0x66, 0x6f, 0x6f],
    '{"a":27,"b":"foo"}',
  ],
  [record(), [], '{}'],
  [{ type: 'enum', name: 'E', symbols: ['A', 'B', 'C', 'D'] }, [0x06], '"D"'],
  [{ type: 'array', items: 'long' }, [0x04, 0x06, 0x36, 0x00], '[3,27]'],
  [{ type: 'array', items: 'long' }, [0x00], '[]'],
  [{ type: 'map', values: 'int' }, [0x02, 0x02, 0x61, 0x02, 0x00], '{"a":1}'],
  [['null', 'string'], [0x02, 0x02, 0x61], '"a"'],
  [['null', 'string'], [0x00], 'null'],
  [fixed(2), [0xff, 0xfe], '"//4="'],
  [fixed(12, 'duration'), [1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 0, 0], '{"months":1,"days":2,"millis":259}'],
  [
    fixed(16, 'uuid'),
    [0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3, 0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0x00],
    '"123e4567-e89b-12d3-a456-426614174000"',
  ],
  [decimal({ type: 'bytes' }), [0x02, 0x05], '"0.05"'],
  [decimal({ type: 'bytes' }), [0x02, 0xfb], '"-0.05"'],
  [decimal({ type: 'bytes' }), [0x04, 0x30, 0x39], '"123.45"'],
  [decimal(fixed(4)), [0xff, 0xff, 0xcf, 0xc7], '"-123.45"'],
  [{ type: 'bytes', logicalType: 'decimal', precision: 4 }, [0x04, 0x00, 0x80], '"128"'],
  // What a frontend can calculate with stays the number that it is.
  [{ type: 'long', logicalType: 'timestamp-millis' }, [0x02], '1'],
  [{ type: 'int', logicalType: 'date' }, [0x02], '1'],
  [{ type: { type: 'string', logicalType: 'uuid' } }, [0x02, 0x61], '"a"'],
]

describe('Avro', () => {
  it.each(PAIRS)('%j: %j is %s', (schema, encoded, json) => {
    expect(decodeAvro(typeOf(schema), bytes(...encoded), LIMIT)).toEqual({ ok: true, value: json })
  })

  it.each(
    PAIRS.filter(([schema]) => JSON.stringify(schema) !== '{"type":"bytes","logicalType":"decimal","precision":4}'),
  )('%j: %j is written of %s', (schema, encoded, json) => {
    expect(encodeAvro(typeOf(schema), parseExactly(json))).toEqual({ ok: true, value: bytes(...encoded) })
  })

  it('takes blocks with their size, and several of them', () => {
    const array = bytes(0x01, 0x02, 0x06, 0x02, 0x36, 0x00)
    expect(decodeAvro(typeOf({ type: 'array', items: 'long' }), array, LIMIT)).toEqual({ ok: true, value: '[3,27]' })
  })

  it('knows types that hold themselves, by name and within a namespace', () => {
    const tree = {
      type: 'record',
      name: 'Node',
      namespace: 'org.tree',
      fields: [
        { name: 'value', type: 'int' },
        { name: 'next', type: ['null', 'Node', 'org.tree.Leaf'], default: null },
        { name: 'leaf', type: ['null', { type: 'enum', name: 'Leaf', symbols: ['OAK'] }], default: null },
      ],
    }
    expect(parseAvroSchema(JSON.stringify(tree))).toEqual({
      ok: false,
      reason: 'the type org.tree.Leaf is not defined',
    })
    const list = { ...tree, fields: [tree.fields[0], { name: 'next', type: ['null', 'Node'] }] }
    const encoded = bytes(0x02, 0x02, 0x04, 0x00)
    expect(decodeAvro(typeOf(list), encoded, LIMIT)).toEqual({
      ok: true,
      value: '{"value":1,"next":{"value":2,"next":null}}',
    })
  })

  it('knows the types of schemas that are referred to', () => {
    const money = { type: 'record', name: 'Money', namespace: 'com.shop', fields: [{ name: 'cents', type: 'int' }] }
    const order = { type: 'record', name: 'com.shop.Order', fields: [{ name: 'total', type: 'Money' }] }
    expect(decodeAvro(typeOf(order, [money]), bytes(0x04), LIMIT)).toEqual({ ok: true, value: '{"total":{"cents":2}}' })
  })

  it('takes the bare name of a primitive type as a schema', () => {
    expect(parseAvroSchema('string')).toEqual({ ok: true, value: { kind: 'string' } })
  })

  it.each([
    ['{', 'not JSON'],
    ['"unheard-of"', 'unheard-of is not defined'],
    ['{"type":"record","name":"R"}', 'no list of fields'],
    ['{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}', 'two fields a'],
    ['{"type":"enum","name":"E"}', 'symbols'],
    ['{"type":"fixed","name":"F","size":-1}', 'size'],
    ['{"type":"fixed","size":1}', 'name'],
    ['["null",["null"]]', 'union'],
    ['[{"type":"fixed","name":"F","size":1},{"type":"fixed","name":"F","size":2}]', 'defined twice'],
    ['{"type":7}', 'got 7'],
    [`${'{"type":"array","items":'.repeat(5_000)}"int"${'}'.repeat(5_000)}`, 'deeper'],
  ])('a schema that is none says why: %#', (text, reason) => {
    expect(parseAvroSchema(text)).toEqual({ ok: false, reason: expect.stringContaining(reason) as string })
  })
})

describe('data that is not by its schema', () => {
  const list = { type: 'record', name: 'L', fields: [{ name: 'next', type: ['null', 'L'] }] }
  it.each([
    ['int', [0x80], 'ends within'],
    ['int', [0x02, 0x02], '1 bytes follow'],
    ['long', Array.from({ length: 11 }, () => 0xff), '64 bits'],
    ['boolean', [2], '0 or 1'],
    ['double', [0, 0], 'ends within'],
    ['string', [0x03], 'negative'],
    ['string', [0x7e, 0x61], 'ends within'],
    ['string', [0x02, 0xff], 'not UTF-8'],
    ['string', [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 'length'],
    [['null', 'int'], [0x04], 'no branch 2'],
    [['null', 'int'], [0x01], 'no branch -1'],
    [{ type: 'enum', name: 'E', symbols: ['A'] }, [0x02], 'no symbol 1'],
    [{ type: 'bytes', logicalType: 'decimal', precision: 4 }, [0x80, 0x08, ...new Uint8Array(512)], 'decimal'],
    [list, Array.from({ length: 1_000 }, () => 2), 'deeper than 200'],
  ])('says why: %#', (schema, encoded, message) => {
    expect(decodeAvro(typeOf(schema), bytes(...encoded), LIMIT)).toEqual({
      ok: false,
      reason: { kind: 'malformed', message: expect.stringContaining(message) as string },
    })
  })

  it('is given up when it grows too large: seven bytes may say that a milliard nulls follow', () => {
    for (const items of ['null', record(), fixed(0)]) {
      const bomb = bytes(0x80, 0xa8, 0xd6, 0xb9, 0x07, 0x00)
      expect(decodeAvro(typeOf({ type: 'array', items }), bomb, LIMIT)).toEqual({
        ok: false,
        reason: { kind: 'too_large' },
      })
    }
  })

  it('never throws and never hangs, whatever the bytes are', () => {
    const schema = typeOf(
      record(
        { name: 'a', type: { type: 'map', values: ['null', 'long', { type: 'array', items: 'string' }] } },
        { name: 'b', type: ['R', decimal({ type: 'bytes' }), 'double'] },
      ),
    )
    const random = createRandom(7).next
    const outcomes = new Set<string>()
    for (let n = 0; n < 20_000; n += 1) {
      const noise = Uint8Array.from({ length: n % 40 }, () => Math.floor(random() * (n % 2 === 0 ? 8 : 256)))
      const decoded = decodeAvro(schema, noise, LIMIT)
      if (decoded.ok) JSON.parse(decoded.value)
      outcomes.add(decoded.ok ? 'read' : decoded.reason.kind)
    }
    expect(outcomes).toContain('read')
    expect(outcomes).toContain('malformed')
  })
})

describe('data that does not fit a schema', () => {
  const order = record(
    { name: 'n', type: 'int' },
    { name: 'note', type: ['null', 'string'], default: null },
    { name: 'pay', type: ['string', { type: 'array', items: 'long' }], default: 'cash' },
    { name: 'raw', type: 'bytes', default: '\u00ff' },
  )

  it('is told with its place', () => {
    const reasons = [
      [],
      {},
      { n: 1.5 },
      { n: '1' },
      { n: 2_147_483_648 },
      { n: 1, note: 7 },
      { n: 1, pay: [1, 'x'] },
      { n: 1, raw: '%' },
    ].map((value) => {
      const encoded = encodeAvro(typeOf(order), value)
      return encoded.ok ? 'fits' : encoded.reason
    })
    expect(reasons).toEqual([
      'the data must be an object',
      '/n must be present',
      '/n must be a whole number from -2147483648 to 2147483647',
      '/n must be a whole number from -2147483648 to 2147483647',
      '/n must be a whole number from -2147483648 to 2147483647',
      '/note must be a string',
      '/pay must be one of string, array',
      '/raw must be a base64 string',
    ])
  })

  it('gets the defaults of what it leaves out, and loses what the schema does not know', () => {
    expect(encodeAvro(typeOf(order), { n: 1, more: true })).toEqual({
      ok: true,
      value: bytes(0x02, 0x00, 0x00, 0x08, 0x63, 0x61, 0x73, 0x68, 0x02, 0xff),
    })
  })

  it('goes to the branch of a union that leaves out least of it, or that it names', () => {
    const animal = (name: string, ...fields: string[]) => ({
      type: 'record',
      name,
      fields: fields.map((field) => ({ name: field, type: 'string' })),
    })
    const union = typeOf(['null', animal('Cat', 'name'), animal('Dog', 'name', 'breed'), 'int'])
    expect(encodeAvro(union, { name: 'a', breed: 'b' })).toMatchObject({ value: bytes(4, 2, 0x61, 2, 0x62) })
    expect(encodeAvro(union, { name: 'a' })).toMatchObject({ value: bytes(2, 2, 0x61) })
    expect(encodeAvro(union, { Dog: { name: 'a', breed: 'b' } })).toMatchObject({ value: bytes(4, 2, 0x61, 2, 0x62) })
    expect(encodeAvro(union, { int: 3 })).toMatchObject({ value: bytes(6, 6) })
    expect(encodeAvro(union, true)).toEqual({ ok: false, reason: 'the data must be one of null, Cat, Dog, int' })
  })
})

describe('Avro by its specification', () => {
  it.each([
    ['no precision', { type: 'bytes', logicalType: 'decimal', scale: 2 }],
    ['a scale above its precision', { type: 'bytes', logicalType: 'decimal', precision: 2, scale: 3 }],
    ['a negative scale', { type: 'bytes', logicalType: 'decimal', precision: 2, scale: -1 }],
    ['a precision that is a text', { type: 'bytes', logicalType: 'decimal', precision: '4', scale: 2 }],
    ['an unknown logical type', { type: 'bytes', logicalType: 'money' }],
  ])('a logical type with %s is ignored: the bytes stay bytes', (_what, schema) => {
    expect(decodeAvro(typeOf(schema), bytes(2, 0x7d), LIMIT)).toEqual({ ok: true, value: '"fQ=="' })
  })

  it('a decimal of more digits than its fixed holds is ignored', () => {
    const schema = { type: 'fixed', name: 'F', size: 1, logicalType: 'decimal', precision: 3, scale: 0 }
    expect(decodeAvro(typeOf(schema), bytes(0x7d), LIMIT)).toEqual({ ok: true, value: '"fQ=="' })
    expect(decodeAvro(typeOf({ ...schema, precision: 2 }), bytes(0x7d), LIMIT)).toEqual({ ok: true, value: '"125"' })
  })

  it('an int has 32 bits', () => {
    expect(decodeAvro(typeOf('int'), bytes(0xfe, 0xff, 0xff, 0xff, 0x0f), LIMIT)).toMatchObject({ value: '2147483647' })
    expect(decodeAvro(typeOf('int'), bytes(0xff, 0xff, 0xff, 0xff, 0x0f), LIMIT)).toMatchObject({
      value: '-2147483648',
    })
    expect(decodeAvro(typeOf('int'), bytes(0x80, 0x80, 0x80, 0x80, 0x10), LIMIT)).toMatchObject({
      reason: { kind: 'malformed', message: 'an int must have 32 bits, got 2147483648' },
    })
  })

  it.each([
    [{ type: 'enum', name: '9lives', symbols: [] }, 'the enum "9lives" must have a name of letters'],
    [{ type: 'record', fields: [] }, 'the record must have a name of letters'],
    [['int', 'int'], 'must not contain int twice'],
    [{ type: 'record', name: 'a.R', fields: [{ name: 'x', type: 'Y' }] }, 'Y is not defined in the namespace a'],
  ])('a wrong name is explained: %j', (schema, problem) => {
    const parsed = parseAvroSchema(JSON.stringify(schema))
    expect(parsed.ok ? '' : parsed.reason).toContain(problem)
  })
})

describe('an Avro schema that Avro refuses', () => {
  const enumOf = (symbols: unknown, more: object = {}) => ({ type: 'enum', name: 'E', symbols, ...more })

  it.each([
    [enumOf(['A', 'A']), 'the enum E has a symbol twice'],
    [enumOf(['white space']), 'the enum E must have a list of symbols of letters, digits and "_"'],
    [enumOf(['A'], { default: 'B' }), 'the default of the enum E must be one of its symbols'],
    [enumOf(['A'], { name: 'int' }), 'the name int is that of a primitive type'],
  ])('%j is refused: %s', (schema, reason) => {
    expect(parseAvroSchema(JSON.stringify(schema))).toEqual({ ok: false, reason })
  })
})
