// Rigel following a real Kafka through REST proxies, of every dialect at the same time, and through everything that goes
// wrong with a proxy and behind it: nothing lost, nothing twice, the order kept, the reason visible, recovery by itself,
// and no consumer instance left behind. The proxies are stand-ins (scripts/kafka/bridge.ts). Run: npm run test:kafka
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { BridgeDialect, BridgeOptions } from '../../scripts/kafka/bridge-options.ts'
import { startCluster, type Cluster as KafkaCluster } from '../../scripts/kafka/cluster.ts'
import { connectRigelSocket, connectSse, type Client } from '../e2e/clients.ts'
import { sleep, until, type Rigel } from '../e2e/rigel.ts'
import { BridgeProcess } from './bridge-process.ts'
import { ADDRESSED, BROADCAST, settle, TOPIC, TopicOfEvents } from './events.ts'
import { closeAllSockets } from './node-socket.ts'
import { askInternal, createTopics, startRigel } from './rigel-on-kafka.ts'

const PARTITIONS = 2
/** Of a test: what goes wrong is said, and the others are tried. */
const TIMEOUT_MS = 90_000
const CREDENTIALS = `Basic ${btoa('rigel:secret')}`

interface Way extends Omit<BridgeOptions, 'dialect' | 'port'> {
  readonly dialect: BridgeDialect
  readonly port: number
}

/** Each dialect in a setting of its own: two proxies that need no affinity, by cookie, one, two with names of their own. */
const WAYS: readonly Way[] = [
  { dialect: 'redpanda', port: 29_610, replicas: 2 },
  { dialect: 'confluent', port: 29_620, replicas: 2, sticky: true },
  { dialect: 'karapace', port: 29_630 },
  { dialect: 'strimzi', port: 29_640, replicas: 2, baseUri: 'reachable' },
]

/** One Rigel for each, and a client of it. */
interface Following extends Way {
  readonly rigel: Rigel
  readonly client: Client
  /** What it said to each event that it was asked to publish. */
  readonly answers: Map<string, number>
}

let kafka: KafkaCluster
let bridges: BridgeProcess
let events: TopicOfEvents
let starting: readonly Promise<Following>[] = []
let all: readonly Following[] = []
let posted = 0

async function follow(way: Way): Promise<Following> {
  const { dialect, port } = way
  const reachable = { KAFKA_REST_INSTANCE_HOSTS: `127.0.0.1:${port + 1},127.0.0.1:${port + 2}` }
  const variables = {
    KAFKA_REST_URL: `http://127.0.0.1:${port}`,
    KAFKA_REST_USERNAME: 'rigel',
    KAFKA_REST_PASSWORD: 'secret',
    ...(way.baseUri === 'reachable' ? reachable : {}),
  }
  const rigel = await startRigel(variables, port + 5)
  const options = { origin: rigel.origin, user: null, token: null, types: [BROADCAST], addressedTypes: [ADDRESSED] }
  const client = (dialect === 'karapace' ? connectSse : connectRigelSocket)(options)
  return { ...way, rigel, client: { ...client, name: `${client.name} by ${dialect}` }, answers: new Map() }
}

const forEach = (act: (one: Following) => Promise<unknown>) => Promise.all(all.map((one) => act(one)))

async function settleAll(): Promise<void> {
  const stored = await events.read()
  await settle(
    all.map(({ client }) => client),
    stored,
  )
  const ids = new Set(stored.map(({ id }) => id))
  const accepted = all.flatMap(({ answers }) => [...answers].flatMap(([id, status]) => (status === 202 ? [id] : [])))
  assert.deepEqual(
    accepted.filter((id) => !ids.has(id)),
    [],
    'what was accepted is in Kafka',
  )
}

async function post({ answers, dialect, rigel }: Following): Promise<number> {
  const n = (posted += 1)
  const [id, key] = [`${dialect}-${n}`, `http-${dialect}`]
  const event = { specversion: '1.0', id, source: '/http', type: BROADCAST, partitionkey: key, data: { key, n } }
  const response = await fetch(`${rigel.origin}/_rig/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify(event),
  })
  const text = await response.text()
  answers.set(id, response.status)
  if (response.status === 202) assert.match(text, /"offset":\d+/)
  return response.status
}

/** One after the other until told to stop; resolves to what was said to each. */
async function keepPosting(one: Following, ending: AbortSignal): Promise<readonly number[]> {
  const statuses: number[] = []
  while (!ending.aborted) {
    statuses.push(await post(one))
    await sleep(100)
  }
  return statuses
}

/** Of every Rigel: what it says of itself while something is wrong. */
const healthTells = (reason: RegExp) =>
  forEach(({ dialect, rigel }) =>
    until(`health tells the reason by ${dialect}: ${reason}`, async () => {
      const { body, status } = await askInternal(rigel, 'health')
      return status === 503 && reason.test(body)
    }),
  )

const isWell = () =>
  forEach(({ dialect, rigel }) =>
    until(`health is well by ${dialect}`, async () => (await askInternal(rigel, 'health')).status === 200),
  )

/** Of every partition one that reads, and no others: what was lost or replaced is ended, if its proxy lives. */
const hasNoStrays = () =>
  forEach(async ({ dialect }) => {
    const wanted = dialect === 'redpanda' ? 0 : PARTITIONS
    let alive = -1
    const isSo = async () => (alive = (await bridges.state(dialect)).instances) === wanted
    await until(`${dialect} has ${wanted} instances`, isSo, 15_000).catch(() => assert.equal(alive, wanted, dialect))
  })

async function isPublishedAgain(one: Following): Promise<void> {
  await until(`events are taken by ${one.dialect}`, async () => (await post(one)) === 202)
}

void describe('REST proxies before a real Kafka', () => {
  // Rigel is there before its proxy.
  before(async () => {
    starting = WAYS.map((way) => follow(way))
    const following = Promise.all(starting)
    following.catch(() => undefined)
    kafka = await startCluster({ nodes: 1, port: 29_600, partitions: PARTITIONS, sasl: false })
    await createTopics(kafka, 1)
    const common = { authorization: CREDENTIALS, brokers: [kafka.brokers.plain] }
    bridges = new BridgeProcess(WAYS.map((way) => ({ ...way, ...common })))
    await bridges.start()
    events = new TopicOfEvents(kafka.brokers.plain)
    all = await following
    await events.produce(1)
    await until('every client sees the first event', async () => {
      // Whatever is asked of it, it looks again for topics that were not there.
      await forEach(({ rigel }) => askInternal(rigel, 'health'))
      return all.every(({ client }) => client.seen.length > 0)
    })
  })
  after(async () => {
    const started = (await Promise.allSettled(starting)).filter((one) => one.status === 'fulfilled')
    for (const { value } of started) value.client.close()
    await events?.disconnect()
    closeAllSockets()
    await Promise.all(started.map(({ value }) => value.rigel.end()))
    await bridges?.signal('SIGKILL')
    await kafka?.stop()
  })

  void test(
    'events posted over HTTP are in Kafka when the answer is 202, and are seen',
    { timeout: TIMEOUT_MS },
    async () => {
      await forEach(async (one) => assert.equal(await post(one), 202, one.dialect))
      await settleAll()
      await hasNoStrays()
    },
  )

  void test(
    'a proxy that is killed in mid-stream, and comes back without its instances',
    { timeout: TIMEOUT_MS },
    async () => {
      const producing = events.produce(60, 30)
      const ending = new AbortController()
      const posting = all.map((one) => keepPosting(one, ending.signal))
      await sleep(500)
      await bridges.signal('SIGKILL')
      await healthTells(/rig\/\d: failed \d+ times: KafkaRestError: Kafka REST proxy 127\.0\.0\.1:\d+: /)
      await sleep(500)
      await bridges.start()
      await producing
      ending.abort()
      for (const statuses of await Promise.all(posting)) {
        assert.ok(
          statuses.some((status) => status >= 500),
          `refused while it was gone: ${statuses.join()}`,
        )
      }
      await forEach(isPublishedAgain)
      await settleAll()
      await isWell()
      await hasNoStrays()
    },
  )

  void test('a broker that is killed behind a proxy that stays, and comes back', { timeout: TIMEOUT_MS }, async () => {
    const producing = events.produce(20, 30)
    await sleep(300)
    await kafka.signalNode(1, 'SIGKILL')
    const refused = forEach(async (one) => assert.notEqual(await post(one), 202, one.dialect))
    await healthTells(/rig\/\d: failed \d+ times: KafkaRestError: Kafka REST proxy 127\.0\.0\.1:\d+: .*HTTP 500/)
    await refused
    await kafka.startNode(1)
    await producing
    await forEach(isPublishedAgain)
    await settleAll()
    await isWell()
    await hasNoStrays()
  })

  void test('a proxy that takes connections and says nothing, and recovers', { timeout: TIMEOUT_MS }, async () => {
    await bridges.signal('SIGSTOP')
    const producing = events.produce(5)
    const posting = forEach(async (one) => [one.dialect, await post(one)])
    await healthTells(/rig\/\d: failed \d+ times: KafkaRestError: .*TimeoutError/)
    await bridges.signal('SIGCONT')
    await producing
    await posting
    await forEach(isPublishedAgain)
    await settleAll()
    await isWell()
    await hasNoStrays()
  })

  void test('credentials that are refused, and taken again', { timeout: TIMEOUT_MS }, async () => {
    await forEach(({ dialect }) => bridges.command(dialect, { expect: `Basic ${btoa('rigel:another')}` }))
    await events.produce(3)
    await forEach(async (one) => assert.ok((await post(one)) >= 500, one.dialect))
    await healthTells(/rig\/\d: failed \d+ times: KafkaRestError: .*HTTP 401.*Unauthorized/)
    await forEach(({ dialect }) => bridges.command(dialect, { expect: CREDENTIALS }))
    await settleAll()
    await isWell()
    await hasNoStrays()
  })

  void test('one of two proxies behind an address that dies, and then the other', { timeout: TIMEOUT_MS }, async () => {
    const pairs = all.filter(({ replicas }) => replicas === 2)
    for (const dying of [0, 1]) {
      const producing = events.produce(20, 20)
      await sleep(200)
      await Promise.all(pairs.map(({ dialect }) => bridges.command(dialect, { stopReplica: dying })))
      await producing
      await Promise.all(pairs.map(isPublishedAgain))
      await settleAll()
      await Promise.all(pairs.map(({ dialect }) => bridges.command(dialect, { startReplica: dying })))
    }
    await isWell()
    await hasNoStrays()
  })

  void test('a topic that is deleted behind a proxy, and made anew', { timeout: TIMEOUT_MS }, async () => {
    await settleAll()
    for (const { answers, client } of all) {
      client.seen.length = 0
      answers.clear()
    }
    await kafka.tool('kafka-topics', ['--delete', '--topic', TOPIC])
    await forEach(async (one) => assert.notEqual(await post(one), 202, one.dialect))
    await kafka.tool('kafka-topics', ['--create', '--topic', TOPIC, '--partitions', String(PARTITIONS)])
    await events.produce(3)
    await forEach(isPublishedAgain)
    await settleAll()
    await isWell()
    await hasNoStrays()
  })

  void test(
    'a Rigel that is killed and started again ends the instances that it left',
    { timeout: TIMEOUT_MS },
    async () => {
      // These keep an instance for ever.
      const killed = all.filter(({ dialect }) => dialect === 'karapace' || dialect === 'strimzi')
      await Promise.all(killed.map(({ rigel }) => rigel.kill()))
      await events.produce(3)
      await Promise.all(killed.map(({ rigel }) => rigel.start()))
      await settleAll()
      await hasNoStrays()
    },
  )
})
