// What we need of the platform's node:zlib, in workerd: it is not Node's.
import { expect, it } from 'vitest'
import { compress, decompress } from '../../../src/kafka/protocol/compression/compression.ts'
import { decodeRecords } from '../../../src/kafka/protocol/fetched-records.ts'
import { encodeBatch } from '../../../src/kafka/protocol/record-batch.ts'
import { readMessageRecords, readMessage } from '../../../src/kafka/protocol/message-set.ts'
import { utf8 } from './random.ts'

const AT = { topic: 'rig', partition: 0 }

it.each(['gzip', 'zstd'] as const)('reads what it writes with %s', (compression) => {
  const record = { topic: 'rig', value: utf8('x'.repeat(10_000)), timestampMs: 1 }
  const batch = encodeBatch([record], { producerId: -1, epoch: -1, sequence: -1 }, compression)
  expect(decodeRecords(AT, 0, batch).records[0]?.value).toEqual(record.value)
})

it.each(['gzip', 'zstd'] as const)('refuses what %s would make larger than an isolate can hold', (compression) => {
  const { codec, bytes } = compress(compression, new Uint8Array(48 * 1_048_576 + 1))
  expect(() => decompress(codec, bytes)).toThrow(/larger|memory|length|limit/i)
})

it.each(['gzip', 'zstd'] as const)('refuses garbage that is said to be %s', (compression) => {
  const { codec } = compress(compression, utf8('x'))
  expect(() => decompress(codec, utf8('garbage'))).toThrow(/./)
})

it('knows the checksum of old messages', () => {
  const head = [0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 15, 0x35, 0xb4, 0x92, 0xf2, 0, 0]
  const message = Uint8Array.from([...head, 255, 255, 255, 255, 0, 0, 0, 1, 120])
  expect([...readMessageRecords(AT, readMessage(message))]).toMatchObject([{ offset: 9, value: utf8('x') }])
})

// Among them sizes at which workerd's own zstd fails.
it.each([1, 40_959, 40_960, 40_961, 81_920, 655_360])('reads %i bytes by zstd', (length) => {
  const { bytes, codec } = compress('zstd', new Uint8Array(length).fill(7))
  expect(decompress(codec, bytes)).toEqual(new Uint8Array(length).fill(7))
})

it('refuses zstd that was cut off', () => {
  const { bytes, codec } = compress('zstd', new Uint8Array(40_960))
  for (let length = 1; length < bytes.length; length += 1) {
    expect(() => decompress(codec, bytes.subarray(0, length))).toThrow(/./)
  }
})

it.each([40_959, 40_960, 131_072, 1_000_000])(
  'writes what hardly gets smaller, %i bytes, by zstd or else by gzip',
  (length) => {
    const noise = new Uint8Array(length)
    for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(noise.subarray(at, at + 65_536))
    const record = { topic: 't', key: null, value: noise, headers: [], timestampMs: 5 }
    const batch = encodeBatch([record], { producerId: -1, epoch: -1, sequence: -1 }, 'zstd')
    const { records } = decodeRecords({ topic: 't', partition: 0 }, 0, batch)
    expect(records).toHaveLength(1)
    expect(records[0]?.value).toEqual(noise)
  },
)
