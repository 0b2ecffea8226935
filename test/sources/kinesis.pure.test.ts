import { describe, expect, it } from 'vitest'
import { concat } from '../../src/core/bytes.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { splitAggregated } from '../../src/sources/kinesis/aggregated-record.ts'
import { formatCursor, parseCursor } from '../../src/sources/kinesis/cursor.ts'
import { putRecords } from '../../src/sources/kinesis/kinesis-producer.ts'
import { ShardReader } from '../../src/sources/kinesis/shard-reader.ts'
import { listShards } from '../../src/sources/kinesis/shards.ts'
import { aggregate } from './aggregate.ts'

/** Node has no MD5 in its Web Crypto; workerd has: kinesis.source.test.ts. */
const digest = async (message: Uint8Array) =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(message))).slice(0, 16)
const bytes = (text: string) => new TextEncoder().encode(text)

describe('a cursor', () => {
  it.each([null, 'end', '49680602189586709141680339890447164338452376110319534082', '1.7'])(
    '%s is written as read',
    (text) => {
      expect(formatCursor(parseCursor(text))).toBe(text)
    },
  )

  it.each(['', 'x', '1.', '.1', '-1', '1'.repeat(61)])('"%s" is refused', (text) => {
    expect(() => parseCursor(text)).toThrow(TypeError)
  })
})

describe('an aggregated record', () => {
  it('holds the records of a producer, each with its key', async () => {
    const long = 'x'.repeat(300)
    const pairs = [
      ['k1', 'a'],
      ['k2', long],
      ['k1', ''],
    ] as const
    expect([...((await splitAggregated(await aggregate(pairs, digest), digest)) ?? [])]).toEqual([
      { key: 'k1', data: bytes('a') },
      { key: 'k2', data: bytes(long) },
      { key: 'k1', data: bytes('') },
    ])
  })

  it('is a plain record if its digest is another, it is cut off, or it does not begin like one', async () => {
    const whole = await aggregate([['k', 'a']], digest)
    const changed = whole.slice()
    changed[8] = 0
    for (const data of [changed, whole.slice(0, -1), whole.slice(0, 5), bytes('plain'), bytes('')]) {
      expect(await splitAggregated(data, digest)).toBeNull()
    }
  })
})

describe('an aggregated record of the smallest records', () => {
  /** `count` records without data, of six bytes each. */
  async function smallest(count: number, last: readonly number[] = []) {
    const message = new Uint8Array(3 + count * 6 + last.length)
    message.set([0x0a, 1, 0x6b])
    for (let n = 0; n < count; n += 1) message.set([0x1a, 4, 8, 0, 0x1a, 0], 3 + n * 6)
    message.set(last, 3 + count * 6)
    return concat([Uint8Array.of(0xf3, 0x89, 0x9a, 0xc2), message, await digest(message)])
  }

  it('is read one by one, so that a record of 10 MiB takes no more memory than its bytes', async () => {
    const records = await splitAggregated(await smallest(1_700_000), digest)
    expect(Array.isArray(records)).toBe(false)
    let count = 0
    for (const { data, key } of records ?? []) count += key === 'k' && data.length === 0 ? 1 : 0
    expect(count).toBe(1_700_000)
  })

  it('is a plain record if one of them cannot be read, or has no key', async () => {
    for (const last of [
      [0x1a, 4, 8, 9, 0x1a, 0],
      [0x1a, 2, 8, 0],
      [0x1a, 5],
      [0x80, 0x80],
      [0x1b, 0],
    ])
      expect([last, await splitAggregated(await smallest(3, last), digest)]).toEqual([last, null])
  })
})

it('a fetch reads 20,000 records at most, and the next one those after them', async () => {
  const stored = Array.from({ length: 45_000 }, (_, n) => ({
    SequenceNumber: String(1_000 + n),
    Data: btoa(String(n)),
    PartitionKey: 'k',
    ApproximateArrivalTimestamp: 1,
  }))
  const answers: Readonly<Record<string, (body: JsonObject) => JsonObject>> = {
    DescribeStreamSummary: () => ({ StreamDescriptionSummary: { StreamCreationTimestamp: 1 } }),
    ListShards: () => ({ Shards: [{ ShardId: 'shardId-000000000000' }] }),
    GetShardIterator: ({ StartingSequenceNumber: after }) => ({
      ShardIterator: typeof after === 'string' ? after : '0',
    }),
    GetRecords: ({ ShardIterator: after }) => ({
      Records: stored.filter(({ SequenceNumber }) => Number(SequenceNumber) > Number(after)),
      NextShardIterator: '100000',
    }),
  }
  const reader = new ShardReader({
    call: async (name, body) => answers[name]?.(body) ?? {},
    nowMs: () => 1_000,
    sleep: async () => undefined,
    isEnded: async () => true,
  })
  const read: string[] = []
  const sizes: number[] = []
  let at = { topic: 'kinesis:clicks', partition: 0, offset: 0, cursor: null as string | null }
  for (let n = 0; n < 3; n += 1) {
    const fetched = await reader.fetch(at, { maxWaitMs: 0, maxBytes: 1_000_000 })
    if (fetched.kind !== 'records') throw new Error(fetched.kind)
    read.push(...fetched.records.map(({ value }) => new TextDecoder().decode(value ?? bytes(''))))
    sizes.push(fetched.records.length)
    at = { ...at, offset: fetched.next, cursor: fetched.cursors?.at(-1) ?? null }
  }
  expect(sizes).toEqual([20_000, 20_000, 5_000])
  expect(read).toEqual(stored.map((_, n) => String(n)))
})

describe('the shards of a stream', () => {
  it('are listed page by page, with the parents that are still there', async () => {
    const shard = (n: number, parents: readonly number[] = []) => ({
      ShardId: `shardId-00000000000${n}`,
      ParentShardId: parents[0] === undefined ? null : `shardId-00000000000${parents[0]}`,
      AdjacentParentShardId: parents[1] === undefined ? null : `shardId-00000000000${parents[1]}`,
    })
    const pages = [{ Shards: [shard(7, [3]), shard(4)], NextToken: 'more' }, { Shards: [shard(8, [4, 7])] }]
    const asked: unknown[] = []
    const call = async (_name: string, body: object) => {
      asked.push(body)
      return pages[asked.length - 1] ?? {}
    }
    expect(await listShards(call, 'clicks')).toEqual([
      { partition: 4, parents: [] },
      { partition: 7, parents: [] },
      { partition: 8, parents: [4, 7] },
    ])
    expect(asked).toEqual([
      { StreamName: 'clicks', MaxResults: 1_000 },
      { NextToken: 'more', MaxResults: 1_000 },
    ])
  })
})

describe('putting records', () => {
  const deps = { random: () => 0, newId: () => 'random', sleep: async () => undefined }
  const records = ['a', 'b', 'c'].map((value) => ({ topic: 'kinesis:clicks', value: bytes(value), key: bytes(value) }))

  it('sends again what was refused for a moment, and that only', async () => {
    const sent: (readonly string[])[] = []
    const call = async (_name: string, body: object) => {
      const { Records } = body as { readonly Records: readonly { readonly PartitionKey: string }[] }
      sent.push(Records.map(({ PartitionKey }) => PartitionKey))
      const isFirst = sent.length === 1
      return {
        Records: Records.map(({ PartitionKey }) =>
          isFirst && PartitionKey !== 'a' ? { ErrorCode: 'ProvisionedThroughputExceededException' } : { ShardId: '0' },
        ),
      }
    }
    await putRecords(call, records, deps)
    expect(sent).toEqual([
      ['a', 'b', 'c'],
      ['b', 'c'],
    ])
  })

  it('gives up in the end, with the reason', async () => {
    const call = async () => ({ Records: [{ ErrorCode: 'InternalFailure', ErrorMessage: 'no' }, {}, {}] })
    await expect(putRecords(call, records, deps)).rejects.toThrow('Kinesis: PutRecords: InternalFailure: no')
  })

  it('has a random partition key without a key, and at most 256 characters', async () => {
    const keys: string[] = []
    const call = async (_name: string, body: object) => {
      const { Records } = body as { readonly Records: readonly { readonly PartitionKey: string }[] }
      keys.push(...Records.map(({ PartitionKey }) => PartitionKey))
      return { Records: Records.map(() => ({})) }
    }
    const topic = 'kinesis:clicks'
    await putRecords(
      call,
      [
        { topic, value: bytes('v') },
        { topic, value: bytes('v'), key: bytes('ü'.repeat(300)) },
      ],
      deps,
    )
    expect(keys).toEqual(['random', 'ü'.repeat(256)])
  })
})
