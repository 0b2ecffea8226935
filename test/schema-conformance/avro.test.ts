// Apache Avro's own test material, of its Python package: schemas that are valid and invalid, data with their encodings, and data
// that fastavro generates. Rigel's JSON of each encoding is what Avro's reader makes of it. Run: npm run test:schemas
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromHex } from '../../src/core/bytes.ts'
import { parseExactly } from '../../src/core/json.ts'
import { decodeAvro } from '../../src/schema-registry/avro/avro-decode.ts'
import { encodeAvro } from '../../src/schema-registry/avro/avro-encode.ts'
import { parseAvroSchema, type AvroType } from '../../src/schema-registry/avro/avro-schema.ts'
import { runPython } from '../../scripts/conformance/python.ts'

type AvroCase =
  | { readonly kind: 'schema'; readonly schema: string; readonly valid: boolean }
  | {
      readonly kind: 'datum'
      readonly origin: string
      readonly schema: string
      readonly hex: string
      readonly value: unknown
    }
  | { readonly kind: 'skipped'; readonly schema: string; readonly reason: string }

const LIMIT_CHARS = 10_000_000
const cases = runPython('avro_cases.py')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as AvroCase)
const data = cases.filter((one) => one.kind === 'datum')

function typeOf(schema: string): AvroType {
  const type = parseAvroSchema(schema)
  assert.ok(type.ok, `${schema}: ${type.ok ? '' : type.reason}`)
  return type.value
}

void test("schemas of Avro's tests are taken or refused as Avro does", () => {
  const schemas = cases.filter((one) => one.kind === 'schema')
  assert.ok(schemas.length > 90, `${schemas.length} schemas`)
  const wrong = schemas.filter(({ schema, valid }) => parseAvroSchema(schema).ok !== valid)
  assert.deepEqual(wrong, [])
})

void test('data becomes the JSON of what Avro reads', () => {
  assert.ok(data.length > 1_000, `${data.length} data`)
  for (const { hex, schema, value } of data) {
    const json = decodeAvro(typeOf(schema), fromHex(hex), LIMIT_CHARS)
    assert.ok(json.ok, `${schema} ${hex}: ${JSON.stringify(json)}`)
    assert.deepEqual(JSON.parse(json.value), value, `${schema} ${hex}`)
  }
})

void test('an encoding that ends early is refused, wherever it ends', () => {
  for (const { hex, schema } of data) {
    const [type, bytes] = [typeOf(schema), fromHex(hex)]
    for (let end = 0; end < Math.min(bytes.length, 200); end += 1) {
      const json = decodeAvro(type, bytes.subarray(0, end), LIMIT_CHARS)
      assert.ok(!json.ok && json.reason.kind === 'malformed', `${schema} ${hex}, the first ${end} bytes`)
    }
  }
})

void test('JSON that was read is written so that it is read as the same', () => {
  for (const { hex, schema } of data) {
    const type = typeOf(schema)
    const json = decodeAvro(type, fromHex(hex), LIMIT_CHARS)
    const encoded = encodeAvro(type, parseExactly(json.ok ? json.value : ''))
    assert.ok(encoded.ok, `${schema} ${hex}: ${JSON.stringify(encoded)}`)
    assert.deepEqual(decodeAvro(type, encoded.value, LIMIT_CHARS), json, `${schema} ${hex}`)
  }
})
