// One event from a producer to a client of Rigel, beside one to a client of a bare consumer of the same source. For
// kafka-latency.ts and sources.ts.
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { quantileOf, quick, type Figure } from './figure.ts'
import { ANY } from './rig.ts'

const SAMPLES = quick ? 100 : 500

/** Where both clients connect, and how an event is produced. */
export interface LatencyOptions {
  /** The source, and the bare consumer, for the name of the figure. */
  readonly name: string
  readonly rigelOrigin: string
  readonly bareUrl: string
  readonly send: (json: string) => Promise<unknown>
  /** Absent: none is set. */
  readonly goal?: number
}

export async function sourceLatency({ bareUrl, goal, name, rigelOrigin, send }: LatencyOptions) {
  const ours = await open(`${rigelOrigin}/_rig/v1/connection/ws?subscriptions=${ANY('bench')}`)
  const plain = await open(bareUrl)
  const sendEvent = (id: string) =>
    send(JSON.stringify({ specversion: '1.0', id, source: '/bench', type: 'bench', data: 'x'.repeat(30) }))
  await bothFollow([ours, plain], sendEvent)
  const samples: { rigel: number[]; bare: number[] } = { rigel: [], bare: [] }
  for (let n = 0; n < SAMPLES; n += 1) {
    const startedMs = performance.now()
    const arrivals = [arrivalOf(ours, `sample-${n}`), arrivalOf(plain, `sample-${n}`)]
    await sendEvent(`sample-${n}`)
    const [rigel = 0, bare = 0] = (await Promise.all(arrivals)).map((atMs) => atMs - startedMs)
    samples.rigel.push(rigel)
    samples.bare.push(bare)
  }
  ours.terminate()
  plain.terminate()
  return [0.5, 0.99].map((quantile): Figure => {
    const [rigel, bare] = [quantileOf(samples.rigel, quantile), quantileOf(samples.bare, quantile)]
    const figure = { figure: `${name}, p${quantile * 100}`, rigel, bare, unit: 'ms' }
    return goal === undefined ? figure : { ...figure, goal }
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
