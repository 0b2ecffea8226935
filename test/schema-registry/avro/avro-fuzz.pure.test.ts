// Against avsc, the library that everybody uses where code may be generated: random schemas, and random values of each.
import avro from 'avsc'
import { expect, it } from 'vitest'
import { parseExactly } from '../../../src/core/json.ts'
import { decodeAvro } from '../../../src/schema-registry/avro/avro-decode.ts'
import { encodeAvro } from '../../../src/schema-registry/avro/avro-encode.ts'
import { parseAvroSchema, type AvroType } from '../../../src/schema-registry/avro/avro-schema.ts'
import { toBase64 } from '../../../src/core/bytes.ts'
import { createRandom } from '../../../scripts/random.ts'

interface NodeBuffer extends Uint8Array {
  readBigInt64LE(): bigint
  writeBigInt64LE(value: bigint): void
}

/** Of Node, where this test runs; the rest of the tests' types are a Worker's. */
declare const Buffer: { from(bytes: ArrayLike<number>): NodeBuffer; alloc(bytes: number): NodeBuffer }

type Schema = string | readonly Schema[] | { readonly [key: string]: unknown }

const SCHEMAS = 400
const VALUES = 10
const LIMIT = 10_000_000
const random = createRandom(42).next
const below = (limit: number) => Math.floor(random() * limit)
const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T
let names = 0
const newName = () => `N${(names += 1)}`

const PRIMITIVES = ['null', 'boolean', 'int', 'long', 'float', 'double', 'string', 'bytes'] as const
const CHARS = ['a', 'Z', '0', ' ', '"', '\\', '/', '\n', '\u0000', 'äß', '€', '😀', '\u2028']

function makeSchema(depth: number): Schema {
  const kinds = depth === 0 ? ['primitive'] : ['primitive', 'record', 'array', 'map', 'union', 'enum', 'fixed', 'loop']
  switch (pick(kinds)) {
    case 'record':
      return { type: 'record', name: newName(), fields: fieldsOf(below(4), depth) }
    case 'loop': {
      const name = newName()
      const next = { name: 'next', type: ['null', name], default: null }
      return { type: 'record', name, fields: [...fieldsOf(1, depth), next] }
    }
    case 'array':
      return { type: 'array', items: makeSchema(depth - 1) }
    case 'map':
      return { type: 'map', values: makeSchema(depth - 1) }
    case 'union': {
      const record = { type: 'record', name: newName(), fields: fieldsOf(2, depth) }
      return pick([
        ['null', record],
        ['null', 'string', record],
        ['null', { type: 'array', items: makeSchema(depth - 1) }, 'long', record],
      ])
    }
    case 'enum':
      return { type: 'enum', name: newName(), symbols: ['A', 'B', 'C'].slice(0, 1 + below(3)) }
    case 'fixed':
      return { type: 'fixed', name: newName(), size: below(20) }
    default:
      return pick(PRIMITIVES)
  }
}

function fieldsOf(count: number, depth: number) {
  return Array.from({ length: count }, (_, n) => ({ name: `f${n}`, type: makeSchema(depth - 1) }))
}

/** For avsc: unions by the name of the branch. And the JSON that is to come of it. */
function makeValue(type: AvroType, depth = 0): { readonly value: unknown; readonly json: unknown } {
  const same = (value: unknown) => ({ value, json: value })
  switch (type.kind) {
    case 'null':
      return same(null)
    case 'boolean':
      return same(random() < 0.5)
    case 'int':
      return same(pick([0, 1, -1, 63, 64, -64, -65, 2_147_483_647, -2_147_483_648, below(1_000_000)]))
    case 'long':
      return same(pick([0, -1, 2 ** 28, -(2 ** 28) - 1, 2 ** 52, -(2 ** 52), below(1e15) - 5e14]))
    case 'float':
      return same(Math.fround(random() * 10 ** below(30)))
    case 'double':
      return same((random() - 0.5) * 10 ** below(300))
    case 'string':
      return same(Array.from({ length: below(12) }, () => pick(CHARS)).join(''))
    case 'bytes':
    case 'fixed': {
      const bytes = Buffer.from(
        Array.from({ length: type.kind === 'fixed' ? type.sizeBytes : below(9) }, () => below(256)),
      )
      return { value: bytes, json: toBase64(bytes) }
    }
    case 'enum':
      return same(pick(type.symbols))
    case 'array': {
      const items = Array.from({ length: below(4) }, () => makeValue(type.items, depth + 1))
      return { value: items.map(({ value }) => value), json: items.map(({ json }) => json) }
    }
    case 'map':
      return membersOf(Array.from({ length: below(4) }, (_, n) => [`k${n}`, makeValue(type.values, depth + 1)]))
    case 'record':
      return membersOf(type.fields.map((field) => [field.name, makeValue(field.type, depth + 1)]))
    case 'union': {
      const branch = depth > 8 ? type.branches[0] : pick(type.branches)
      if (branch === undefined || branch.kind === 'null') return same(null)
      const { json, value } = makeValue(branch, depth + 1)
      return { value: { ['name' in branch ? branch.name : branch.kind]: value }, json }
    }
  }
}

function membersOf(members: readonly (readonly [string, { value: unknown; json: unknown }])[]) {
  return {
    value: Object.fromEntries(members.map(([name, { value }]) => [name, value])),
    json: Object.fromEntries(members.map(([name, { json }]) => [name, json])),
  }
}

it(`${SCHEMAS} schemas, ${VALUES} values of each: what avsc writes is read, and what is written avsc reads`, () => {
  let bytes = 0
  for (let n = 0; n < SCHEMAS; n += 1) {
    const schema = makeSchema(3)
    const theirs = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'always' })
    const parsed = parseAvroSchema(JSON.stringify(schema))
    if (!parsed.ok) throw new Error(`${parsed.reason}: ${JSON.stringify(schema)}`)
    const ours = parsed.value
    for (let m = 0; m < VALUES; m += 1) {
      const { json, value } = makeValue(ours)
      const encoded = theirs.toBuffer(value)
      bytes += encoded.length
      const decoded = decodeAvro(ours, encoded, LIMIT)
      expect(decoded.ok ? JSON.parse(decoded.value) : decoded).toEqual(json)
      // A value may fit into several branches, so that its bytes may differ: its JSON must not.
      const again = encodeAvro(ours, parseExactly(JSON.stringify(json)))
      if (!again.ok) throw new Error(`${again.reason}: ${JSON.stringify(schema)} ${JSON.stringify(json)}`)
      expect(theirs.isValid(theirs.fromBuffer(Buffer.from(again.value) as never))).toBe(true)
      const back = decodeAvro(ours, again.value, LIMIT)
      expect(back).toEqual(decoded)
    }
  }
  expect(bytes).toBeGreaterThan(40_000)
})

it('longs of all 64 bits are as avsc has them', () => {
  // oxlint-disable-next-line no-underscore-dangle -- avsc's own name
  const theirs = avro.types.LongType.__with({
    fromBuffer: (buffer: NodeBuffer) => buffer.readBigInt64LE(),
    toBuffer: (long: bigint) => {
      const buffer = Buffer.alloc(8)
      buffer.writeBigInt64LE(long)
      return buffer
    },
    fromJSON: BigInt,
    toJSON: Number,
    isValid: (value: unknown) => typeof value === 'bigint',
    compare: (a: bigint, b: bigint) => (a < b ? -1 : Number(a > b)),
  })
  for (let n = 0; n < 2_000; n += 1) {
    const bits = Array.from({ length: 1 + below(63) }, () => below(2)).join('')
    const long = BigInt(`0b${bits}`) * (random() < 0.5 ? -1n : 1n)
    const encoded = theirs.toBuffer(long)
    expect(decodeAvro({ kind: 'long' }, encoded, 100)).toEqual({ ok: true, value: String(long) })
    expect(encodeAvro({ kind: 'long' }, parseExactly(String(long)))).toEqual({
      ok: true,
      value: new Uint8Array(encoded),
    })
  }
})
