// A table that is filled from a compacted topic of a real Kafka, beside the follower that goes on with what comes, while the broker is
// killed: no row is missing, and none is as it was. Run: npm run test:kafka
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Kafka, logLevel, type Message, type Producer } from 'kafkajs'
import { startCluster, type Cluster as KafkaCluster } from '../../scripts/kafka/cluster.ts'
import { TRANSPORTS } from '../../scripts/soak/clients.ts'
import { tableOfEvents, type TableOfEvents } from '../../scripts/table-of-events.ts'
import { Rigel, sleep, until } from '../e2e/rigel.ts'
import { connectTo, readAll, text } from './connect.ts'
import { closeAllSockets } from './node-socket.ts'

const TOPIC = 'rows'
const TYPE = 'row'
const PARTITIONS = 2
/** So many, and so large, that a partition takes several fetches. */
const KEYS = 6_000
const ROUNDS = 3
const PADDING = 'x'.repeat(600)
const BATCH = 2_000
/** Kafka allows no smaller segments. It compacts all but the newest. */
const SEGMENT_BYTES = 1_048_576

let kafka: KafkaCluster
let rigel: Rigel
let producer: Producer
let changes = 0
const leaving = new AbortController()

before(async () => {
  kafka = await startCluster({ nodes: 1, port: 29_892, partitions: PARTITIONS, sasl: false })
  const policy = ['cleanup.policy=compact', `segment.bytes=${SEGMENT_BYTES}`, 'min.cleanable.dirty.ratio=0.01']
  const config = policy.flatMap((one) => ['--config', one])
  const shape = ['--topic', TOPIC, '--partitions', String(PARTITIONS)]
  await kafka.tool('kafka-topics', ['--create', ...shape, ...config])
  const retry = { retries: 60, initialRetryTime: 200, maxRetryTime: 1_000 }
  const client = new Kafka({ brokers: kafka.brokers.plain.split(','), logLevel: logLevel.NOTHING, retry })
  producer = client.producer({ idempotent: true, maxInFlightRequests: 1, retry })
  await producer.connect()
  for (let at = 0; at < KEYS * ROUNDS; at += BATCH)
    await change(Array.from({ length: BATCH }, (_, n) => (at + n) % KEYS))
  const settings = { KAFKA_SOURCE_TOPICS: TOPIC, TABLES: JSON.stringify({ [TYPE]: { topic: TOPIC } }) }
  rigel = await Rigel.start({ KAFKA_BROKERS: kafka.brokers.plain, KAFKA_AUTO_OFFSET_RESET: 'earliest', ...settings })
})

after(async () => {
  leaving.abort()
  await producer?.disconnect().catch(() => undefined)
  closeAllSockets()
  await rigel?.end()
  await kafka?.stop()
})

void test('a compacted topic fills a table beside the live follower, also if the broker is killed meanwhile', async () => {
  await until('the topic is compacted', async () => (await readRecords()).length < KEYS * ROUNDS)
  const tables = ['sse', 'rigel.v1', 'longpolling'].map(follow)
  await until('a client is there', () => tables.some(({ isConnected }) => isConnected()))
  const changing = changeForAWhile()
  await kafka.signalNode(1, 'SIGKILL')
  const complete = tables.filter(({ live }) => live.table.state === 'current')
  assert.deepEqual(complete.length, 0, 'the broker was killed while the table was filled')
  await sleep(500)
  await kafka.startNode(1)
  await changing
  const wanted = rowsOf(await readRecords())
  for (const { live, transport } of tables) {
    const isThere = () => live.table.state === 'current' && differences(live, wanted).length === 0
    await until(`the table is whole by ${transport}`, isThere, 30_000).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${live.table.state}, ${differences(live, wanted).slice(0, 5).join(' ')}`)
    })
  }
  assert.ok(wanted.size > KEYS / 2)
})

/** A client that comes back until the test ends. */
function follow(transport: string) {
  const live = tableOfEvents(TYPE)
  let [position, hasConnected]: [string | null, boolean] = [null, false]
  const connect = TRANSPORTS[transport]
  const run = async () => {
    const token = await rigel.mintToken('alice')
    while (!leaving.signal.aborted) {
      const session = { origin: rigel.origin, token, user: 'alice', types: [TYPE], hasState: true, position }
      await connect?.({
        ...session,
        signal: leaving.signal,
        pause: () => Promise.resolve(),
        onEvent: (event, at) => {
          hasConnected = true
          live.dispatch(event)
          position = at ?? position
        },
      }).catch(() => undefined)
      await sleep(200)
    }
  }
  void run()
  return { transport, live, isConnected: () => hasConnected }
}

async function changeForAWhile(): Promise<void> {
  for (let round = 0; round < 20; round += 1) {
    await change(Array.from({ length: 50 }, () => Math.floor(Math.random() * KEYS)))
    await sleep(50)
  }
}

/** Some rows are removed, by an event or by a tombstone. */
async function change(keys: readonly number[]): Promise<void> {
  const messages = keys.map((n): Message => {
    changes += 1
    const key = `key-${n}`
    if (changes % 17 === 0) return { key, value: null }
    const data = changes % 19 === 0 ? {} : { data: { n: changes, padding: PADDING } }
    const event = { specversion: '1.0', id: `${changes}`, source: '/test', type: TYPE, subject: key, ...data }
    return { key, value: JSON.stringify(event) }
  })
  await producer.send({ topic: TOPIC, acks: -1, messages })
}

async function readRecords() {
  const cluster = connectTo(kafka.brokers.plain)
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition)
  return (await Promise.all(partitions.map((partition) => readAll(cluster, TOPIC, partition)))).flat()
}

/** Key → id of its newest event. */
function rowsOf(records: Awaited<ReturnType<typeof readRecords>>): ReadonlyMap<string, string> {
  const rows = new Map<string, string>()
  for (const { key, value } of records) {
    const event = JSON.parse(text(value) ?? '{}') as { readonly id?: string; readonly data?: object }
    if (event.data === undefined) rows.delete(text(key) ?? '')
    else rows.set(text(key) ?? '', event.id ?? '')
  }
  return rows
}

function differences({ table }: TableOfEvents, wanted: ReadonlyMap<string, string>): readonly string[] {
  const keys = new Set([...wanted.keys(), ...table.rows.keys()])
  return [...keys].filter((key) => wanted.get(key) !== table.rows.get(key)?.id)
}
