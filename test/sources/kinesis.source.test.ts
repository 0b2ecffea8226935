// The contract of KafkaLog over Kinesis, against kinesis-mock; and what is Kinesis's own: shards that split and merge,
// sequence numbers in the cursor, aggregated records.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { configOf } from '../../src/config/parse-config.ts'
import type { LogPosition } from '../../src/core/events/kafka-record.ts'
import type { Fetched, FetchPosition, KafkaLog } from '../../src/kafka/kafka-log.ts'
import { createKinesisCall } from '../../src/sources/kinesis/kinesis-client.ts'
import { createKinesisLog } from '../../src/sources/kinesis/kinesis-log.ts'
import { kafkaLogContract } from '../kafka/contract.ts'
import { aggregate } from './aggregate.ts'

const config = configOf(env).kinesis
const call = createKinesisCall(config, config.region, fetch)
const deps = {
  nowMs: () => Date.now(),
  random: () => Math.random(),
  newId: () => crypto.randomUUID(),
  sleep: (ms: number) => scheduler.wait(ms),
  fetch: (input: RequestInfo | URL, init?: RequestInit) => fetch(input, init),
  isEnded: async () => true,
}
const bytes = (text: string) => new TextEncoder().encode(text)
/** A machine that does other work besides may be slow. */
const patience = { timeout: 20_000 }
const limits = { maxWaitMs: 0, maxBytes: 1_000_000 }
const open = (isEnded = deps.isEnded) => createKinesisLog(config, { ...deps, isEnded })

async function createStream(name: string, shards = 1): Promise<string> {
  await call('CreateStream', { StreamName: name, ShardCount: shards })
  await isActive(name)
  return `kinesis:${name}`
}

const newStream = (shards?: number) => createStream(`s-${crypto.randomUUID()}`, shards)

async function isActive(name: string): Promise<void> {
  await expect
    .poll(async () => (await call('DescribeStreamSummary', { StreamName: name }))['StreamDescriptionSummary'], patience)
    .toMatchObject({ StreamStatus: 'ACTIVE' })
}

/** A reader that finds an offset as a follower does: by the cursor of the fetch before. */
function remembering(log: KafkaLog): KafkaLog {
  return {
    ...log,
    fetch: async (position, wait) => {
      if (position.offset === 0) return log.fetch(position, wait)
      const before = await log.fetch({ ...position, offset: 0 }, limits)
      const cursor = before.kind === 'records' ? before.cursors?.[position.offset - 1] : undefined
      return log.fetch({ ...position, cursor: cursor ?? null }, wait)
    },
  }
}

kafkaLogContract('Kinesis', () => remembering(open()), {
  headers: false,
  timestamps: false,
  partitions: 1,
  numbersRecords: false,
  prefix: 'kinesis:',
  makeTopic: async (topic) => void (await createStream(topic.slice('kinesis:'.length))),
})

/** The position of the fetch after this one. */
function after(position: LogPosition, fetched: Fetched): FetchPosition {
  if (fetched.kind !== 'records') throw new Error(fetched.kind)
  const cursor = fetched.cursors?.at(-1) ?? null
  return { ...position, offset: fetched.next, cursor, topicId: fetched.topicId ?? null }
}

function valuesOf(fetched: Fetched): readonly string[] {
  if (fetched.kind !== 'records') throw new Error(fetched.kind)
  return fetched.records.map(({ value }) => new TextDecoder().decode(value ?? bytes('')))
}

describe('a shard', () => {
  it('is read from the sequence number of the checkpoint, by another reader too, with offsets that go on', async () => {
    const topic = await newStream()
    const start = { topic, partition: 0, offset: 0 }
    await open().produce(['a', 'b'].map((value) => ({ topic, value: bytes(value), key: bytes('k') })))
    const first = await open().fetch(start, limits)
    await open().produce([{ topic, value: bytes('c'), key: bytes('k') }])
    const second = await open().fetch(after(start, first), limits)
    expect([valuesOf(first), valuesOf(second)]).toEqual([['a', 'b'], ['c']])
    expect(second).toMatchObject({ records: [{ offset: 2, key: bytes('k') }], next: 3 })
    expect(second.kind === 'records' && second.cursors?.[0]).toMatch(/^\d{30,60}$/)
  })

  it('is read again from the middle of a fetch', async () => {
    const topic = await newStream()
    await open().produce(['a', 'b', 'c'].map((value) => ({ topic, value: bytes(value), key: bytes('k') })))
    const first = await open().fetch({ topic, partition: 0, offset: 0 }, limits)
    const cursor = first.kind === 'records' ? (first.cursors?.[0] ?? null) : null
    const again = await open().fetch({ topic, partition: 0, offset: 1, cursor }, limits)
    expect(valuesOf(again)).toEqual(['b', 'c'])
  })

  it('is read from now by a follower that starts at the end', async () => {
    const topic = await newStream()
    await open().produce([{ topic, value: bytes('old') }])
    await scheduler.wait(50)
    const { latest } = await open().offsets(topic, 0)
    await scheduler.wait(50)
    await open().produce([{ topic, value: bytes('new') }])
    const fetched = await open().fetch({ topic, partition: 0, offset: latest }, limits)
    expect(valuesOf(fetched)).toEqual(['new'])
    expect(fetched).toMatchObject({ records: [{ offset: latest }], next: latest + 1 })
  })

  it('that was split is read to its end, and names the shards that go on; those wait for it', async () => {
    const topic = await newStream()
    const name = topic.slice('kinesis:'.length)
    await open().produce([{ topic, value: bytes('a'), key: bytes('k') }])
    const middle = String(2n ** 127n)
    const split = { StreamName: name, ShardToSplit: 'shardId-000000000000', NewStartingHashKey: middle }
    await call('SplitShard', split)
    await isActive(name)
    await open().produce(Array.from({ length: 8 }, (_, n) => ({ topic, value: bytes(`b${n}`), key: bytes(`k${n}`) })))
    expect(await open().partitions(topic)).toEqual([0, 1, 2])
    const log = open()
    const start = { topic, partition: 0, offset: 0 }
    const records = await log.fetch(start, limits)
    expect(valuesOf(records)).toEqual(['a'])
    const end = await log.fetch(after(start, records), limits)
    expect(end).toMatchObject({ kind: 'records', records: [], next: 2, cursors: ['end'] })
    expect(await open().fetch({ ...start, offset: 2, cursor: 'end' }, limits)).toEqual({
      kind: 'ended',
      successors: [1, 2],
    })
    const child = { topic, partition: 1, offset: 0 }
    expect(await open(async () => false).fetch(child, limits)).toMatchObject({ records: [], next: 0 })
    const children = await Promise.all([1, 2].map((partition) => open().fetch({ ...child, partition }, limits)))
    expect(children.flatMap((fetched) => valuesOf(fetched)).length).toBe(8)
  })

  it('that was merged waits for both its parents', async () => {
    const topic = await newStream(2)
    const name = topic.slice('kinesis:'.length)
    await call('MergeShards', {
      StreamName: name,
      ShardToMerge: 'shardId-000000000000',
      AdjacentShardToMerge: 'shardId-000000000001',
    })
    await isActive(name)
    await open().produce([{ topic, value: bytes('a') }])
    const asked: number[] = []
    const log = createKinesisLog(config, {
      ...deps,
      isEnded: async (_topic, partition) => {
        asked.push(partition)
        return true
      },
    })
    expect(valuesOf(await log.fetch({ topic, partition: 2, offset: 0 }, limits))).toEqual(['a'])
    expect(asked).toEqual([0, 1])
  })

  it('of a stream that was deleted and made anew is read from its start', async () => {
    const topic = await newStream()
    const name = topic.slice('kinesis:'.length)
    await open().produce(['a', 'b'].map((value) => ({ topic, value: bytes(value) })))
    const log = open()
    const start = { topic, partition: 0, offset: 0 }
    const first = await log.fetch(start, limits)
    await call('DeleteStream', { StreamName: name })
    const isThere = async () =>
      call('DescribeStreamSummary', { StreamName: name }).then(
        () => true,
        () => false,
      )
    await expect.poll(isThere, patience).toBe(false)
    expect(await open().fetch(after(start, first), limits)).toEqual({ kind: 'unknown_topic_or_partition' })
    await createStream(name)
    await open().produce([{ topic, value: bytes('c') }])
    expect(await open().fetch(after(start, first), limits)).toMatchObject({ kind: 'offset_out_of_range', earliest: 0 })
    expect(valuesOf(await open().fetch(start, limits))).toEqual(['c'])
  })
})

describe('an aggregated record', () => {
  it('is taken apart, and read on from its middle', async () => {
    const topic = await newStream()
    const data = await aggregate([
      ['k1', 'a'],
      ['k2', 'b'],
      ['k1', 'c'],
    ])
    await open().produce([{ topic, value: data, key: bytes('any') }])
    await open().produce([{ topic, value: bytes('d'), key: bytes('k3') }])
    const start = { topic, partition: 0, offset: 0 }
    const fetched = await open().fetch(start, limits)
    expect(valuesOf(fetched)).toEqual(['a', 'b', 'c', 'd'])
    expect(fetched).toMatchObject({ records: ['k1', 'k2', 'k1', 'k3'].map((key) => ({ key: bytes(key) })) })
    const cursor = fetched.kind === 'records' ? (fetched.cursors?.[0] ?? null) : null
    expect(valuesOf(await open().fetch({ ...start, offset: 1, cursor }, limits))).toEqual(['b', 'c', 'd'])
  })
})
