// What is written as a batch is read as it was; what brokers, compaction and transactions make of it; what is broken.
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { LogRecord, NewRecord } from '../../../src/core/events/kafka-record.ts'
import type { Compression } from '../../../src/kafka/protocol/compression/compression.ts'
import { crc32c } from '../../../src/kafka/protocol/compression/crc32c.ts'
import { decodeRecords, leaderEpochBefore } from '../../../src/kafka/protocol/fetched-records.ts'
import { encodeBatch } from '../../../src/kafka/protocol/record-batch.ts'
import { Writer } from '../../../src/kafka/protocol/writer.ts'
import { RandomValues, utf8 } from './random.ts'

const AT = { topic: 'rig', partition: 3 }
const NOBODY = { producerId: -1, epoch: -1, sequence: -1 }
const T0 = 1_764_000_000_000

type Stamped = NewRecord & { readonly timestampMs: number }

const TRANSACTIONAL = 0x10
const CONTROL = 0x20
const LOG_APPEND_TIME = 0x08

interface Changes {
  readonly baseOffset?: number
  readonly attributes?: number
  readonly lastOffsetDelta?: number
  readonly maxTimestampMs?: number
  readonly count?: number
}

/** As the broker stores it: with its offset; and with what else is wanted, the checksum being right. */
function stored(batch: Uint8Array, changes: Changes): Uint8Array {
  const bytes = batch.slice()
  const view = new DataView(bytes.buffer)
  if (changes.baseOffset !== undefined) view.setBigInt64(0, BigInt(changes.baseOffset))
  if (changes.attributes !== undefined) view.setInt16(21, view.getInt16(21) | changes.attributes)
  if (changes.lastOffsetDelta !== undefined) view.setInt32(23, changes.lastOffsetDelta)
  if (changes.maxTimestampMs !== undefined) view.setBigInt64(35, BigInt(changes.maxTimestampMs))
  if (changes.count !== undefined) view.setInt32(57, changes.count)
  view.setUint32(17, crc32c(bytes.subarray(21)))
  return bytes
}

const record = (value: string, timestampMs = T0): Stamped => ({ topic: 'rig', value: utf8(value), timestampMs })

function batchOf(values: readonly string[], changes: Changes = {}, producerId = -1): Uint8Array {
  const records = values.map((value) => record(value))
  return stored(encodeBatch(records, { ...NOBODY, producerId }, 'none'), changes)
}

function markerOf(type: 'abort' | 'commit', baseOffset: number, producerId: number): Uint8Array {
  const key = Uint8Array.of(0, 0, 0, type === 'abort' ? 0 : 1)
  const marker = { topic: 'rig', key, value: new Uint8Array(6), timestampMs: T0 }
  const attributes = TRANSACTIONAL | CONTROL
  return stored(encodeBatch([marker], { ...NOBODY, producerId }, 'none'), { baseOffset, attributes })
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))
const text = (bytes: Uint8Array | null) => (bytes === null ? null : new TextDecoder().decode(bytes))
const valuesOf = (records: readonly LogRecord[]) => records.map(({ value }) => text(value))
const reasonOf = (one: LogRecord | undefined) => text(one?.headers[0]?.value ?? null)

/** Without its first offset and last checksum: what is in a batch, wrong on purpose. */
function batchWithBody(body: Uint8Array, count: number, attributes = 0): Uint8Array {
  const empty = batchOf(['x'], { lastOffsetDelta: count - 1, count, attributes }).subarray(0, 61)
  const bytes = joined(empty, body)
  new DataView(bytes.buffer).setInt32(8, bytes.length - 12)
  return stored(bytes, {})
}

describe.each<Compression>(['none', 'gzip', 'zstd'])('a batch with compression %s', (compression) => {
  it('is read as it was written', () => {
    const random = new RandomValues(4)
    for (let round = 0; round < 60; round += 1) {
      const records = Array.from({ length: 1 + random.integer(20) }, () => randomRecord(random))
      const baseOffset = random.integer(2 ** 40)
      const decoded = decodeRecords(AT, 0, stored(encodeBatch(records, NOBODY, compression), { baseOffset }))
      const wanted = records.map(({ timestampMs, key, value, headers }, n) => {
        return { ...AT, offset: baseOffset + n, timestampMs, key, value, headers }
      })
      expect(decoded).toEqual({ records: wanted, next: baseOffset + records.length })
    }
  })

  it('with any byte behind its checksum changed fails it', () => {
    const batch = encodeBatch([record('one'), record('two')], NOBODY, compression)
    for (let at = 17; at < batch.length; at += 1) {
      const broken = batch.slice()
      broken[at] = (broken[at] ?? 0) ^ 1
      expect(() => decodeRecords(AT, 0, broken)).toThrow(new RangeError('the batch at offset 0 fails its checksum'))
    }
  })
})

function randomRecord(random: RandomValues) {
  const some = () => (random.next() < 0.2 ? null : random.bytes(random.integer(200)))
  const headers = Array.from({ length: random.integer(4) }, () => ({ key: random.text(5), value: random.bytes(5) }))
  return { topic: 'rig', timestampMs: T0 + random.signed(40), key: some(), value: some(), headers }
}

describe('what is cut off', () => {
  const two = joined(batchOf(['a', 'b']), batchOf(['c'], { baseOffset: 2 }))

  it('at any length gives the batches that are whole, or an error where garbage begins', () => {
    const first = batchOf(['a', 'b']).length
    for (let length = 0; length <= two.length; length += 1) {
      const wholes = length === two.length ? 3 : length >= first ? 2 : 0
      const decoded = decodeRecords(AT, 0, two.subarray(0, length))
      expect([decoded.records.length, decoded.next]).toEqual([wholes, wholes])
    }
  })

  it.each([0, -1, -12, -13, -(2 ** 31), 13])('with a length of %i is an error, not the end of the log', (length) => {
    const broken = two.slice()
    new DataView(broken.buffer).setInt32(8, length)
    expect(() => decodeRecords(AT, 0, broken)).toThrow(RangeError)
  })

  it('is not mistaken for another format', () => {
    const broken = two.slice()
    broken[16] = 3
    expect(() => decodeRecords(AT, 0, broken)).toThrow('a batch has format version 3, but 2 is the newest supported')
  })
})

describe('offsets', () => {
  it('before the one that is asked for are passed over, within a batch and before it', () => {
    const bytes = joined(batchOf(['a', 'b']), batchOf(['c', 'd', 'e'], { baseOffset: 2 }))
    expect(valuesOf(decodeRecords(AT, 3, bytes).records)).toEqual(['d', 'e'])
    expect(decodeRecords(AT, 9, bytes)).toEqual({ records: [], next: 9 })
  })

  it('go on behind what compaction took, at the end of a batch and as a whole', () => {
    const batch = batchOf(['a', 'b'], { baseOffset: 10, lastOffsetDelta: 6 })
    expect(decodeRecords(AT, 4, batch).next).toBe(17)
    const empty = stored(batch.subarray(0, 61), { lastOffsetDelta: 6, count: 0 })
    new DataView(empty.buffer).setInt32(8, 49)
    expect(decodeRecords(AT, 4, stored(empty, {}))).toEqual({ records: [], next: 17 })
  })
})

it('that is broken behind others does not keep those back: they come first, and then the error', () => {
  const broken = batchOf(['c'], { baseOffset: 2 }).slice()
  broken[broken.length - 1] = 1
  const bytes = joined(batchOf(['a', 'b']), broken)
  expect(decodeRecords(AT, 0, bytes)).toMatchObject({ records: [{ offset: 0 }, { offset: 1 }], next: 2 })
  expect(() => decodeRecords(AT, 2, broken)).toThrow('the batch at offset 2 fails its checksum')
})

describe('the epoch of the leader that wrote the record before an offset', () => {
  const ofEpoch = (baseOffset: number, epoch: number) => {
    const batch = batchOf(['a', 'b'], { baseOffset }).slice()
    new DataView(batch.buffer).setInt32(12, epoch)
    return batch
  }
  const bytes = joined(ofEpoch(10, 3), ofEpoch(12, 4), ofEpoch(14, 6))

  it('is that of its batch', () => {
    expect([11, 12, 13, 14, 15, 16, 99].map((offset) => leaderEpochBefore(offset, bytes))).toEqual([
      3, 3, 4, 4, 6, 6, 6,
    ])
  })

  it('is not known before the first, nor of old messages', () => {
    expect([leaderEpochBefore(10, bytes), leaderEpochBefore(5, new Uint8Array())]).toEqual([-1, -1])
    const old = bytes.slice()
    old[16] = 1
    expect(leaderEpochBefore(11, old)).toBe(-1)
  })
})

it('has the time of the broker where the topic says so', () => {
  const batch = batchOf(['a', 'b'], { attributes: LOG_APPEND_TIME, maxTimestampMs: T0 + 5 })
  expect(decodeRecords(AT, 0, batch).records.map(({ timestampMs }) => timestampMs)).toEqual([T0 + 5, T0 + 5])
})

it('reads timestamps that are as far apart as 64 bits allow', () => {
  const batch = encodeBatch([record('a', -1), record('b', 2 ** 62)], NOBODY, 'none')
  expect(decodeRecords(AT, 0, batch).records.map(({ timestampMs }) => timestampMs)).toEqual([-1, 2 ** 62])
})

describe('transactions', () => {
  const ours = 7
  const aborted = [{ producerId: ours, firstOffset: 0 }]

  it('that were aborted are passed over, until their marker; others are not', () => {
    const log = joined(
      batchOf(['undone'], { attributes: TRANSACTIONAL }, ours),
      batchOf(['of another'], { baseOffset: 1, attributes: TRANSACTIONAL }, 8),
      batchOf(['of none'], { baseOffset: 2 }),
      markerOf('abort', 3, ours),
      batchOf(['done'], { baseOffset: 4, attributes: TRANSACTIONAL }, ours),
      markerOf('commit', 5, ours),
    )
    const decoded = decodeRecords(AT, 0, log, aborted)
    expect(valuesOf(decoded.records)).toEqual(['of another', 'of none', 'done'])
    expect(decoded.next).toBe(6)
  })

  it('are told by offset, in whatever order the broker names them', () => {
    const log = joined(
      batchOf(['done'], { attributes: TRANSACTIONAL }, ours),
      markerOf('commit', 1, ours),
      batchOf(['undone'], { baseOffset: 2, attributes: TRANSACTIONAL }, ours),
      markerOf('abort', 3, ours),
      batchOf(['undone as well'], { baseOffset: 4, attributes: TRANSACTIONAL }, ours),
    )
    const both = [2, 4].map((firstOffset) => ({ producerId: ours, firstOffset })).toReversed()
    expect(valuesOf(decodeRecords(AT, 0, log, both).records)).toEqual(['done'])
  })

  it('a marker that compaction emptied is passed over', () => {
    const marker = markerOf('abort', 3, ours).slice(0, 61)
    new DataView(marker.buffer).setInt32(8, 49)
    expect(decodeRecords(AT, 0, stored(marker, { count: 0 }))).toEqual({ records: [], next: 4 })
  })
})

describe('a batch that its producer wrote broken', () => {
  const behind = batchOf(['behind'], { baseOffset: 2 })

  it.each([
    ['is no gzip', batchWithBody(utf8('no gzip'), 2, 1), /gzip|header/i],
    ['is no Snappy', batchWithBody(Uint8Array.of(9, 1), 2, 2), /Snappy/],
    ['is no LZ4', batchWithBody(utf8('no LZ4 at all'), 2, 3), /LZ4/],
    ['is no zstd', batchWithBody(utf8('no zstd'), 2, 4), /./],
    ['has a codec of the future', batchWithBody(utf8('x'), 2, 5), /codec 5/],
    ['is more than memory', batchWithBody(gzipSync(new Uint8Array(50_400_000)), 2, 1), /larger|length|memory/i],
    ['ends in the middle', batchWithBody(Uint8Array.of(20, 0), 2), /wanted/],
    ['counts too few', batchWithBody(Uint8Array.of(12, 0, 0, 0, 1, 1, 0, 7), 1), /bytes after its last record/],
    ['has offsets of others', batchWithBody(Uint8Array.of(12, 0, 0, 80, 1, 1, 0), 1), /offset 40/],
  ])('because it %s: one record says so, and what is behind comes', (_what, broken, reason) => {
    const count = new DataView(broken.buffer).getInt32(57)
    const { records, next } = decodeRecords(AT, 0, joined(broken, behind))
    const letter = records.at(-2)
    expect(text(records.at(-1)?.value ?? null)).toBe('behind')
    expect(letter).toMatchObject({ ...AT, value: null, timestampMs: T0, headers: [{ key: 'rigel-unreadable' }] })
    expect(reasonOf(letter)).toMatch(new RegExp(`^offsets [01] to ${count - 1} cannot be read: `))
    expect(reasonOf(letter)).toMatch(reason)
    expect(next).toBe(3)
  })

  it('keeps what was readable of it', () => {
    const body = Uint8Array.of(16, 0, 0, 0, 1, 4, 104, 105, 0, 99)
    const { records, next } = decodeRecords(AT, 0, batchWithBody(body, 2))
    expect(valuesOf(records)).toEqual(['hi', null])
    expect(reasonOf(records[1])).toMatch(/^offsets 1 to 1 /)
    expect(next).toBe(2)
  })

  it('with headers that would take all memory is one as well', () => {
    const writer = new Writer({ flexible: false })
    for (const value of [0, 0, 0, -1, -1, 20_000]) writer.varint(value)
    const one = joined(writer.finish(), new Uint8Array(40_000))
    const length = new Writer({ flexible: false })
    length.varint(one.length)
    const { records } = decodeRecords(AT, 0, batchWithBody(joined(length.finish(), one), 1))
    expect(reasonOf(records[0])).toContain('a record with 20000 headers, more than 10000')
  })
})

describe('limits', () => {
  const log = joined(batchOf(['a', 'b', 'c']), batchOf(['d', 'e'], { baseOffset: 3 }))

  it.each([
    { records: 2, bytes: Infinity },
    { records: Infinity, bytes: 9 },
  ])('of %j leave the rest for the next fetch, and nothing is lost or seen twice', (limits) => {
    const seen: LogRecord[] = []
    for (let from = 0, rounds = 0; from < 5 && rounds < 9; rounds += 1) {
      const { records, next } = decodeRecords(AT, from, log, [], limits)
      expect(records.length).toBeLessThanOrEqual(2)
      seen.push(...records)
      from = next
    }
    expect(valuesOf(seen)).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('count headers as what they take, though empty ones are written in two bytes: a small batch may hold millions', () => {
    const headers = Array.from({ length: 10_000 }, () => ({ key: '', value: new Uint8Array() }))
    const records = Array.from({ length: 15 }, (_, n) => ({ ...record(`v${n}`), headers }))
    const { records: read, next } = decodeRecords(AT, 0, encodeBatch(records, NOBODY, 'gzip'))
    expect(read.length).toBeLessThanOrEqual(12)
    expect([read.length > 0, next]).toEqual([true, read.length])
  })
})
