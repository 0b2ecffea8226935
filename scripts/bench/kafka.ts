// Following a real Kafka by its protocol: a backlog, beside kafkajs's own consumer in Node reading the same topic; and one
// event from producer to client, beside a bare kafkajs consumer that writes to a bare WebSocket.
// Needs Java 17, as `npm run kafka` does.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel } from 'kafkajs'
import { WebSocket } from 'ws'
import { startCluster, type Cluster } from '../kafka/cluster.ts'
import { millisecondsOf, quantileOf, quick, type Figure } from './figure.ts'
import { ANY, startRig, type Rig } from './rig.ts'

const PORT = 29_492
const PARTITIONS = 4
const RECORDS = quick ? 100_000 : 1_000_000
const RECORD_BYTES = 1_000
const USERS = 100
const SAMPLES = quick ? 100 : 500
const BACKLOG = 'backlog'
const LATENCY = 'latency'

export async function kafka(): Promise<readonly Figure[]> {
  const cluster = await startCluster({ nodes: 1, port: PORT, partitions: PARTITIONS, sasl: false })
  try {
    return [...(await backlog(cluster)), ...(await latency(cluster))]
  } finally {
    await cluster.stop()
  }
}

const startFollowing = (cluster: Cluster, topic: string, reset: 'earliest' | 'latest'): Promise<Rig> =>
  startRig({
    KAFKA_BROKERS: cluster.brokers.plain,
    KAFKA_SOURCE_TOPICS: topic,
    KAFKA_AUTO_OFFSET_RESET: reset,
    INTERNAL_TOKEN: 'a-token-of-the-bench',
  })

const kafkajs = (cluster: Cluster) =>
  new Kafka({ brokers: cluster.brokers.plain.split(','), logLevel: logLevel.NOTHING })

/** Beside two consumers: one that counts, and one that does the least that could be called the same. */
async function backlog(cluster: Cluster): Promise<readonly Figure[]> {
  await cluster.tool('kafka-topics', ['--create', '--topic', BACKLOG, '--partitions', String(PARTITIONS)])
  await fill(cluster)
  await consumeAll(cluster, 'warm-up', null)
  const counting = await consumeAll(cluster, 'counting', null)
  const rigel = await followAll(cluster)
  const storing = await consumeAll(cluster, 'storing', createStore(cluster))
  const what = `${RECORDS.toLocaleString('en')} records of 1 kB from Kafka into shards`
  const beside = (figure: string, bare: number) => ({ figure, rigel, bare, unit: 'records/s', ratio: rigel / bare })
  return [
    { ...beside(`${what}, beside kafkajs counting`, counting), goal: 0.5 },
    beside(`${what}, beside kafkajs parsing and storing`, storing),
  ]
}

async function followAll(cluster: Cluster): Promise<number> {
  const rig = await startFollowing(cluster, BACKLOG, 'earliest')
  const ms = await millisecondsOf(() => followedAll(rig))
  rig.stop()
  return (RECORDS / ms) * 1_000
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

/** Records a second, from the first batch on: what comes before is joining a group, which Rigel has none of. */
async function consumeAll(
  cluster: Cluster,
  groupId: string,
  take: ((values: readonly string[]) => void) | null,
): Promise<number> {
  const consumer = kafkajs(cluster).consumer({ groupId })
  await consumer.connect()
  await consumer.subscribe({ topic: BACKLOG, fromBeginning: true })
  let count = 0
  let startedMs = 0
  const { promise: isDone, resolve } = Promise.withResolvers<number>()
  await consumer.run({
    eachBatchAutoResolve: true,
    eachBatch: async ({ batch }) => {
      startedMs ||= performance.now()
      take?.(batch.messages.map(({ value }) => String(value)))
      count += batch.messages.length
      if (count >= RECORDS) resolve(performance.now() - startedMs)
    },
  })
  const ms = await isDone
  await consumer.disconnect()
  return (count / ms) * 1_000
}

/** A rig begins to follow with its first request, which has been answered. */
async function followedAll(rig: Rig): Promise<void> {
  for (;;) {
    const records = await recordsOf(rig)
    if (records >= RECORDS) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function recordsOf(rig: Rig): Promise<number> {
  const headers = { authorization: 'Bearer a-token-of-the-bench' }
  const response = await fetch(`${rig.origin}/_rig/api/v3/followers`, { headers })
  const { followers } = (await response.json()) as { followers: { counters: { records: number } | null }[] }
  return followers.reduce((sum, { counters }) => sum + (counters?.records ?? 0), 0)
}

async function latency(cluster: Cluster): Promise<readonly Figure[]> {
  await cluster.tool('kafka-topics', ['--create', '--topic', LATENCY, '--partitions', '1'])
  const rig = await startFollowing(cluster, LATENCY, 'latest')
  const bare = await startBareConsumer(cluster)
  const producer = kafkajs(cluster).producer()
  await producer.connect()
  const ours = await open(`${rig.wsOrigin}/_rig/v1/connection/ws?subscriptions=${ANY('bench')}`)
  const plain = await open(bare.url)
  const send = (id: string) => {
    const event = { specversion: '1.0', id, source: '/bench', type: 'bench', data: 'x'.repeat(30) }
    return producer.send({ topic: LATENCY, acks: -1, messages: [{ value: JSON.stringify(event) }] })
  }
  await bothFollow([ours, plain], send)
  const samples: { rigel: number[]; bare: number[] } = { rigel: [], bare: [] }
  for (let n = 0; n < SAMPLES; n += 1) {
    const startedMs = performance.now()
    const arrivals = [arrivalOf(ours, `sample-${n}`), arrivalOf(plain, `sample-${n}`)]
    await send(`sample-${n}`)
    const [rigel = 0, kafkajsOnly = 0] = (await Promise.all(arrivals)).map((atMs) => atMs - startedMs)
    samples.rigel.push(rigel)
    samples.bare.push(kafkajsOnly)
  }
  await producer.disconnect()
  ours.terminate()
  plain.terminate()
  bare.stop()
  rig.stop()
  return [0.5, 0.99].map((quantile) => {
    const [rigel, plainMs] = [quantileOf(samples.rigel, quantile), quantileOf(samples.bare, quantile)]
    const figure = `Kafka to WebSocket, p${quantile * 100}, beside kafkajs and ws`
    return { figure, rigel, bare: plainMs, unit: 'ms', ratio: rigel / plainMs, goal: 2 }
  })
}

/** Both begin at the end of the topic, whenever that is: what is produced before is for nobody. */
async function bothFollow(sockets: readonly WebSocket[], send: (id: string) => Promise<unknown>): Promise<void> {
  const isFollowing = Promise.all(sockets.map((socket) => arrivalOf(socket, 'warm-up')))
  const isOver = isFollowing.then(() => true)
  while (!(await Promise.race([isOver, new Promise((resolve) => setTimeout(resolve, 100, false))])))
    await send('warm-up')
  for (let n = 0; n < 20; n += 1) {
    const arrivals = Promise.all(sockets.map((socket) => arrivalOf(socket, `warm-${n}`)))
    await send(`warm-${n}`)
    await arrivals
  }
}

async function startBareConsumer(cluster: Cluster): Promise<{ readonly url: string; stop(): void }> {
  const script = fileURLToPath(new URL('bare-consumer.ts', import.meta.url))
  const child = spawn(process.execPath, [script, cluster.brokers.plain, LATENCY], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  process.once('exit', () => child.kill())
  const [port] = (await once(child.stdout, 'data')) as [Buffer]
  return { url: `ws://127.0.0.1:${port.toString().trim()}`, stop: () => void child.kill() }
}

async function open(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { perMessageDeflate: false })
  await once(socket, 'open')
  return socket
}

function arrivalOf(socket: WebSocket, id: string): Promise<number> {
  return new Promise((resolve) => {
    const onMessage = (data: Buffer) => {
      if (!data.includes(`"id":"${id}"`)) return
      socket.off('message', onMessage)
      resolve(performance.now())
    }
    socket.on('message', onMessage)
  })
}
