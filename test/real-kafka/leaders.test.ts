// Three brokers: leaders that die, move and come back while events flow. Run: npm run test:kafka
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { sleep, until } from '../e2e/rigel.ts'
import { connectTo } from './connect.ts'
import { TOPIC } from './events.ts'
import { RigelOnKafka } from './rigel-on-kafka.ts'

let rigelOnKafka: RigelOnKafka

void describe('a cluster of three', () => {
  before(async () => {
    rigelOnKafka = await RigelOnKafka.start({ nodes: 3, port: 29_392, partitions: 2, sasl: false }, ({ brokers }) => ({
      KAFKA_BROKERS: brokers.plain,
      KAFKA_COMPRESSION: 'zstd',
    }))
    await rigelOnKafka.connectClients()
  })
  after(() => rigelOnKafka?.end())

  const leaderOf = async (partition: number): Promise<number> => {
    const leader = await connectTo(rigelOnKafka.kafka.brokers.plain).leader({ topic: TOPIC, partition })
    assert.ok(leader)
    return leader.broker.id
  }

  void test('the leader of a partition is killed, and comes back', { timeout: 120_000 }, async () => {
    const producing = rigelOnKafka.produce(60, 50)
    await sleep(500)
    const killed = await leaderOf(0)
    await rigelOnKafka.kafka.signalNode(killed, 'SIGKILL')
    await until('another one leads', async () => (await leaderOf(0)) !== killed)
    await sleep(1_000)
    await rigelOnKafka.kafka.startNode(killed)
    await producing
    await rigelOnKafka.settle()
  })

  void test('leaderships are handed over by a broker that is stopped', { timeout: 120_000 }, async () => {
    const producing = rigelOnKafka.produce(60, 50)
    await sleep(500)
    const stopped = await leaderOf(1)
    await rigelOnKafka.kafka.signalNode(stopped, 'SIGTERM')
    await until('another one leads', async () => (await leaderOf(1)) !== stopped)
    await rigelOnKafka.kafka.startNode(stopped)
    await producing
    await rigelOnKafka.settle()
  })

  void test('leaders move back where they belong while nobody is down', { timeout: 120_000 }, async () => {
    const producing = rigelOnKafka.produce(40, 50)
    await rigelOnKafka.kafka.tool('kafka-leader-election', ['--election-type', 'PREFERRED', '--all-topic-partitions'])
    await producing
    await rigelOnKafka.settle()
  })

  void test(
    'events posted over HTTP while the leader dies are stored once each if they were answered with 202',
    { timeout: 120_000 },
    async () => {
      const killed = await leaderOf(0)
      const post = async (n: number): Promise<number> => {
        const event = { specversion: '1.0', id: `p${n}`, source: '/p', type: 'test.posted', data: { key: `p${n}`, n } }
        const response = await fetch(`${rigelOnKafka.rigel.origin}/_rig/v1/events`, {
          method: 'POST',
          headers: { 'content-type': 'application/cloudevents+json' },
          body: JSON.stringify(event),
        })
        await response.text()
        return response.status
      }
      const posting = Array.from({ length: 60 }, async (_, n) => {
        await sleep(n * 30)
        return post(n)
      })
      await sleep(300)
      await rigelOnKafka.kafka.signalNode(killed, 'SIGKILL')
      const statuses = await Promise.all(posting)
      await rigelOnKafka.kafka.startNode(killed)
      assert.deepEqual([...new Set(statuses)], [202])
      const stored = await rigelOnKafka.readTopic()
      const ids = stored.filter(({ type }) => type === 'test.posted').map(({ id }) => id)
      assert.deepEqual(ids.toSorted(), Array.from({ length: 60 }, (_, n) => `p${n}`).toSorted())
    },
  )

  void test('partitions that are added are followed', { timeout: 180_000 }, async () => {
    await rigelOnKafka.kafka.tool('kafka-topics', ['--alter', '--topic', TOPIC, '--partitions', '4'])
    // The cron finds them.
    await fetch(`${rigelOnKafka.rigel.origin}/cdn-cgi/local/scheduled`)
    await rigelOnKafka.produce(20)
    await rigelOnKafka.settle()
    const { followers } = JSON.parse((await rigelOnKafka.internal('v3/followers')).body) as {
      followers: { topic: string; partition: number }[]
    }
    assert.deepEqual(
      followers.filter(({ topic }) => topic === TOPIC).map(({ partition }) => partition),
      [0, 1, 2, 3],
    )
  })
})
