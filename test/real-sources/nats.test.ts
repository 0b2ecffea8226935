// Rigel following JetStream, with a real nats-server, through everything that goes wrong with one: nothing lost, nothing
// twice, the reason visible, and recovery by itself; and requests published to NATS. Run: npm run test:sources
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { NatsServer } from '../../scripts/sources/nats-server.ts'
import { sleep, until } from '../e2e/rigel.ts'
import { BROADCAST } from '../real-kafka/events.ts'
import { RigelOnSource } from './rigel-on-source.ts'

const PORT = 20_710
const TOPIC = 'nats:orders'

/** Longer than Rigel waits for a pull. */
const HANG_MS = 20_000

/** Records that a purge takes. */
const NEVER_READ = 7

const API = {
  id: 'publishing',
  routes: {
    'POST /orders': { target: 'nats:requests' },
    'POST /questions': { target: 'nats:questions', response_from: 'nats' },
    'POST /nobody': { target: 'nats:nobody', response_from: 'nats' },
  },
}

let nats: NatsServer
let connection: NatsConnection
let rigelOnSource: RigelOnSource

void describe('JetStream', () => {
  before(async () => {
    nats = await NatsServer.start({ port: PORT })
    connection = await connect({ servers: `127.0.0.1:${PORT}`, maxReconnectAttempts: -1, reconnectTimeWait: 200 })
    const manager = await jetstreamManager(connection)
    await manager.streams.add({ name: 'ORDERS', subjects: ['orders', 'others', 'requests'] })
    const variables = {
      NATS_SERVERS: `127.0.0.1:${PORT}`,
      NATS_SOURCE_TOPICS: 'orders',
      PROXY_NATS_RESPONSE_TIMEOUT: '2000',
      PROXY_CONFIG: JSON.stringify([API]),
    }
    rigelOnSource = await RigelOnSource.start(variables, 20_720, async (id, _key, json) => {
      for (;;) {
        try {
          await jetstream(connection).publish('orders', json, { msgID: id, timeout: 2_000 })
          return
        } catch {
          await sleep(200)
        }
      }
    })
    await rigelOnSource.connectClients()
  })
  after(async () => {
    await rigelOnSource?.end()
    await connection?.close()
    await nats?.stop()
  })

  void test('what the official client publishes reaches every transport, once and in order', async () => {
    await rigelOnSource.events.produce(20)
    await rigelOnSource.settle()
  })

  void test('events posted over HTTP go by the embedded log, beside', async () => {
    const event = { specversion: '1.0', id: 'http', source: '/h', type: BROADCAST, data: { key: 'http', n: 1 } }
    const response = await fetch(`${rigelOnSource.rigel.origin}/_rig/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(event),
    })
    assert.equal(response.status, 202, await response.text())
    rigelOnSource.events.all.push(event)
    await rigelOnSource.settle()
  })

  void test('a server that is killed in mid-stream, and comes back', async () => {
    const producing = rigelOnSource.events.produce(40, 50)
    await sleep(500)
    await nats.signal('SIGKILL')
    await until('health tells the reason', async () => {
      const { body, status } = await rigelOnSource.internal('health')
      return status === 503 && /nats:orders\/0: failed \d+ times: Error: NATS: no connection to 127/.test(body)
    })
    await nats.start()
    await producing
    await rigelOnSource.settle()
    await until('health is well', async () => (await rigelOnSource.internal('health')).status === 200)
  })

  void test('a server that hangs, and goes on', async () => {
    const producing = rigelOnSource.events.produce(20, 50)
    await sleep(300)
    await nats.signal('SIGSTOP')
    await sleep(HANG_MS)
    await nats.signal('SIGCONT')
    await producing
    await rigelOnSource.settle()
  })

  void test('Rigel is killed in mid-stream, and starts again', async () => {
    const producing = rigelOnSource.events.produce(60, 50)
    await sleep(800)
    await rigelOnSource.rigel.kill()
    await sleep(1_000)
    await rigelOnSource.rigel.start()
    await producing
    await rigelOnSource.settle()
  })

  void test('what is no event becomes a dead letter with its reason and origin, and what is behind it comes', async () => {
    await jetstream(connection).publish('orders', 'this is no event')
    await rigelOnSource.events.produce(2)
    await rigelOnSource.settle()
    const { body } = await rigelOnSource.internal('v3/dead-letters')
    const { dead_letters: letters } = JSON.parse(body) as {
      readonly dead_letters: readonly {
        readonly origin: { readonly topic: string }
        readonly reason: string
        readonly value: unknown
      }[]
    }
    assert.equal(letters.length, 1)
    assert.deepEqual(letters[0]?.value, { text: 'this is no event' })
    assert.equal(letters[0]?.origin.topic, TOPIC)
  })

  void test('the lag is what the stream has more than was read', async () => {
    await until('the follower is at the end', async () => {
      const [follower] = await rigelOnSource.followers(TOPIC)
      return follower?.lag === 0
    })
  })

  void test('what a purge takes before it was read is counted as lost, and what comes then is read', async () => {
    const manager = await jetstreamManager(connection)
    await rigelOnSource.rigel.kill()
    for (let n = 0; n < NEVER_READ; n += 1) await jetstream(connection).publish('orders', `{"never": "read"}`)
    await manager.streams.purge('ORDERS')
    await rigelOnSource.events.produce(2)
    await rigelOnSource.rigel.start()
    await rigelOnSource.settle()
    // At least: the checkpoint is stored once a second, so what was read just before the kill may be counted as well.
    await until('the loss is counted', async () => (await lostRecords()) >= NEVER_READ)
  })

  void test('a purge of what was read loses nothing', async () => {
    const lostBefore = await lostRecords()
    const manager = await jetstreamManager(connection)
    await manager.streams.purge('ORDERS')
    await rigelOnSource.events.produce(2)
    await rigelOnSource.settle()
    assert.equal(await lostRecords(), lostBefore)
  })

  void test('a stream that is deleted and made anew is read from its start', async () => {
    const manager = await jetstreamManager(connection)
    await manager.streams.delete('ORDERS')
    await manager.streams.add({ name: 'ORDERS', subjects: ['orders', 'others', 'requests'] })
    await rigelOnSource.events.produce(3)
    await rigelOnSource.settle(90_000)
  })

  void test('a request is published to a subject', async () => {
    const response = await post('/orders', {
      specversion: '1.0',
      id: 'r1',
      source: '/r',
      type: 'order',
      data: { n: 1 },
    })
    assert.equal(response.status, 202, await response.text())
    const manager = await jetstreamManager(connection)
    const stored = await manager.streams.getMessage('ORDERS', { last_by_subj: 'requests' })
    const event = stored?.json<{ readonly id: string; readonly rig: { readonly path: string } }>()
    assert.equal(event?.id, 'r1')
    assert.equal(event.rig.path, '/orders')
  })

  void test('a request waits for the reply of a service, by NATS’s own request and reply', async () => {
    const service = connection.subscribe('questions', {
      callback: (_error, message) => {
        const trace = message.headers?.get('traceparent')
        const mediaType = message.headers?.get('content-type')
        message.respond(JSON.stringify({ answer: message.json<{ data: unknown }>().data, trace, mediaType }))
      },
    })
    const response = await post('/questions', { specversion: '1.0', id: 'q1', source: '/q', type: 'q', data: 42 })
    const { trace, ...answer } = (await response.json()) as { trace: string }
    assert.deepEqual(
      [response.status, answer],
      [200, { answer: 42, mediaType: 'application/cloudevents+json; charset=utf-8' }],
    )
    assert.match(trace, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    assert.equal(response.headers.get('content-type'), 'application/json')
    service.unsubscribe()
  })

  void test('a request that no service answers: 504 when it does not reply, 503 when there is none', async () => {
    const silent = connection.subscribe('questions', { callback: () => undefined })
    const event = { specversion: '1.0', id: 'q2', source: '/q', type: 'q' }
    assert.equal((await post('/questions', event)).status, 504)
    assert.equal((await post('/nobody', event)).status, 503)
    silent.unsubscribe()
  })
})

async function lostRecords(): Promise<number> {
  return (await rigelOnSource.followers(TOPIC))[0]?.counters?.lost ?? 0
}

function post(path: string, event: object): Promise<Response> {
  return fetch(`${rigelOnSource.rigel.origin}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(event),
  })
}
