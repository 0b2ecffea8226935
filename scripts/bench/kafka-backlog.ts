// A backlog of a real Kafka, by each adapter, beside kafkajs's own consumer in Node reading the same topic.
import { writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { ConsumerRunConfig } from 'kafkajs'
import { createBridge } from '../kafka/bridge.ts'
import type { Cluster } from '../kafka/cluster.ts'
import { KafkaBackend } from '../kafka/kafka-backend.ts'
import { millisecondsOf, quick, type Figure } from './figure.ts'
import { kafkajs, PARTITIONS, startFollowing, untilFollowed } from './kafka-rig.ts'
import { call, cpuMsOf, startRig, type Rig } from './rig.ts'

const RECORDS = quick ? 100_000 : 1_000_000
const REST_RECORDS = quick ? 20_000 : 100_000
const RECORD_BYTES = 1_000
const USERS = 100
const BACKLOG = 'backlog'

type Took = (records: number) => void

/** What kafkajs's consumer does with records, least first. Its documentation has `eachMessage`; `eachBatch` is for more speed. */
const consumers = (cluster: Cluster): Readonly<Record<string, (took: Took) => ConsumerRunConfig>> => {
  const store = createStore(cluster)
  return {
    'counting batches': (took) => ({ eachBatch: async ({ batch }) => took(batch.messages.length) }),
    'counting messages': (took) => ({ eachMessage: async () => took(1) }),
    'parsing messages': (took) => ({
      eachMessage: async ({ message }) => {
        JSON.parse(String(message.value))
        took(1)
      },
    }),
    'parsing messages and storing batches': (took) => ({
      eachBatch: async ({ batch }) => {
        store(batch.messages.map(({ value }) => String(value)))
        took(batch.messages.length)
      },
    }),
  }
}

/** For two workerds. */
const GOAL_PER_SECOND = 200_000

/** In one workerd, which is one thread, and in two, of which one has the shards. */
export async function kafkaBacklog(cluster: Cluster): Promise<readonly Figure[]> {
  await cluster.tool('kafka-topics', ['--create', '--topic', BACKLOG, '--partitions', String(PARTITIONS)])
  await fill(cluster)
  const bare = await ratesOfConsumers(cluster)
  const source = { KAFKA_BROKERS: cluster.brokers.plain }
  const inOne = await followAll(RECORDS, source)
  const inTwo = await followInTwo(cluster, source)
  const byProtocol = { 'the protocol, in one workerd': inOne, 'the protocol, in two': inTwo.perSecond }
  const byHttp = { ...(await byRest(cluster)), ...(await byEmbeddedLog()) }
  return [
    ...inTwo.figures,
    ...Object.entries(byProtocol).flatMap(([adapter, rate]) =>
      bare.map((consumer) => ({ ...figureOf(adapter, rate, consumer), goal: 0.5 })),
    ),
    ...Object.entries(byHttp).flatMap(([adapter, rate]) =>
      bare.slice(0, 1).map((consumer) => figureOf(adapter, rate, consumer)),
    ),
  ]
}

interface Rate {
  readonly name: string
  readonly perSecond: number
}

/** The first runs twice, for the broker's files are read from disk once. */
async function ratesOfConsumers(cluster: Cluster): Promise<readonly Rate[]> {
  const rates: Rate[] = []
  const [first, ...others] = Object.entries(consumers(cluster))
  if (first !== undefined) await consumeAll(cluster, 'warm-up', first[1])
  for (const [name, toConfig] of first === undefined ? others : [first, ...others]) {
    rates.push({ name, perSecond: await consumeAll(cluster, name, toConfig) })
  }
  return rates
}

function figureOf(adapter: string, rigel: number, { name, perSecond: bare }: Rate): Figure {
  return {
    figure: `a backlog by ${adapter}, beside kafkajs ${name}`,
    rigel,
    bare,
    unit: 'records/s',
  }
}

interface FollowOptions {
  readonly topic?: string
  /** Has the shards. It is stopped. */
  readonly shards?: Rig
  /** Called before both are stopped. */
  readonly done?: (rig: Rig) => void
}

/** Records a second into shards: here, or those of another rig. */
async function followAll(
  records: number,
  source: Readonly<Record<string, string>>,
  { done, shards, topic = BACKLOG }: FollowOptions = {},
): Promise<number> {
  const rig = await startFollowing(topic, 'earliest', { ...source, ...(shards && { SHARDS_AT: shards.debugAddress }) })
  const ms = await millisecondsOf(() => untilFollowed(rig, records))
  done?.(rig)
  rig.stop()
  shards?.stop()
  return (records / ms) * 1_000
}

/**
 * In two workerds, and what a record costs each process. On two cores the sum is what bounds the rate: Kafka, both workerds and
 * this process share them.
 */
async function followInTwo(
  cluster: Cluster,
  source: Readonly<Record<string, string>>,
): Promise<{ readonly perSecond: number; readonly figures: readonly Figure[] }> {
  const shards = await startRig()
  const [kafkaMs, shardsMs] = [cpuMsOfKafka(cluster), shards.cpuMs()]
  const costs: Record<string, number> = {}
  const perSecond = await followAll(RECORDS, source, {
    shards,
    done: (rig) => {
      costs['the follower’s workerd, with its start'] = rig.cpuMs()
      costs['the shards’ workerd'] = shards.cpuMs() - shardsMs
      costs['Kafka'] = cpuMsOfKafka(cluster) - kafkaMs
    },
  })
  const figures = Object.entries(costs).map(([name, cpuMs]): Figure => {
    return { figure: `CPU a record, in two workerds: ${name}`, rigel: (cpuMs * 1_000) / RECORDS, unit: 'µs' }
  })
  const rate = { rigel: perSecond, unit: 'records/s', absoluteGoal: GOAL_PER_SECOND }
  return { perSecond, figures: [{ figure: 'a backlog by the protocol, in two workerds', ...rate }, ...figures] }
}

function cpuMsOfKafka(cluster: Cluster): number {
  return cluster.pids().reduce((sum, pid) => sum + cpuMsOf({ pid }), 0)
}

/** By what speaks HTTP: fewer records, for the way is longer. Proxies are stand-ins, so this is the adapter's bound, and theirs. */
async function byRest(cluster: Cluster): Promise<Readonly<Record<string, number>>> {
  const rates: Record<string, number> = {}
  const backend = await KafkaBackend.connect(cluster.brokers.plain.split(','))
  for (const dialect of ['redpanda', 'confluent', 'karapace', 'strimzi'] as const) {
    const bridge = await createBridge(backend, { dialect })
    const KAFKA_REST_URL = `http://127.0.0.1:${bridge.port}`
    rates[`REST, stand-in for ${dialect}`] = await followAll(REST_RECORDS, {
      KAFKA_REST_URL,
      KAFKA_REST_DIALECT: dialect,
    })
    await bridge.stop()
  }
  await backend.disconnect()
  return rates
}

/** Another Rigel's embedded log, by HTTP and directly. */
async function byEmbeddedLog(): Promise<Readonly<Record<string, number>>> {
  const login = { KAFKA_USERNAME: 'bench', KAFKA_PASSWORD: 'bench' }
  const source = await startRig({ ...login, KAFKA_SOURCE_TOPICS: 'none', KAFKA_PARTITIONS: String(PARTITIONS) })
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    await call(source, `produce?partition=${partition}&count=${REST_RECORDS / PARTITIONS}&bytes=${RECORD_BYTES}`)
  }
  const upstash = {
    UPSTASH_KAFKA_REST_URL: `${source.origin}/_rig/kafka`,
    UPSTASH_KAFKA_REST_USERNAME: login.KAFKA_USERNAME,
    UPSTASH_KAFKA_REST_PASSWORD: login.KAFKA_PASSWORD,
  }
  const rate = await followAll(REST_RECORDS, upstash, { topic: 'bench' })
  source.stop()
  return { 'Upstash’s dialect, of an embedded log': rate }
}

/** Each value is parsed, and each batch is a row of SQLite, in a transaction of its own, as a shard's. */
function createStore(cluster: Cluster): (values: readonly string[]) => void {
  const database = new DatabaseSync(`${cluster.folder}/store.sqlite`)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE batches (body TEXT NOT NULL)')
  const insert = database.prepare('INSERT INTO batches VALUES (?)')
  return (values) => {
    for (const value of values) JSON.parse(value)
    insert.run(values.join(''))
  }
}

/** By Kafka's own producer, from lines that it chooses among. */
async function fill(cluster: Cluster): Promise<void> {
  const file = `${cluster.folder}/payload`
  const lines = Array.from({ length: USERS }, (_, n) => {
    const data = { recipients: [`user-${n}`], text: '' }
    const event = { specversion: '1.0', id: `${n}`, source: '/bench', type: 'backlog', data }
    data.text = 'x'.repeat(RECORD_BYTES - JSON.stringify(event).length)
    return JSON.stringify(event)
  })
  writeFileSync(file, `${lines.join('\n')}\n`)
  const options = ['--num-records', String(RECORDS), '--throughput', '-1', '--payload-file', file]
  await cluster.tool('kafka-producer-perf-test', ['--topic', BACKLOG, ...options])
}

/** Records a second, from the first on: what comes before is joining a group, which Rigel has none of. */
async function consumeAll(
  cluster: Cluster,
  groupId: string,
  toConfig: (took: Took) => ConsumerRunConfig,
): Promise<number> {
  const consumer = kafkajs(cluster).consumer({ groupId })
  await consumer.connect()
  await consumer.subscribe({ topic: BACKLOG, fromBeginning: true })
  let count = 0
  let startedMs = 0
  const { promise: isDone, resolve } = Promise.withResolvers<number>()
  const took: Took = (records) => {
    startedMs ||= performance.now()
    count += records
    if (count >= RECORDS) resolve(performance.now() - startedMs)
  }
  await consumer.run(toConfig(took))
  const ms = await isDone
  await consumer.disconnect()
  return (count / ms) * 1_000
}
