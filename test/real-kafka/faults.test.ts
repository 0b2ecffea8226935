// Rigel following a real Kafka through everything that goes wrong with one: nothing lost, nothing twice, the reason visible,
// and recovery by itself. Run: npm run test:kafka
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { user } from '../../scripts/kafka/properties.ts'
import { sleep, until } from '../e2e/rigel.ts'
import { BROADCAST, TOPIC } from './events.ts'
import { RigelOnKafka } from './rigel-on-kafka.ts'

/** How long a stopped broker says nothing: longer than a request is waited for. */
const SLOW_MS = 30_000

let rigelOnKafka: RigelOnKafka

void describe('a broker that asks who is there', () => {
  before(async () => {
    rigelOnKafka = await RigelOnKafka.start({ nodes: 1, port: 29_292, partitions: 2, sasl: true }, ({ brokers }) => ({
      KAFKA_BROKERS: brokers.sasl,
      KAFKA_SASL: `scram-sha-512:${user.username}:${user.password}`,
      KAFKA_GROUP_ID: 'rigel',
    }))
    await rigelOnKafka.connectClients()
  })
  after(() => rigelOnKafka?.end())

  void test('what Kafka’s console producer writes reaches every transport', async () => {
    const events = Array.from({ length: 20 }, (_, n) => {
      const data = { key: 'console', n }
      return `console\t${JSON.stringify({ specversion: '1.0', id: `c${n}`, source: '/c', type: BROADCAST, data })}`
    })
    const options = ['--reader-property', 'parse.key=true']
    await rigelOnKafka.kafka.tool('kafka-console-producer', ['--topic', TOPIC, ...options], events.join('\n'))
    await rigelOnKafka.settle()
  })

  void test('events posted over HTTP are in Kafka when the answer is 202', async () => {
    const event = { specversion: '1.0', id: 'http', source: '/h', type: BROADCAST, data: { key: 'http', n: 1 } }
    const response = await fetch(`${rigelOnKafka.rigel.origin}/_rig/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(event),
    })
    assert.equal(response.status, 202, await response.text())
    await rigelOnKafka.settle()
    assert.ok(rigelOnKafka.clients.every(({ seen }) => seen.some(({ id }) => id === 'http')))
  })

  void test('a POST that is repeated is stored once, also while it is under way', async () => {
    const post = async (headers: Readonly<Record<string, string>>, query: string) => {
      const event = { specversion: '1.0', id: 'repeated', source: '/e2e', type: 'repeated' }
      const response = await fetch(`${rigelOnKafka.rigel.origin}/_rig/v1/events${query}`, {
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
    await rigelOnKafka.kafka.tool('kafka-console-producer', ['--topic', TOPIC], 'this is no event\n')
    await rigelOnKafka.produce(2)
    await rigelOnKafka.settle()
    const options = '--topic rig-dead-letter --from-beginning --max-messages 1 --timeout-ms 20000'.split(' ')
    const letter = await rigelOnKafka.kafka.tool('kafka-console-consumer', [
      ...options,
      '--formatter-property',
      'print.headers=true',
    ])
    assert.match(letter, /rigel-reason:not a CloudEvent.*rigel-topic:rig.*this is no event/)
  })

  void test('the lag is what Kafka’s own tool shows for the group', async () => {
    await until('the group is at the end', async () => {
      const described = await rigelOnKafka.kafka.tool('kafka-consumer-groups', ['--describe', '--group', 'rigel'])
      const rows = described.split('\n').filter((line) => line.includes(` ${TOPIC} `))
      return rows.length === 2 && rows.every((row) => row.split(/\s+/)[5] === '0')
    })
  })

  void test('a broker that is killed in mid-stream, and comes back', async () => {
    const producing = rigelOnKafka.produce(40, 50)
    await sleep(500)
    await rigelOnKafka.kafka.signalNode(1, 'SIGKILL')
    await until('health tells the reason', async () => {
      const { status, body } = await rigelOnKafka.internal('health')
      return status === 503 && /rig\/\d: failed \d+ times: ConnectionError: Kafka: no connection to/.test(body)
    })
    await rigelOnKafka.kafka.startNode(1)
    await producing
    await rigelOnKafka.settle()
    await until('health is well', async () => (await rigelOnKafka.internal('health')).status === 200)
  })

  void test('a broker that is so slow that nothing is answered in time', { timeout: 180_000 }, async () => {
    await rigelOnKafka.produce(3)
    await rigelOnKafka.kafka.signalNode(1, 'SIGSTOP')
    const producing = rigelOnKafka.produce(5)
    await sleep(SLOW_MS)
    await rigelOnKafka.kafka.signalNode(1, 'SIGCONT')
    await producing
    await rigelOnKafka.settle()
  })

  void test('credentials that are revoked, and restored', { timeout: 180_000 }, async () => {
    const alter = (...change: readonly string[]) =>
      rigelOnKafka.kafka.tool('kafka-configs', [
        '--alter',
        '--entity-type',
        'users',
        '--entity-name',
        user.username,
        ...change,
      ])
    await alter('--delete-config', 'SCRAM-SHA-512')
    // Who is in stays in: Kafka looks at credentials when a connection begins.
    await rigelOnKafka.kafka.signalNode(1, 'SIGTERM')
    await rigelOnKafka.kafka.startNode(1)
    await rigelOnKafka.produce(3)
    await until('health tells the reason', async () => {
      const { body } = await rigelOnKafka.internal('health')
      return /AuthenticationError: Kafka: SCRAM-SHA-512: .*invalid credentials/i.test(body)
    })
    await alter('--add-config', `SCRAM-SHA-512=[password=${user.password}]`)
    await rigelOnKafka.settle()
  })

  void test('a topic that is deleted, and made anew', { timeout: 180_000 }, async () => {
    await rigelOnKafka.settle()
    for (const client of rigelOnKafka.clients) client.seen.length = 0
    await rigelOnKafka.kafka.tool('kafka-topics', ['--delete', '--topic', TOPIC])
    await until('health tells that it is gone', async () => {
      const { status, body } = await rigelOnKafka.internal('health')
      return status === 503 && /rig\/\d: failed \d+ times: there is no such topic or partition/.test(body)
    })
    await rigelOnKafka.kafka.tool('kafka-topics', ['--create', '--topic', TOPIC, '--partitions', '2'])
    await rigelOnKafka.produce(5)
    await rigelOnKafka.settle()
    await until('health is well', async () => (await rigelOnKafka.internal('health')).status === 200)
  })

  void test(
    'retention that overtakes the checkpoint is counted, and the rest comes',
    { timeout: 180_000 },
    async () => {
      await rigelOnKafka.settle()
      await rigelOnKafka.rigel.kill()
      await rigelOnKafka.produce(10)
      const file = `${rigelOnKafka.kafka.folder}/delete.json`
      const partitions = [0, 1].map((partition) => ({ topic: TOPIC, partition, offset: -1 }))
      writeFileSync(file, JSON.stringify({ partitions, version: 1 }))
      await rigelOnKafka.kafka.tool('kafka-delete-records', ['--offset-json-file', file])
      for (const client of rigelOnKafka.clients) client.seen.length = 0
      await rigelOnKafka.produce(3)
      await rigelOnKafka.rigel.start()
      const seen = () => rigelOnKafka.clients.map((client) => client.seen.length)
      await until('clients see what is left', () => seen().every((count) => count >= 3))
      assert.deepEqual(seen(), [6, 6, 6, 3, 3, 3])
      const { followers } = JSON.parse((await rigelOnKafka.internal('v3/followers')).body) as {
        followers: { topic: string; counters: { lost: number } | null }[]
      }
      assert.equal(
        followers.filter(({ topic }) => topic === TOPIC).reduce((sum, { counters }) => sum + (counters?.lost ?? 0), 0),
        20,
      )
    },
  )
})
