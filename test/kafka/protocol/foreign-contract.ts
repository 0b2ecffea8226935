// What other clients wrote (foreign-batches.ts) is read as they meant it, wherever node:zlib comes from: of Node
// (foreign.pure.test.ts), of workerd (foreign.test.ts). docs/kafka.md says what else was tried with them.
import { describe, expect, it } from 'vitest'
import type { LogRecord } from '../../../src/core/events/kafka-record.ts'
import { decodeRecords } from '../../../src/kafka/protocol/fetched-records.ts'
import { utf8 } from './random.ts'
import { JAVA_ZSTD_22, LOG_APPEND_TIME, TRANSACTIONS_BY, WRITTEN_BY } from './foreign-batches.ts'

const AT = { topic: 'orders', partition: 0 }
const T0 = 1_764_000_000_000
const SOME = 'offset, partition, offset, partition, 漢字 🦎, offset'
const NO_BYTES = new Uint8Array()

const header = (key: string, ...value: number[]) => ({ key, value: Uint8Array.from(value) })

/** A header that is null is read as an empty one. */
const HEADERS = [header('ce_id', 49), header('null'), header('empty')]
const FIRST = [
  { timestampMs: T0, key: utf8('key'), value: utf8(SOME.repeat(3)), headers: HEADERS },
  { timestampMs: T0 + 70, key: null, value: utf8(SOME.repeat(2)), headers: [] },
  { timestampMs: T0 + 35, key: utf8('tombstone'), value: null, headers: [] },
  { timestampMs: T0 - 1_000, key: utf8('no value'), value: NO_BYTES, headers: [header('binary', 0, 255, 128)] },
]
/** With the eleven bytes of the record around it, what workerd's buffer for zstd holds. */
const SECOND = [{ timestampMs: T0, key: null, value: new Uint8Array(40_949), headers: [] }]

const at = (offset: number, records: readonly Omit<LogRecord, 'topic' | 'partition' | 'offset'>[]): LogRecord[] =>
  records.map((record, index) => ({ ...AT, offset: offset + index, ...record }))

/** For `toEqual`, which takes seconds for many bytes. */
const hashed = (records: readonly LogRecord[]) =>
  records.map(({ value, ...record }) => ({ ...record, length: value?.length, sum: value?.reduce((a, b) => a + b, 0) }))

export function foreignContract(): void {
  it.each(WRITTEN_BY)('%s with %s: is read as it was meant', (_client, codec, batches) => {
    const isOfOne = codec === 'none' || codec === 'snappy'
    const { records, next } = decodeRecords(AT, 0, batches)
    expect(records.slice(0, 4)).toEqual(at(0, FIRST))
    expect(hashed(records.slice(4))).toEqual(hashed(at(4, isOfOne ? [] : SECOND)))
    expect(next).toBe(isOfOne ? 4 : 5)
  })

  describe.each(TRANSACTIONS_BY)('transactions of %s', (_client, producerId, batches) => {
    it('are read where they were committed, and only there', () => {
      const { records, next } = decodeRecords(AT, 0, batches, [{ producerId, firstOffset: 0 }])
      expect(records).toEqual(at(5, FIRST))
      expect(next).toBe(10)
    })

    it('are batches like others to who is told of none that was aborted', () => {
      const values = decodeRecords(AT, 0, batches).records.map(({ value }) => value)
      expect(values).toEqual([...Array<Uint8Array>(4).fill(utf8('ABORTED')), ...FIRST.map(({ value }) => value)])
    })
  })

  it('the time is the broker’s where the topic says so', () => {
    const { records } = decodeRecords(AT, 0, LOG_APPEND_TIME)
    const timestampMs = records[0]?.timestampMs ?? 0
    expect(timestampMs).toBeGreaterThan(T0 + 300 * 86_400_000)
    expect(records).toEqual(
      at(
        0,
        FIRST.map((record) => ({ ...record, timestampMs })),
      ),
    )
  })

  it('zstd at the level with the largest window is read', () => {
    const values = decodeRecords(AT, 0, JAVA_ZSTD_22).records.map(({ value }) => value)
    expect(values).toEqual(Array<Uint8Array>(3).fill(utf8('offset, partition, '.repeat(12))))
  })
}
