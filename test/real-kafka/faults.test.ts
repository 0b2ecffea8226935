// Rigel following a real Kafka through everything that goes wrong with one: nothing lost, nothing twice, the reason visible,
// and recovery by itself. Run: npm run test:kafka
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { user } from '../../scripts/kafka/properties.ts'
import { sleep, until } from '../e2e/rigel.ts'
import { BROADCAST, TOPIC } from './events.ts'
import { World } from './world.ts'

/** How long a stopped broker says nothing: longer than a request is waited for. */
const SLOW_MS = 30_000

let world: World

void describe('a broker that asks who is there', () => {
  before(async () => {
    world = await World.start({ nodes: 1, port: 29_292, partitions: 2, sasl: true }, ({ brokers }) => ({
      KAFKA_BROKERS: brokers.sasl,
      KAFKA_SASL: `scram-sha-512:${user.username}:${user.password}`,
      KAFKA_GROUP_ID: 'rigel',
    }))
    await world.connectClients()
  })
  after(() => world?.end())

  void test('what Kafka’s console producer writes reaches every transport', async () => {
    const events = Array.from({ length: 20 }, (_, n) => {
      const data = { key: 'console', n }
      return `console\t${JSON.stringify({ specversion: '1.0', id: `c${n}`, source: '/c', type: BROADCAST, data })}`
    })
    const options = ['--reader-property', 'parse.key=true']
    await world.kafka.tool('kafka-console-producer', ['--topic', TOPIC, ...options], events.join('\n'))
    await world.settle()
  })

  void test('events posted over HTTP are in Kafka when the answer is 202', async () => {
    const event = { specversion: '1.0', id: 'http', source: '/h', type: BROADCAST, data: { key: 'http', n: 1 } }
    const response = await fetch(`${world.rigel.origin}/_rig/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(event),
    })
    assert.equal(response.status, 202, await response.text())
    await world.settle()
    assert.ok(world.clients.every(({ seen }) => seen.some(({ id }) => id === 'http')))
  })

  void test('a POST that is repeated is stored once, also while it is under way', async () => {
    const post = async (headers: Readonly<Record<string, string>>, query: string) => {
      const event = { specversion: '1.0', id: 'repeated', source: '/e2e', type: 'repeated' }
      const response = await fetch(`${world.rigel.origin}/_rig/v1/events${query}`, {
        method: 'POST',
        headers: { 'content-type': 'application/cloudevents+json', ...headers },
        body: JSON.stringify(event),
      })
      return (await response.json()) as { offset: number; duplicate?: true }
    }
    for (const [headers, query] of [
      [{ 'idempotency-key': 'once' }, ''],
      [{}, '?dedupe=id'],
    ] as const) {
      const [first, second] = await Promise.all([post(headers, query), post(headers, query)])
      const third = await post(headers, query)
      assert.equal(new Set([first, second, third].map(({ offset }) => offset)).size, 1, query)
      assert.equal([first, second, third].filter(({ duplicate }) => duplicate).length, 2, query)
    }
  })

  void test('a poison record at the head goes to the dead-letter topic with its reason, and what is behind it comes', async () => {
    await world.kafka.tool('kafka-console-producer', ['--topic', TOPIC], 'this is no event\n')
    await world.produce(2)
    await world.settle()
    const options = '--topic rig-dead-letter --from-beginning --max-messages 1 --timeout-ms 20000'.split(' ')
    const letter = await world.kafka.tool('kafka-console-consumer', [
      ...options,
      '--formatter-property',
      'print.headers=true',
    ])
    assert.match(letter, /rigel-reason:not a CloudEvent.*rigel-topic:rig.*this is no event/)
  })

  void test('the lag is what Kafka’s own tool shows for the group', async () => {
    await until('the group is at the end', async () => {
      const described = await world.kafka.tool('kafka-consumer-groups', ['--describe', '--group', 'rigel'])
      const rows = described.split('\n').filter((line) => line.includes(` ${TOPIC} `))
      return rows.length === 2 && rows.every((row) => row.split(/\s+/)[5] === '0')
    })
  })

  void test('a broker that is killed in mid-stream, and comes back', async () => {
    const producing = world.produce(40, 50)
    await sleep(500)
    await world.kafka.signalNode(1, 'SIGKILL')
    await until('health tells the reason', async () => {
      const { status, body } = await world.internal('health')
      return status === 503 && /rig\/\d: failed \d+ times: ConnectionError: Kafka: no connection to/.test(body)
    })
    await world.kafka.startNode(1)
    await producing
    await world.settle()
    await until('health is well', async () => (await world.internal('health')).status === 200)
  })

  void test('a broker that is so slow that nothing is answered in time', { timeout: 180_000 }, async () => {
    await world.produce(3)
    await world.kafka.signalNode(1, 'SIGSTOP')
    const producing = world.produce(5)
    await sleep(SLOW_MS)
    await world.kafka.signalNode(1, 'SIGCONT')
    await producing
    await world.settle()
  })

  void test('credentials that are revoked, and restored', { timeout: 180_000 }, async () => {
    const alter = (...change: readonly string[]) =>
      world.kafka.tool('kafka-configs', [
        '--alter',
        '--entity-type',
        'users',
        '--entity-name',
        user.username,
        ...change,
      ])
    await alter('--delete-config', 'SCRAM-SHA-512')
    // Who is in stays in: Kafka looks at credentials when a connection begins.
    await world.kafka.signalNode(1, 'SIGTERM')
    await world.kafka.startNode(1)
    await world.produce(3)
    await until('health tells the reason', async () => {
      const { body } = await world.internal('health')
      return /AuthenticationError: Kafka: SCRAM-SHA-512: .*invalid credentials/i.test(body)
    })
    await alter('--add-config', `SCRAM-SHA-512=[password=${user.password}]`)
    await world.settle()
  })

  void test('a topic that is deleted, and made anew', { timeout: 180_000 }, async () => {
    await world.settle()
    for (const client of world.clients) client.seen.length = 0
    await world.kafka.tool('kafka-topics', ['--delete', '--topic', TOPIC])
    await until('health tells that it is gone', async () => {
      const { status, body } = await world.internal('health')
      return status === 503 && /rig\/\d: failed \d+ times: there is no such topic or partition/.test(body)
    })
    await world.kafka.tool('kafka-topics', ['--create', '--topic', TOPIC, '--partitions', '2'])
    await world.produce(5)
    await world.settle()
    await until('health is well', async () => (await world.internal('health')).status === 200)
  })

  void test(
    'retention that overtakes the checkpoint is counted, and the rest comes',
    { timeout: 180_000 },
    async () => {
      await world.settle()
      await world.rigel.kill()
      await world.produce(10)
      const file = `${world.kafka.folder}/delete.json`
      const partitions = [0, 1].map((partition) => ({ topic: TOPIC, partition, offset: -1 }))
      writeFileSync(file, JSON.stringify({ partitions, version: 1 }))
      await world.kafka.tool('kafka-delete-records', ['--offset-json-file', file])
      for (const client of world.clients) client.seen.length = 0
      await world.produce(3)
      await world.rigel.start()
      const seen = () => world.clients.map((client) => client.seen.length)
      await until('clients see what is left', () => seen().every((count) => count >= 3))
      assert.deepEqual(seen(), [6, 6, 6, 3, 3, 3])
      const { followers } = JSON.parse((await world.internal('v3/followers')).body) as {
        followers: { topic: string; counters: { lost: number } | null }[]
      }
      assert.equal(
        followers.filter(({ topic }) => topic === TOPIC).reduce((sum, { counters }) => sum + (counters?.lost ?? 0), 0),
        20,
      )
    },
  )
})
