// The real `@upstash/kafka` client against the Kafka REST endpoint of the embedded log, and the adapter that uses it.
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Kafka } from '@upstash/kafka'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createUpstashKafkaLog } from '../../src/kafka/upstash-adapter.ts'
import { fetchRigel } from '../support/gateway-client.ts'
import { kafkaLogContract } from './contract.ts'

const credentials = { url: 'https://rigel.test/_rig/kafka', username: 'rigel', password: 'test' }

// The client calls the global fetch and takes no other: its requests go to the Worker instead.
beforeAll(() => {
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => fetchRigel(url.replace('https://rigel.test', ''), init))
})
afterAll(() => vi.unstubAllGlobals())

kafkaLogContract('the Upstash dialect', () => createUpstashKafkaLog(credentials))

const post = (path: string, body: unknown, authorization = `Basic ${btoa('rigel:test')}`) =>
  fetchRigel(`/_rig/kafka/${path}`, { method: 'POST', headers: { authorization }, body: JSON.stringify(body) })

describe('consumer groups', () => {
  it('give each record of a topic to one of two instances, and go on from what was committed', async () => {
    const kafka = new Kafka(credentials)
    const topic = `group-${crypto.randomUUID()}`
    const consume = (instanceId: string) =>
      kafka.consumer().consume({
        consumerGroupId: topic,
        instanceId,
        topics: [topic],
        timeout: 0,
        autoCommit: false,
        autoOffsetReset: 'earliest',
      })
    await consume('a')
    await consume('b')
    await kafka
      .producer()
      .produceMany(Array.from({ length: 40 }, (_, n) => ({ topic, value: `v${n}`, partition: n % 4 })))
    const [a, b] = [await consume('a'), await consume('b')]
    expect([...a, ...b].map(({ value }) => value).toSorted()).toEqual(
      Array.from({ length: 40 }, (_, n) => `v${n}`).toSorted(),
    )
    expect([
      new Set(a.map(({ partition }) => partition)).size,
      new Set(b.map(({ partition }) => partition)).size,
    ]).toEqual([2, 2])
    await kafka.consumer().commit({ consumerGroupId: topic, instanceId: 'a' })
    expect(await consume('a')).toEqual([])
    const committed = await kafka.admin().committedOffsets({
      consumerGroupId: topic,
      instanceId: 'a',
      topicPartitions: [
        { topic, partition: 0 },
        { topic, partition: 1 },
      ],
    })
    expect(committed.map(({ offset }) => offset)).toEqual([10, 10])
    expect((await kafka.admin().consumers()).find(({ name }) => name === topic)?.instances.length).toBe(2)
    await kafka.admin().removeConsumerInstance(topic, 'a')
    await kafka.producer().produceMany(Array.from({ length: 4 }, (_, n) => ({ topic, value: `w${n}`, partition: n })))
    expect((await consume('b')).map(({ value }) => value).toSorted()).toEqual(['w0', 'w1', 'w2', 'w3'])
  })
})

describe('a broker that dies', () => {
  it('gives what was not committed once more, and goes on from what was', async () => {
    const kafka = new Kafka(credentials)
    const topic = `group-${crypto.randomUUID()}`
    const group = { consumerGroupId: topic, instanceId: 'a' }
    const consume = async () => {
      const options = { topics: [topic], timeout: 0, autoCommit: false, autoOffsetReset: 'latest' as const }
      return (await kafka.consumer().consume({ ...group, ...options })).map(({ value }) => value)
    }
    const produce = (value: string) => kafka.producer().produce(topic, value, { partition: 0 })
    await produce('before the group')
    expect(await consume()).toEqual([])
    await crashBroker()
    await produce('one')
    expect(await consume()).toEqual(['one'])
    await crashBroker()
    expect(await consume()).toEqual(['one'])
    await kafka.consumer().commit(group)
    await crashBroker()
    await produce('two')
    expect(await consume()).toEqual(['two'])
  })

  async function crashBroker(): Promise<void> {
    await runInDurableObject(env.EMBEDDED_BROKER.getByName('broker'), (_broker, state) => state.abort('crash')).catch(
      () => undefined,
    )
  }
})

describe('credentials of the Kafka REST endpoint', () => {
  it.each([undefined, 'Basic !!!', `Basic ${btoa('rigel:wrong')}`, 'Bearer x'])(
    'are refused: %s',
    async (authorization) => {
      const response = await fetchRigel(
        '/_rig/kafka/topics',
        authorization === undefined ? {} : { headers: { authorization } },
      )
      expect(response.status).toBe(401)
    },
  )

  it.each([
    ['produce', {}, 400],
    ['produce', [], 400],
    ['produce', { topic: 'a b', value: 'v' }, 400],
    ['produce', { topic: 't', value: 'v', partition: 99 }, 400],
    ['produce', { topic: 't', value: 1 }, 400],
    ['fetch', {}, 400],
    ['fetch', { topic: 't', partition: 99, offset: 0 }, 404],
    ['fetch', { topic: 't', partition: 0, offset: -1 }, 400],
    ['offsets/yesterday', [{ topic: 't', partition: 0 }], 400],
    ['consume/g/i', {}, 400],
    ['commit/g/i', { topic: 't' }, 400],
    ['committed/g/i', [], 400],
    ['delete-consumer/g/nobody', null, 404],
    ['nonsense', {}, 404],
  ])('answers %s %j with %i and says why', async (path, body, status) => {
    const response = await post(path, body)
    expect(response.status).toBe(status)
    const { error, status: inBody } = await response.json<{ error: string; status: number }>()
    expect([error.length > 5, inBody]).toEqual([true, status])
  })

  it('answers what is not JSON with 400', async () => {
    const headers = { authorization: `Basic ${btoa('rigel:test')}` }
    const response = await fetchRigel('/_rig/kafka/produce', { method: 'POST', headers, body: '{' })
    expect(response.status).toBe(400)
  })
})
