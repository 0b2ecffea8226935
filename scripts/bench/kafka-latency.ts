// One event from a producer to a client, beside a bare kafkajs consumer that writes to a bare WebSocket.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'
import type { Cluster } from '../kafka/cluster.ts'
import { quantileOf, quick, type Figure } from './figure.ts'
import { kafkajs, startFollowing } from './kafka-rig.ts'
import { ANY } from './rig.ts'

const SAMPLES = quick ? 100 : 500
const LATENCY = 'latency'

export async function kafkaLatency(cluster: Cluster): Promise<readonly Figure[]> {
  await cluster.tool('kafka-topics', ['--create', '--topic', LATENCY, '--partitions', '1'])
  const rig = await startFollowing(LATENCY, 'latest', { KAFKA_BROKERS: cluster.brokers.plain })
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
