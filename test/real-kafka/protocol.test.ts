// The Kafka protocol as src/kafka/protocol speaks it, against a real broker and what Kafka's own tools write. In Node, by
// Node's sockets: the same in workerd is test/kafka/brokers.kafka.test.ts. Run: npm run test:kafka
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { randomBytes } from 'node:crypto'
import { Kafka, logLevel } from 'kafkajs'
import { produce as produceApi } from '../../src/kafka/protocol/api/produce.ts'
import { commitOffset } from '../../src/kafka/protocol/commit-offset.ts'
import { fetchToken } from '../../src/kafka/protocol/auth/oauth.ts'
import { PartitionFetcher } from '../../src/kafka/protocol/partition-fetcher.ts'
import { IdempotentProducer } from '../../src/kafka/protocol/producer.ts'
import { encodeBatch } from '../../src/kafka/protocol/record-batch.ts'
import { oauthBearer, plain, scram } from '../../src/kafka/protocol/auth/sasl.ts'
import { startCluster, type Cluster as KafkaCluster } from '../../scripts/kafka/cluster.ts'
import { user } from '../../scripts/kafka/properties.ts'
import { closeAllSockets, createOldOpener } from './node-socket.ts'
import { bytes, connectTo, isRecords, readAll, text } from './connect.ts'

const PORT = 29_192
let kafka: KafkaCluster
let topics = 0

before(async () => {
  kafka = await startCluster({ nodes: 1, port: PORT, partitions: 1, sasl: true })
})
after(async () => {
  closeAllSockets()
  await kafka?.stop()
})

async function newTopic(...options: readonly string[]): Promise<string> {
  const topic = `protocol-${(topics += 1)}`
  await kafka.tool('kafka-topics', ['--create', '--topic', topic, ...options])
  return topic
}

const lines = (count: number, width: number) =>
  Array.from({ length: count }, (_, n) => `${n}:`.padEnd(width, String(n % 10)))

function kafkajs() {
  return new Kafka({ clientId: 'test', brokers: kafka.brokers.plain.split(','), logLevel: logLevel.NOTHING })
}

void describe('compression', () => {
  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
    void test(`reads what Kafka’s console producer wrote with ${codec}`, async () => {
      const topic = await newTopic()
      const wanted = lines(3_000, 100)
      await kafka.tool('kafka-console-producer', ['--topic', topic, '--compression-codec', codec], wanted.join('\n'))
      const records = await readAll(connectTo(kafka.brokers.plain), topic)
      assert.deepEqual(
        records.map(({ value }) => text(value)),
        wanted,
      )
    })
  }

  for (const codec of ['none', 'gzip', 'zstd'] as const) {
    void test(`Kafka’s console consumer reads what was produced with ${codec}`, async () => {
      const topic = await newTopic()
      const values = lines(500, 300)
      const producer = new IdempotentProducer(connectTo(kafka.brokers.plain), codec)
      await producer.produce(values.map((value) => ({ topic, key: bytes('k'), value: bytes(value) })))
      const options = '--from-beginning --max-messages 500 --timeout-ms 10000'.split(' ')
      const read = await kafka.tool('kafka-console-consumer', ['--topic', topic, ...options])
      assert.deepEqual(read.trim().split('\n'), values)
    })
  }

  void test('a batch that is much larger than the limit comes in parts, in order, none twice', async () => {
    const topic = await newTopic()
    const wanted = lines(2_000, 400)
    const producer = new IdempotentProducer(connectTo(kafka.brokers.plain), 'gzip')
    await producer.produce(wanted.map((value) => ({ topic, value: bytes(value) })))
    const records = await readAll(connectTo(kafka.brokers.plain), topic, 0, 0, 10_000)
    assert.deepEqual(
      records.map(({ value }) => text(value)),
      wanted,
    )
    assert.deepEqual(
      (await readAll(connectTo(kafka.brokers.plain), topic, 0, 1_234)).map(({ offset }) => offset)[0],
      1_234,
    )
  })

  void test('a batch that becomes too large for memory is one record that says so, and what is behind it comes', async () => {
    const topic = await newTopic()
    const cluster = connectTo(kafka.brokers.plain)
    const producer = new IdempotentProducer(cluster, 'zstd')
    await producer.produce([{ topic, value: new Uint8Array(50_400_000) }])
    await producer.produce([{ topic, value: bytes('behind') }])
    const [bomb, behind] = await readAll(cluster, topic)
    assert.deepEqual([bomb?.offset, bomb?.value, text(behind?.value)], [0, null, 'behind'])
    assert.equal(bomb?.headers[0]?.key, 'rigel-unreadable')
    assert.match(text(bomb?.headers[0]?.value) ?? '', /^offsets 0 to 0 cannot be read: RangeError/)
  })

  void test('a batch of a few bytes with very many records comes in parts, none lost, none twice', async () => {
    const topic = await newTopic()
    const cluster = connectTo(kafka.brokers.plain)
    const records = Array.from({ length: 180_000 }, () => ({ topic, value: null, timestampMs: Date.now() }))
    const batch = encodeBatch(records, { producerId: -1, epoch: -1, sequence: -1 }, 'zstd')
    const request = { timeoutMs: 10_000, topics: [{ topic, partitions: [{ partition: 0, batch }] }] }
    const at = { topic, partition: 0 }
    const answers = await cluster.withLeader(at, 'control', (connection) =>
      connection.send(produceApi, request, 20_000),
    )
    assert.equal(answers?.[0]?.errorCode, 0)
    const first = await new PartitionFetcher(cluster).fetch({ ...at, offset: 0 }, { maxWaitMs: 0, maxBytes: 1_048_576 })
    assert.ok(isRecords(first) && first.records.length === 50_000 && first.next === 50_000)
    const offsets = (await readAll(cluster, topic)).map(({ offset }) => offset)
    assert.deepEqual([offsets.length, offsets.every((offset, index) => offset === index)], [180_000, true])
  })
})

void describe('authentication', () => {
  const mechanisms = {
    PLAIN: (credentials: typeof user) => plain(credentials),
    'SCRAM-SHA-256': (credentials: typeof user) => scram('SHA-256', credentials, randomBytes),
    'SCRAM-SHA-512': (credentials: typeof user) => scram('SHA-512', credentials, randomBytes),
  }
  for (const [name, mechanism] of Object.entries(mechanisms)) {
    void test(`${name} lets in who knows the password, and nobody else`, async () => {
      const topic = await newTopic()
      assert.deepEqual(await connectTo(kafka.brokers.sasl, { mechanism: mechanism(user) }).partitions(topic), [0])
      const wrong = connectTo(kafka.brokers.sasl, { mechanism: mechanism({ ...user, password: 'wrong' }) })
      await assert.rejects(wrong.partitions(topic), { name: 'AuthenticationError', message: new RegExp(name) })
    })
  }

  void test('OAUTHBEARER takes the token of an authorization server', async () => {
    const topic = await newTopic()
    const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const nowSeconds = Math.floor(Date.now() / 1_000)
    const token = `${base64({ alg: 'none' })}.${base64({ sub: 'rigel', iat: nowSeconds, exp: nowSeconds + 600 })}.`
    const asked: string[] = []
    const server = createServer((request, response) => {
      asked.push(String(request.headers.authorization))
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ access_token: token }))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const credentials = { clientId: 'id', clientSecret: 'secret:with colon', scope: 'kafka' }
    const getToken = () => fetchToken({ tokenUrl: `http://127.0.0.1:${port}/`, ...credentials }, fetch)
    assert.deepEqual(await connectTo(kafka.brokers.sasl, { mechanism: oauthBearer(getToken) }).partitions(topic), [0])
    assert.deepEqual(asked, [`Basic ${Buffer.from('id:secret%3Awith%20colon').toString('base64')}`])
    const forged = connectTo(kafka.brokers.sasl, { mechanism: oauthBearer(async () => 'no.token.') })
    await assert.rejects(forged.partitions(topic), { name: 'AuthenticationError' })
    server.close()
  })

  void test('a mechanism that the broker does not know is named, with those it knows', async () => {
    const gssapi = { name: 'GSSAPI', begin: () => async () => null }
    await assert.rejects(connectTo(kafka.brokers.sasl, { mechanism: gssapi }).partitions('any'), {
      message: /does not accept GSSAPI, only .*SCRAM-SHA-512/,
    })
  })
})

void describe('transactions', () => {
  void test('what was aborted, or is still open, is not seen, and offsets go on behind it', async () => {
    const topic = await newTopic()
    const producer = kafkajs().producer({ transactionalId: 'tx', maxInFlightRequests: 1, idempotent: true })
    await producer.connect()
    const send = async (value: string, end: 'commit' | 'abort' | null) => {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [{ value }] })
      if (end !== null) await transaction[end]()
      return transaction
    }
    await send('a', 'commit')
    await send('b', 'abort')
    await send('c', 'commit')
    const open = await send('d', null)
    const cluster = connectTo(kafka.brokers.plain)
    const values = async () => (await readAll(cluster, topic)).map(({ value, offset }) => [offset, text(value)])
    // Each transaction ends in a marker, which takes an offset.
    assert.deepEqual(await values(), [
      [0, 'a'],
      [4, 'c'],
    ])
    assert.deepEqual(await new PartitionFetcher(cluster).offsets({ topic, partition: 0 }), { earliest: 0, latest: 6 })
    await open.commit()
    await producer.disconnect()
    assert.deepEqual(await values(), [
      [0, 'a'],
      [4, 'c'],
      [6, 'd'],
    ])
  })

  void test('a partition that ends in markers only is read to its end, and not for ever', async () => {
    const topic = await newTopic()
    const producer = kafkajs().producer({ transactionalId: 'tx2', maxInFlightRequests: 1, idempotent: true })
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: [{ value: 'x' }] })
    await transaction.abort()
    await producer.disconnect()
    const fetcher = new PartitionFetcher(connectTo(kafka.brokers.plain))
    const limits = { maxWaitMs: 200, maxBytes: 1_000 }
    const fetched = await fetcher.fetch({ topic, partition: 0, offset: 0 }, limits)
    assert.deepEqual(
      [fetched.kind === 'records' && fetched.records, fetched.kind === 'records' && fetched.next],
      [[], 2],
    )
  })
})

void describe('the life of a topic', () => {
  void test('a compacted topic has gaps, and tombstones come as null', { timeout: 90_000 }, async () => {
    const settings = {
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.01',
      'max.compaction.lag.ms': '100',
      'delete.retention.ms': '600000',
    }
    const topic = await newTopic(...Object.entries(settings).flatMap(([key, value]) => ['--config', `${key}=${value}`]))
    const producer = new IdempotentProducer(connectTo(kafka.brokers.plain), 'none')
    const put = (key: string, value: string | null) =>
      producer.produce([{ topic, key: bytes(key), value: value === null ? null : bytes(value) }])
    for (const [key, value] of [
      ['a', '1'],
      ['b', '1'],
      ['a', '2'],
      ['b', null],
    ] as const)
      await put(key, value)
    const cluster = connectTo(kafka.brokers.plain)
    for (;;) {
      // The cleaner leaves the active segment alone, so each look begins another.
      await put('last', 'x')
      const records = await readAll(cluster, topic)
      const left = records.filter(({ key }) => text(key) !== 'last')
      if (left.length > 2) continue
      assert.deepEqual(
        left.map(({ offset, key, value }) => [offset, text(key), text(value)]),
        [
          [2, 'a', '2'],
          [3, 'b', null],
        ],
      )
      return
    }
  })

  void test('an offset that retention has taken is out of range, and the range is told', async () => {
    const topic = await newTopic()
    const cluster = connectTo(kafka.brokers.plain)
    await new IdempotentProducer(cluster, 'none').produce(lines(10, 5).map((value) => ({ topic, value: bytes(value) })))
    const file = `${kafka.folder}/delete.json`
    const { writeFileSync } = await import('node:fs')
    writeFileSync(file, JSON.stringify({ partitions: [{ topic, partition: 0, offset: 6 }], version: 1 }))
    await kafka.tool('kafka-delete-records', ['--offset-json-file', file])
    const fetched = await new PartitionFetcher(cluster).fetch(
      { topic, partition: 0, offset: 2 },
      { maxWaitMs: 0, maxBytes: 1 },
    )
    assert.equal(fetched.kind, 'offset_out_of_range')
    assert.deepEqual(fetched.kind === 'offset_out_of_range' && [fetched.earliest, fetched.latest], [6, 10])
  })

  void test('a topic that is made anew has another id, even where the old offset exists again', async () => {
    const topic = await newTopic()
    const cluster = connectTo(kafka.brokers.plain)
    const fetcher = new PartitionFetcher(cluster)
    const produce = () =>
      new IdempotentProducer(connectTo(kafka.brokers.plain), 'none').produce([{ topic, value: bytes('old') }])
    const limits = { maxWaitMs: 0, maxBytes: 1_000 }
    await produce()
    const first = await fetcher.fetch({ topic, partition: 0, offset: 0 }, limits)
    assert.ok(first.kind === 'records' && first.topicId)
    await kafka.tool('kafka-topics', ['--delete', '--topic', topic])
    const at = { topic, partition: 0, offset: 1, topicId: first.topicId }
    assert.deepEqual(await fetcher.fetch(at, limits), { kind: 'unknown_topic_or_partition' })
    await kafka.tool('kafka-topics', ['--create', '--topic', topic])
    await produce()
    const again = await fetcher.fetch(at, limits)
    assert.ok(again.kind === 'offset_out_of_range' && again.topicId !== first.topicId)
    assert.deepEqual([again.earliest, again.latest], [0, 1])
  })

  void test('partitions that are added are seen', async () => {
    const topic = await newTopic('--partitions', '1')
    const cluster = connectTo(kafka.brokers.plain)
    assert.deepEqual(await cluster.partitions(topic), [0])
    await kafka.tool('kafka-topics', ['--alter', '--topic', topic, '--partitions', '3'])
    assert.deepEqual(await cluster.partitions(topic), [0, 1, 2])
    assert.deepEqual(await cluster.partitions('not-there'), [])
  })
})

void describe('producing', () => {
  void test('thousands of small produces at once are batched, stored once each, in the order of each caller', async () => {
    const topic = await newTopic('--partitions', '3')
    const producer = new IdempotentProducer(connectTo(kafka.brokers.plain), 'none')
    const calls = Array.from({ length: 3_000 }, (_, n) => n)
    const places = await Promise.all(
      calls.map((n) => producer.produce([{ topic, key: bytes(`k${n % 7}`), value: bytes(String(n)) }])),
    )
    const cluster = connectTo(kafka.brokers.plain)
    const read = (await Promise.all([0, 1, 2].map((partition) => readAll(cluster, topic, partition)))).flat()
    const byPlace = new Map(read.map(({ partition, offset, value }) => [`${partition}/${offset}`, text(value)]))
    assert.deepEqual(
      places.map(([place]) => byPlace.get(`${place?.partition}/${place?.offset}`)),
      calls.map(String),
    )
    assert.equal(read.length, calls.length)
    for (let key = 0; key < 7; key += 1) {
      const ofKey = read.filter((one) => text(one.key) === `k${key}`).map(({ value }) => Number(text(value)))
      assert.deepEqual(
        ofKey,
        ofKey.toSorted((a, b) => a - b),
      )
    }
  })

  void test('a batch larger than the broker takes goes in halves; a record that is, is refused by name', async () => {
    const topic = await newTopic('--config', 'max.message.bytes=20000')
    const producer = new IdempotentProducer(connectTo(kafka.brokers.plain), 'none')
    await producer.produce(lines(300, 200).map((value) => ({ topic, value: bytes(value) })))
    assert.equal((await readAll(connectTo(kafka.brokers.plain), topic)).length, 300)
    await assert.rejects(producer.produce([{ topic, value: new Uint8Array(30_000) }]), { message: /MESSAGE_TOO_LARGE/ })
    await producer.produce([{ topic, value: bytes('after') }])
    assert.equal(text((await readAll(connectTo(kafka.brokers.plain), topic)).at(-1)?.value), 'after')
  })

  void test('headers, nulls and timestamps are as they were given', async () => {
    const topic = await newTopic()
    const producer = new IdempotentProducer(connectTo(kafka.brokers.plain), 'none')
    const headers = [
      { key: 'h', value: bytes('1') },
      { key: 'h', value: new Uint8Array() },
    ]
    await producer.produce([
      { topic, key: null, value: bytes('v'), headers, timestampMs: 1_700_000_000_123 },
      { topic, key: bytes('k'), value: null, timestampMs: 1_600_000_000_000 },
    ])
    const [first, second] = await readAll(connectTo(kafka.brokers.plain), topic)
    assert.deepEqual(
      [first?.timestampMs, first?.key, first?.headers.map(({ key, value }) => [key, text(value)])],
      [
        1_700_000_000_123,
        null,
        [
          ['h', '1'],
          ['h', ''],
        ],
      ],
    )
    assert.deepEqual([second?.timestampMs, text(second?.key), second?.value], [1_600_000_000_000, 'k', null])
  })
})

void test('a committed position is the lag that Kafka’s own tool shows', async () => {
  const topic = await newTopic()
  const cluster = connectTo(kafka.brokers.plain)
  await new IdempotentProducer(cluster, 'none').produce(lines(10, 5).map((value) => ({ topic, value: bytes(value) })))
  await commitOffset(cluster, 'rigel-group', { topic, partition: 0, offset: 7 })
  const described = await kafka.tool('kafka-consumer-groups', ['--describe', '--group', 'rigel-group'])
  const row = described
    .split('\n')
    .find((line) => line.includes(topic))
    ?.split(/\s+/)
  assert.deepEqual(row?.slice(1, 6), [topic, '0', '7', '10', '3'])
})

const OLDEST = { 0: 3, 1: 4, 2: 2, 3: 4, 8: 2, 10: 1, 22: 0 }

for (const [name, newest] of Object.entries({
  'the oldest versions that it says it speaks': OLDEST,
  'versions that Azure Event Hubs spoke in 2022': { ...OLDEST, 0: 7, 1: 6, 3: 5, 10: 2, 22: null },
  'one version less than the newest': { 0: 8, 1: 12, 2: 6, 3: 11, 8: 7, 10: 2, 22: 3 },
})) {
  void test(`produces, fetches, asks and commits in ${name}`, async () => {
    const topic = await newTopic('--partitions', '2')
    const cluster = connectTo(kafka.brokers.plain, { open: createOldOpener(newest) })
    assert.deepEqual(await cluster.partitions(topic), [0, 1])
    const producer = new IdempotentProducer(cluster, 'none')
    const headers = [{ key: 'h', value: bytes('1') }]
    for (const value of ['a', 'b']) await producer.produce([{ topic, partition: 1, value: bytes(value), headers }])
    const records = await readAll(cluster, topic, 1)
    assert.deepEqual(
      records.map(({ offset, value, headers: [first] }) => [offset, text(value), first?.key]),
      [
        [0, 'a', 'h'],
        [1, 'b', 'h'],
      ],
    )
    const fetcher = new PartitionFetcher(cluster)
    assert.deepEqual(await fetcher.offsets({ topic, partition: 1 }), { earliest: 0, latest: 2 })
    const past = await fetcher.fetch({ topic, partition: 1, offset: 9 }, { maxWaitMs: 0, maxBytes: 1_000 })
    assert.equal(past.kind, 'offset_out_of_range')
    await commitOffset(cluster, topic, { topic, partition: 1, offset: 1 })
    const described = await kafka.tool('kafka-consumer-groups', ['--describe', '--group', topic])
    assert.match(described, new RegExp(`${topic}\\s+${topic}\\s+1\\s+1\\s+2\\s+1`))
  })
}
