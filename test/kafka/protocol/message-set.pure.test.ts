// Messages of Kafka before 0.11, as brokers still answer them: alone, in a compressed one, and beside what is newer.
import { crc32, gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { decodeRecords } from '../../../src/kafka/protocol/fetched-records.ts'
import { encodeBatch } from '../../../src/kafka/protocol/record-batch.ts'
import { Writer } from '../../../src/kafka/protocol/writer.ts'
import { utf8 } from './random.ts'
import { LZ4_NOISE } from './fixtures.ts'

const AT = { topic: 'rig', partition: 0 }
const T0 = 1_400_000_000_000
const GZIP = 1
const LZ4 = 3
const LOG_APPEND_TIME = 0x08

interface Message {
  readonly offset: number
  readonly magic: 0 | 1
  readonly value: Uint8Array | null
  readonly attributes?: number
  readonly timestampMs?: number
}

function encode({ offset, magic, value, attributes = 0, timestampMs = T0 }: Message): Uint8Array {
  const body = new Writer({ flexible: false })
  body.int8(magic)
  body.int8(attributes)
  if (magic === 1) body.int64(timestampMs)
  body.bytes(utf8('key'))
  if (value === null) body.int32(-1)
  else body.bytes(value)
  const writer = new Writer({ flexible: false })
  writer.int64(offset)
  writer.int32(body.length + 4)
  writer.uint32(crc32(body.finish()))
  writer.raw(body.finish())
  return writer.finish()
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))
const placesOf = (bytes: Uint8Array, from = 0) => {
  const { records, next } = decodeRecords(AT, from, bytes)
  const places = records.map(({ offset, timestampMs, value }) => [
    offset,
    timestampMs,
    value && new TextDecoder().decode(value),
  ])
  return { places, next }
}

it('of both versions are read, with a key and no headers; only version 1 has a time', () => {
  const log = joined(
    encode({ offset: 4, magic: 0, value: utf8('a') }),
    encode({ offset: 6, magic: 1, value: utf8('b') }),
    encode({ offset: 7, magic: 1, value: null }),
  )
  expect(placesOf(log)).toEqual({
    places: [
      [4, -1, 'a'],
      [6, T0, 'b'],
      [7, T0, null],
    ],
    next: 8,
  })
  expect(decodeRecords(AT, 0, log).records[0]).toMatchObject({ key: utf8('key'), headers: [] })
})

it('stand in one log with batches, as after an upgrade', () => {
  const batch = encodeBatch(
    [{ topic: 'rig', value: utf8('c'), timestampMs: T0 + 1 }],
    { producerId: -1, epoch: -1, sequence: -1 },
    'none',
  ).slice()
  new DataView(batch.buffer).setBigInt64(0, 8n)
  const log = joined(encode({ offset: 7, magic: 1, value: utf8('b') }), batch)
  expect(placesOf(log)).toEqual({
    places: [
      [7, T0, 'b'],
      [8, T0 + 1, 'c'],
    ],
    next: 9,
  })
})

it('that are compressed count from the first of them in version 1, and by themselves in version 0', () => {
  const inner = (magic: 0 | 1, first: number) =>
    gzipSync(
      joined(
        encode({ offset: first, magic, value: utf8('a') }),
        encode({ offset: first + 2, magic, value: utf8('b'), timestampMs: T0 + 2 }),
      ),
    )
  const relative = encode({ offset: 12, magic: 1, attributes: GZIP, value: inner(1, 0) })
  expect(placesOf(relative)).toEqual({
    places: [
      [10, T0, 'a'],
      [12, T0 + 2, 'b'],
    ],
    next: 13,
  })
  expect(placesOf(relative, 11).places).toEqual([[12, T0 + 2, 'b']])
  const absolute = encode({ offset: 12, magic: 0, attributes: GZIP, value: inner(0, 10) })
  expect(placesOf(absolute)).toEqual({
    places: [
      [10, -1, 'a'],
      [12, -1, 'b'],
    ],
    next: 13,
  })
})

it('have the time of the broker where the outer one says so', () => {
  const value = gzipSync(encode({ offset: 0, magic: 1, value: utf8('a') }))
  const outer = encode({ offset: 3, magic: 1, attributes: GZIP | LOG_APPEND_TIME, timestampMs: T0 + 9, value })
  expect(placesOf(outer).places).toEqual([[3, T0 + 9, 'a']])
})

it('that fail their checksum are an error; that hold garbage, a record that says so', () => {
  const one = encode({ offset: 0, magic: 1, value: utf8('a') })
  one[one.length - 1] = 0
  expect(() => decodeRecords(AT, 0, one)).toThrow(new RangeError('the message at offset 0 fails its checksum'))
  const garbage = encode({ offset: 5, magic: 1, attributes: LZ4, value: LZ4_NOISE })
  const { records, next } = decodeRecords(AT, 0, joined(garbage, encode({ offset: 6, magic: 1, value: utf8('b') })))
  expect(records.map(({ headers }) => headers.map(({ key }) => key))).toEqual([['rigel-unreadable'], []])
  expect(next).toBe(7)
})
