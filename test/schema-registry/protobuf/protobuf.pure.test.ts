// Against protobufjs, which generates code and so cannot run in a Worker: it reads the same .proto files, and writes the
// messages.
import protobuf from 'protobufjs'
import { FileDescriptorProto } from 'protobufjs/ext/descriptor.js'
import { describe, expect, it } from 'vitest'
import { toBase64 } from '../../../src/core/bytes.ts'
import { toProtobufTypes } from '../../../src/schema-registry/protobuf/proto-descriptor.ts'
import { createProtobufCodec } from '../../../src/schema-registry/protobuf/protobuf-codec.ts'
import type { RegisteredSchema } from '../../../src/schema-registry/registry-client.ts'
import { createRandom } from '../../../scripts/random.ts'

const LIMIT = 100_000
const random = createRandom(11).next
const below = (limit: number) => Math.floor(random() * limit)

const SCALARS =
  'double float int32 int64 uint32 uint64 sint32 sint64 fixed32 fixed64 sfixed32 sfixed64 bool string bytes'.split(' ')

const SIMPLE = `syntax = "proto3"; package a.b; message Outer { Inner inner = 1; map<string, E> kinds = 2;
  message Inner { int64 big_one = 1; } enum E { ZERO = 0; ONE = 1; } }`

const SHOP = `
  // What a shop sells.
  syntax = "proto3";
  package shop.v1;
  import "google/protobuf/timestamp.proto";
  import "google/protobuf/struct.proto";
  option java_package = "com.example; not a statement";
  option (custom).thing = { a: [1, 2], b: "}" };

  message Order {
    option deprecated = false;
    reserved 40, 50 to 60; reserved "old";
    string order_id = 1;
    int64 cents = 2 [deprecated = true, json_name = "total"];
    repeated sint32 deltas = 3 [packed = true];
    repeated sint32 loose = 4 [packed = false];
    map<string, Item> items = 5;
    map<int32, string> names = 6;
    State state = 7;
    oneof payment { string card = 8; Item.Voucher voucher = 9; }
    optional uint32 rank = 10;
    bytes blob = 11;
    double ratio = 12;
    float small = 13;
    bool done = 14;
    fixed64 big = 15;
    .google.protobuf.Timestamp at = 16;
    google.protobuf.Struct more = 17;
    repeated Order children = 18;
    enum State { option allow_alias = true; OPEN = 0; CLOSED = 1 [deprecated = true]; SHUT = 0x01; }
    message Item { string name = 1; int32 enum = 2; message Voucher { string code = 1; } }
  }
  /* Its second message. */
  message Note { string message = 1; Order.State state = 2; ; }
  service Shop { rpc Buy (Order) returns (stream Note) { option (google.api.http) = { get: "/v1" }; } }
`

const schemaOf = (text: string, more: Partial<RegisteredSchema> = {}): RegisteredSchema => ({
  id: 1,
  type: 'PROTOBUF',
  text,
  descriptor: null,
  references: [],
  ...more,
})

function codecOf(schema: RegisteredSchema) {
  const types = toProtobufTypes(schema)
  if (!types.ok) throw new Error(types.reason)
  return createProtobufCodec(types.value)
}

const root = protobuf.parse(SHOP, { keepCase: true, alternateCommentMode: true }).root
for (const name of ['timestamp', 'struct']) {
  root.addJSON(protobuf.common.get(`google/protobuf/${name}.proto`)?.nested ?? {})
}

function encode(name: string, value: object, path: readonly number[] = [0]): Uint8Array {
  const message = root.lookupType(name).encode(value).finish()
  return Uint8Array.from([...path, ...message])
}

function decode(schema: RegisteredSchema, body: Uint8Array, isWholeEvent = true): unknown {
  const json = codecOf(schema).toJson(body, LIMIT, isWholeEvent)
  return json.ok ? JSON.parse(json.value) : json.reason
}

describe('Protobuf', () => {
  it('becomes JSON by Protobuf’s own rules', () => {
    const order = {
      order_id: 'o1',
      cents: '9007199254740993',
      deltas: [-1, 0, 1],
      loose: [5, -5],
      items: { a: { name: 'A', enum: 3 } },
      names: { 7: 'seven' },
      state: 1,
      voucher: { code: 'V' },
      rank: 0,
      blob: Uint8Array.of(255, 0),
      ratio: 0.5,
      small: 1.5,
      done: true,
      big: '18446744073709551615',
      children: [{ order_id: 'o2' }, {}],
    }
    expect(decode(schemaOf(SHOP), encode('shop.v1.Order', order))).toEqual({
      orderId: 'o1',
      total: '9007199254740993',
      deltas: [-1, 0, 1],
      loose: [5, -5],
      items: { a: { name: 'A', enum: 3 } },
      names: { 7: 'seven' },
      state: 'CLOSED',
      voucher: { code: 'V' },
      rank: 0,
      blob: '/wA=',
      ratio: 0.5,
      small: 1.5,
      done: true,
      big: '18446744073709551615',
      children: [{ orderId: 'o2' }, {}],
    })
  })

  it('has the fields that are not set as data, for subscriptions to match, and not as a whole event', () => {
    const body = encode('shop.v1.Note', {}, [2, 2])
    expect(decode(schemaOf(SHOP), body, false)).toEqual({ message: '', state: 'OPEN' })
    expect(decode(schemaOf(SHOP), body, true)).toEqual({})
  })

  it('finds the message by its path: of the file, and within another, where entries of maps do not count', () => {
    expect(decode(schemaOf(SHOP), encode('shop.v1.Note', { message: 'hi' }, [2, 2]))).toEqual({ message: 'hi' })
    expect(decode(schemaOf(SHOP), encode('shop.v1.Order.Item', { name: 'i' }, [4, 0, 0]))).toEqual({ name: 'i' })
    const voucher = encode('shop.v1.Order.Item.Voucher', { code: 'c' }, [6, 0, 0, 0])
    expect(decode(schemaOf(SHOP), voucher)).toEqual({ code: 'c' })
    expect(decode(schemaOf(SHOP), encode('shop.v1.Note', {}, [2, 4]))).toMatchObject({ kind: 'malformed' })
    expect(decode(schemaOf(SHOP), encode('shop.v1.Note', {}, [4, 2, 2]))).toMatchObject({ kind: 'malformed' })
  })

  it('knows Google’s own messages', () => {
    const text = `syntax = "proto3"; import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
      import "google/protobuf/duration.proto"; import "google/protobuf/struct.proto"; import "google/type/money.proto";
      message All { google.protobuf.Timestamp at = 1; google.protobuf.Int64Value n = 2; google.protobuf.Duration for = 3;
        google.protobuf.Struct more = 4; google.type.Money price = 5; }`
    const body = fromHex('000a020801120208051a020803220a0a080a016112031a01622a070a034555521002')
    expect(decode(schemaOf(text), body)).toEqual({
      at: '1970-01-01T00:00:01Z',
      n: '5',
      for: '3s',
      more: { a: 'b' },
      price: { currencyCode: 'EUR', units: '2' },
    })
  })

  it('knows groups, required fields and extensions’ places of proto2', () => {
    const text = `message Old { required int32 a = 1; optional group Inner = 2 { optional string b = 3; }
      extensions 100 to max; optional int32 c = 4 [default = -7]; } extend Old { optional int32 d = 100; }`
    const body = Uint8Array.of(0, 0x08, 0x01, 0x13, 0x1a, 0x01, 0x78, 0x14)
    expect(decode(schemaOf(text), body)).toEqual({ a: 1, inner: { b: 'x' } })
  })

  it('knows the types that it imports, whatever they are called by', () => {
    const money =
      'syntax = "proto3"; package com.shop.money; message Money { int32 cents = 1; enum Kind { A = 0; B = 1; } }'
    const text = `syntax = "proto3"; package com.shop; import public "money.proto"; import "gone/options.proto";
      message Order { money.Money total = 1; .com.shop.money.Money.Kind kind = 2; }`
    const references = [{ name: 'money.proto', text: money, descriptor: null }]
    const body = Uint8Array.of(0, 0x0a, 0x02, 0x08, 0x05, 0x10, 0x01)
    expect(decode(schemaOf(text, { references }), body)).toEqual({ total: { cents: 5 }, kind: 'B' })
  })

  it('is the same by the descriptor that a registry makes, or was given', () => {
    // Their names are as the author wrote them, as Confluent's are.
    const simple = protobuf.parse(SIMPLE, { keepCase: true }).root
    simple.resolveAll()
    const file = simple.toDescriptor('proto3').file?.[0]
    if (file === undefined) throw new Error('no file')
    const descriptor = toBase64(FileDescriptorProto.encode(file).finish())
    expect(JSON.stringify(file)).toContain('"typeName":"Inner"')
    const body = Uint8Array.of(0, 0x0a, 0x02, 0x08, 0x05, 0x12, 0x05, 0x0a, 0x01, 0x6b, 0x10, 0x01)
    const expected = { inner: { bigOne: '5' }, kinds: { k: 'ONE' } }
    expect(decode(schemaOf(SIMPLE), body)).toEqual(expected)
    expect(decode(schemaOf(SIMPLE, { descriptor }), body)).toEqual(expected)
    expect(decode(schemaOf(descriptor), body)).toEqual(expected)
    expect(decode(schemaOf(SIMPLE, { descriptor: 'bm8gZGVzY3JpcHRvcg==' }), body)).toEqual(expected)
  })

  it('is what protobufjs wrote: random messages of every scalar type, packed and not', () => {
    const text = `syntax = "proto3"; message All { ${SCALARS.map(
      (type, n) =>
        `${type} f${n} = ${n + 1}; repeated ${type} r${n} = ${n + 101};${
          type === 'string' || type === 'bytes' ? '' : ` repeated ${type} u${n} = ${n + 201} [packed = false];`
        }`,
    ).join(' ')} }`
    const type = protobuf.parse(text).root.lookupType('All')
    const codec = codecOf(schemaOf(text))
    for (let n = 0; n < 500; n += 1) {
      const message: Record<string, unknown> = {}
      const json: Record<string, unknown> = {}
      for (const [index, scalar] of SCALARS.entries()) {
        const names = [`f${index}`, `r${index}`, ...(scalar === 'string' || scalar === 'bytes' ? [] : [`u${index}`])]
        for (const name of names) {
          const values = Array.from({ length: name.startsWith('f') ? 1 : below(4) }, () => scalarOf(scalar))
          if (values.length === 0) continue
          message[name] = name.startsWith('f') ? values[0]?.value : values.map(({ value }) => value)
          json[name] = name.startsWith('f') ? values[0]?.json : values.map((value) => value.json)
        }
      }
      const body = Uint8Array.from([0, ...type.encode(type.fromObject(message)).finish()])
      const decoded = codec.toJson(body, LIMIT, false)
      const all = decoded.ok ? (JSON.parse(decoded.value) as Record<string, unknown>) : decoded
      expect(all).toMatchObject(json)
    }
  })
})

describe('a Protobuf schema that cannot be read', () => {
  it.each([
    ['message A { string = 1; }', 'expected a name'],
    ['message A { string a = x; }', 'whole number'],
    ['message A { string a = 1 ', 'too early'],
    ['message A { B b = 1; }', 'the type B of A.b is not defined'],
    ['import "b.proto"; message A { b.B b = 1; }', 'b.B'],
    ['edition = "2023"; message A { }', 'editions'],
    ['\u0001', 'not Protobuf'],
    ['struct A { }', 'struct'],
    ['message A {'.repeat(100), 'deeper'],
  ])('says why: %#', (text, reason) => {
    expect(toProtobufTypes(schemaOf(text))).toEqual({ ok: false, reason: expect.stringContaining(reason) as string })
  })
})

describe('Protobuf that is not by its schema', () => {
  it('is malformed, and never throws', () => {
    const codec = codecOf(schemaOf(SHOP))
    const noisy = createRandom(3).next
    const kinds = new Set<string>()
    for (let n = 0; n < 5_000; n += 1) {
      const noise = Uint8Array.from({ length: n % 30 }, (_, at) => (at === 0 ? 0 : Math.floor(noisy() * 256)))
      const json = codec.toJson(noise, LIMIT, n % 2 === 0)
      kinds.add(json.ok ? 'read' : json.reason.kind)
    }
    expect(kinds).toEqual(new Set(['read', 'malformed']))
  })

  it('is given up when it grows too large: two bytes are a message with all its fields', () => {
    const bomb = Uint8Array.from([0, ...Array.from({ length: 50_000 }, () => [0x92, 0x01, 0x00]).flat()])
    expect(codecOf(schemaOf(SHOP)).toJson(bomb, LIMIT, false)).toEqual({ ok: false, reason: { kind: 'too_large' } })
    const text = encode('shop.v1.Note', { message: 'x'.repeat(LIMIT) }, [2, 2])
    expect(codecOf(schemaOf(SHOP)).toJson(text, LIMIT, true)).toEqual({ ok: false, reason: { kind: 'too_large' } })
  })

  it('may be nested without end', () => {
    let body: number[] = []
    for (let n = 0; n < 150; n += 1) body = [0x92, 0x01, ...varint(body.length), ...body]
    expect(decode(schemaOf(SHOP), Uint8Array.from([0, ...body]))).toMatchObject({ kind: 'malformed' })
  })
})

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
}

function scalarOf(scalar: string): { readonly value: unknown; readonly json: unknown } {
  const same = (value: unknown) => ({ value, json: value })
  const big = String(BigInt(below(2 ** 31)) * BigInt(below(2 ** 31)))
  switch (scalar) {
    case 'bool':
      return same(below(2) === 1)
    case 'string':
      return same(['', 'a', 'ß€', '😀"'][below(4)])
    case 'bytes': {
      const bytes = Uint8Array.from({ length: below(6) }, () => below(256))
      return { value: bytes, json: toBase64(bytes) }
    }
    case 'float':
      return same(below(1_000) / 8)
    case 'double':
      return same(below(1_000) / 7)
    case 'int64':
    case 'sint64':
    case 'sfixed64':
      return same(below(2) === 0 ? big : `-${big}`.replace(/^-0$/, '0'))
    case 'uint64':
    case 'fixed64':
      return same(big)
    case 'uint32':
    case 'fixed32':
      return same(below(2 ** 32))
    default:
      return same(below(2 ** 32) - 2 ** 31)
  }
}

describe('the text of a .proto file', () => {
  it.each([
    '1e5',
    '1e-5',
    '1.5E+3',
    '.5',
    '5.',
    '-.5e-3',
    '0x1F',
    '-017',
    'inf',
    '-nan',
    '1.0f',
    'true',
    '"a" \'b\'',
    'OPEN',
  ])('may have the literal %s in an option', (literal) => {
    const schema = schemaOf(
      `syntax = "proto3"; option (x) = ${literal}; message M { int32 a = 1 [(y) = ${literal}, deprecated = true]; }`,
    )
    expect(decode(schema, Uint8Array.of(0, 8, 5))).toEqual({ a: 5 })
  })

  it.each(['constructor', 'toString', 'valueOf', '__proto__', 'repeated', 'optional', 'map'])(
    'may call a message, a field and a package %s',
    (word) => {
      const text = `syntax = "proto3"; package ${word}.${word}; message Outer { ${word} ${word} = 1; message ${word} { int32 x = 1; } }`
      const decoded = createProtobufCodecOf(schemaOf(text))
      expect(decoded).toContain('{"x":7}')
    },
  )

  it('may be in a package of any depth', () => {
    const scopes = Array.from({ length: 5_000 }, (_, n) => `p${n}`).join('.')
    const schema = schemaOf(`syntax = "proto3"; package ${scopes}; message A { B b = 1; } message B { int32 x = 1; }`)
    expect(decode(schema, Uint8Array.of(0, 10, 2, 8, 7))).toEqual({ b: { x: 7 } })
  })

  it('may have escapes in a json_name', () => {
    const schema = schemaOf(
      String.raw`syntax = "proto3"; message M { int32 a = 1 [json_name = "\x61\u00fc\102"]; }`.replaceAll('\\\\', '\\'),
    )
    expect(decode(schema, Uint8Array.of(0, 8, 5))).toEqual({ aüB: 5 })
  })
})

function createProtobufCodecOf(schema: RegisteredSchema): string {
  const json = codecOf(schema).toJson(Uint8Array.of(0, 10, 2, 8, 7), LIMIT, true)
  return json.ok ? json.value : JSON.stringify(json.reason)
}

describe('a value that JSON cannot express', () => {
  const schema =
    schemaOf(`syntax = "proto3"; import "google/protobuf/any.proto"; import "google/protobuf/timestamp.proto";
    import "google/protobuf/struct.proto"; message Order { Line line = 1; }
    message Line { google.protobuf.Timestamp at = 1; google.protobuf.Any any = 2; repeated google.protobuf.Value values = 3; }`)
  const seconds = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]
  const inLine = (...field: number[]) => Uint8Array.of(0, 10, field.length, ...field)

  it.each([
    ['a time out of range', inLine(10, 1 + seconds.length, 8, ...seconds), '/line/at: '],
    ['an Any of an unknown type', inLine(18, 5, 10, 3, 0x61, 0x2f, 0x62), '/line/any: '],
    ['an infinite Value', inLine(26, 9, 17, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f), '/line/values: '],
  ])('such as %s is refused with the path of its field', (_what, body, path) => {
    expect(codecOf(schema).toJson(body, LIMIT, true)).toMatchObject({
      ok: false,
      reason: { kind: 'malformed', message: expect.stringContaining(path) as string },
    })
  })
})
