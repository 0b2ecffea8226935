import { describe, expect, it } from 'vitest'
import { splitAggregated } from '../../src/sources/kinesis/aggregated-record.ts'
import { formatCursor, parseCursor } from '../../src/sources/kinesis/cursor.ts'
import { putRecords } from '../../src/sources/kinesis/kinesis-producer.ts'
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
    expect(
      await splitAggregated(
        await aggregate(
          [
            ['k1', 'a'],
            ['k2', long],
            ['k1', ''],
          ],
          digest,
        ),
        digest,
      ),
    ).toEqual([
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
