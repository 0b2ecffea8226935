// A topic, and partitions of it, that come after Rigel: what is in them before they are found is news, wherever followers
// without a checkpoint start otherwise. Run: npm run test:kafka
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startCluster, type Cluster as KafkaCluster } from '../../scripts/kafka/cluster.ts'
import { IdempotentProducer } from '../../src/kafka/protocol/producer.ts'
import { connectRigelSocket, type Client } from '../e2e/clients.ts'
import { Rigel, until } from '../e2e/rigel.ts'
import { bytes, connectTo } from './connect.ts'
import { closeAllSockets } from './node-socket.ts'

const TYPE = 'late'
let kafka: KafkaCluster
let rigel: Rigel
let client: Client

const event = (id: string) => ({ specversion: '1.0', id, source: '/late', type: TYPE, data: { key: 'k', n: 1 } })
const sees = (id: string) => until(`${id} arrives`, () => client.seen.some((one) => one.id === id), 30_000)

void describe('with KAFKA_AUTO_OFFSET_RESET=latest', () => {
  before(async () => {
    kafka = await startCluster({ nodes: 1, port: 29_792, partitions: 1, sasl: false })
    rigel = await Rigel.start({ KAFKA_BROKERS: kafka.brokers.plain, KAFKA_AUTO_OFFSET_RESET: 'latest' })
    client = connectRigelSocket({ origin: rigel.origin, user: null, token: null, types: [TYPE], addressedTypes: [] })
    await until('it is connected', () => client.recovered.length > 0)
  })
  after(async () => {
    client?.close()
    closeAllSockets()
    await rigel?.end()
    await kafka?.stop()
  })

  void test('the event that makes the topic arrives', async () => {
    const response = await fetch(`${rigel.origin}/_rig/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(event('first')),
    })
    assert.equal(response.status, 202, await response.text())
    const asked = setInterval(() => void fetch(`${rigel.origin}/_rig/health`).catch(() => undefined), 500)
    await sees('first').finally(() => clearInterval(asked))
  })

  void test('what is in a new partition before it is found arrives', async () => {
    await kafka.tool('kafka-topics', ['--alter', '--topic', 'rig', '--partitions', '2'])
    const producer = new IdempotentProducer(connectTo(kafka.brokers.plain), 'none')
    await producer.produce([{ topic: 'rig', partition: 1, value: bytes(JSON.stringify(event('second'))) }])
    await fetch(`${rigel.origin}/cdn-cgi/local/scheduled`)
    await sees('second')
  })
})
