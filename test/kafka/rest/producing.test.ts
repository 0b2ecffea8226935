// Producing by REST: a success only when every record has its place, whatever the dialect calls a failure.
import { describe, expect, it } from 'vitest'
import type { NewRecord } from '../../../src/core/events/kafka-record.ts'
import { partitionOf } from '../../../src/core/events/partitioner.ts'
import { createV3Producer } from '../../../src/kafka/rest/produce-v3.ts'
import { withProducer } from '../../../src/kafka/rest/split-producer.ts'
import { makeDeps, TestBridge } from '../test-bridge.ts'

const DIALECTS = ['redpanda', 'confluent', 'karapace', 'strimzi'] as const
const LIMITS = { maxWaitMs: 0, maxBytes: 1_000_000 }
const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array | null) => (value === null ? null : new TextDecoder().decode(value))

async function startWith(dialect: (typeof DIALECTS)[number]) {
  const bridge = await TestBridge.start({ dialect })
  await bridge.makeTopic()
  const log = bridge.log()
  const valuesOf = async (topic: string, partition: number) => {
    const fetched = await log.fetch({ topic, partition, offset: 0 }, LIMITS)
    return fetched.kind === 'records' ? fetched.records.map(({ value }) => text(value)) : fetched.kind
  }
  return { bridge, log, valuesOf }
}

const inPartition = (partition: number, values: readonly string[]): NewRecord[] =>
  values.map((value) => ({ topic: 'events', partition, value: bytes(value) }))

describe.concurrent.each(DIALECTS)('producing by %s', (dialect) => {
  it('answers places in the order of the records, over topics and partitions', async () => {
    const { bridge, log } = await startWith(dialect)
    await bridge.makeTopic('others', 2)
    const records = [2, 0, 2, 1].flatMap((partition, n) => [
      { topic: 'events', partition, value: bytes(`e${n}`) },
      { topic: 'others', partition: partition % 2, value: bytes(`o${n}`) },
    ])
    const places = await log.produce(records)
    expect(places.map(({ topic, partition, offset }) => `${topic}/${partition}@${offset}`)).toEqual([
      'events/2@0',
      'others/0@0',
      'events/0@0',
      'others/0@1',
      'events/2@1',
      'others/0@2',
      'events/1@0',
      'others/1@0',
    ])
  })

  it('puts one record with a key where Kafka’s own clients would', async () => {
    const { log } = await startWith(dialect)
    for (const key of ['a', 'b', 'c', 'd']) {
      const [place] = await log.produce([{ topic: 'events', key: bytes(key), value: bytes('v') }])
      expect(place?.partition).toBe(partitionOf(bytes(key), 4))
    }
  })

  it('keeps records without a key, bytes that are no text, and tombstones where the dialect has them', async () => {
    const { log } = await startWith(dialect)
    await log.produce([
      { topic: 'events', partition: 0, key: bytes('k'), value: Uint8Array.of(255, 0, 128) },
      { topic: 'events', partition: 0, key: bytes('k'), value: null },
    ])
    const fetched = await log.fetch({ topic: 'events', partition: 0, offset: 0 }, LIMITS)
    const records = fetched.kind === 'records' ? fetched.records : []
    expect(records.map(({ key, value }) => [text(key), value && [...value]])).toEqual([
      ['k', [255, 0, 128]],
      ['k', null],
    ])
  })

  it('fails when one record is refused, with the reason', async () => {
    const { bridge, log } = await startWith(dialect)
    await bridge.command({ failures: [null, { error_code: 10, error: 'record too large' }] })
    const reason = dialect === 'redpanda' ? 'error 10' : 'record too large'
    await expect(log.produce(inPartition(0, ['a', 'b']))).rejects.toThrow(reason)
  })

  it.each([
    [429, '{"error_code":42901,"message":"slow down"}'],
    [503, ''],
    [500, '{"error_code":50003,"message":"leader moved"}'],
    [200, '{"offsets":[]}'],
    [200, '{"offsets":[{"partition":0,"offset":-1}]}'],
    [200, '<html>Sign in</html>'],
    [413, '<html>Too large</html>'],
  ])('fails on HTTP %i %s', async (status, answer) => {
    const { bridge, log } = await startWith(dialect)
    await bridge.command({ fault: { method: 'POST', pattern: 'topics', times: 1, status, text: answer } })
    await expect(log.produce(inPartition(0, ['a']))).rejects.toThrow('Kafka REST proxy')
  })

  it('fails on a topic that is not there', async () => {
    const { log } = await startWith(dialect)
    await expect(log.produce([{ topic: 'nothing', value: bytes('v') }])).rejects.toThrow(/HTTP 404.*nothing not found/)
  })

  it('asks nobody for nothing', async () => {
    const { bridge, log } = await startWith(dialect)
    expect(await log.produce([])).toEqual([])
    expect((await bridge.state()).requests).toEqual([])
  })
})

describe.each([
  ['confluent', 2],
  ['confluent', 50_003],
  ['karapace', 2],
] as const)('what %s calls retriable (%i)', (dialect, code) => {
  const failure = { error_code: code, error: 'not the leader' }

  it('is sent again, and nothing else is', async () => {
    const { bridge, log, valuesOf } = await startWith(dialect)
    await bridge.command({ failures: [null, failure, null] })
    const places = await log.produce(inPartition(0, ['a', 'b', 'c']))
    expect(places.map(({ offset }) => offset)).toEqual([0, 2, 1])
    expect(await valuesOf('events', 0)).toEqual(['a', 'c', 'b'])
  })

  it('is given up in the end', async () => {
    const { bridge, log } = await startWith(dialect)
    await bridge.command({ failures: Array.from({ length: 9 }, () => failure) })
    await expect(log.produce(inPartition(0, ['a']))).rejects.toThrow('not the leader')
    expect(await bridge.count(/^POST \/topics/)).toBe(3)
  })
})

it('a partition of Redpanda that has no leader is sent again, the others are not', async () => {
  const { bridge, log, valuesOf } = await startWith('redpanda')
  await bridge.command({ failures: [{ error_code: 6, error: '' }] })
  await log.produce([...inPartition(0, ['a', 'b']), ...inPartition(1, ['c'])])
  expect([await valuesOf('events', 0), await valuesOf('events', 1)]).toEqual([['a', 'b'], ['c']])
})

describe('producing by Confluent’s REST v3', () => {
  const authorization = `Basic ${btoa('key:secret')}`
  const start = async (credentials = { kind: 'basic', username: 'key', password: 'secret' } as const) => {
    const bridge = await TestBridge.start({ dialect: 'confluent', authorization })
    await bridge.makeTopic()
    const { deps } = makeDeps()
    return { bridge, producer: createV3Producer({ url: `${bridge.url}/kafka`, cluster: 'lkc-1', credentials }, deps) }
  }
  const records: NewRecord[] = ['a', 'b', 'c'].map((value, n) => ({
    topic: 'events',
    key: bytes('k'),
    value: bytes(value),
    timestampMs: 1_000 + n,
    headers: [{ key: 'h', value: bytes('x') }],
  }))

  it('sends all in one request, and answers the place of each with its time', async () => {
    const { bridge, producer } = await start()
    const partition = partitionOf(bytes('k'), 4)
    expect(await producer.produce(records)).toEqual(
      [0, 1, 2].map((offset) => ({ topic: 'events', partition, offset, timestampMs: 1_000 + offset })),
    )
    expect(await bridge.count(/^POST \/kafka\/v3\/clusters\/lkc-1\/topics\/events\/records$/)).toBe(1)
  })

  it('sends again what may be sent again, and fails on what may not', async () => {
    const { bridge, producer } = await start()
    await bridge.command({ failures: [null, { error_code: 429, error: 'slow down' }] })
    expect((await producer.produce(records)).map(({ offset }) => offset)).toEqual([0, 2, 1])
    await bridge.command({ failures: [null, { error_code: 40_301, error: 'not authorized' }] })
    await expect(producer.produce(records)).rejects.toThrow('40301: not authorized')
  })

  it.each([
    [200, '{"error_code":200,"partition_id":0,"offset":0}'],
    [200, '{"error_code":200,"partition_id":0,"off'],
    [200, '<html>Sign in</html>'],
    [429, '{"error_code":429,"message":"slow down"}'],
    [401, '{"error_code":40101,"message":"Unauthorized"}'],
  ])('fails on HTTP %i %s', async (status, answer) => {
    const { bridge, producer } = await start()
    await bridge.command({ fault: { pattern: 'records', times: 1, status, text: answer } })
    await expect(producer.produce(records)).rejects.toThrow('Kafka REST proxy')
  })

  it('leaves to the log what is followed in it', async () => {
    const { bridge, producer } = await start()
    const kept: NewRecord[] = []
    const produce = async (own: readonly NewRecord[]) => {
      kept.push(...own)
      return own.map(({ topic }, offset) => ({ topic, partition: 7, offset, timestampMs: 0 }))
    }
    const followed = { ...bridge.log(), produce }
    const both = withProducer(followed, producer, ['followed'])
    const places = await both.produce([
      { topic: 'followed', value: bytes('a') },
      { topic: 'events', partition: 1, value: bytes('b') },
      { topic: 'followed', value: bytes('c') },
    ])
    expect(places.map(({ topic, partition, offset }) => [topic, partition, offset])).toEqual([
      ['followed', 7, 0],
      ['events', 1, 0],
      ['followed', 7, 1],
    ])
    expect(kept.map(({ value }) => text(value))).toEqual(['a', 'c'])
  })
})
