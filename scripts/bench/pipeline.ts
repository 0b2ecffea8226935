// The way of an event, from a producer to a client: how long one takes, and how many go through in a second.
import { WebSocket } from 'ws'
import { alternate, millisecondsOf, quantileOf, quick, type Figure } from './figure.ts'
import { ANY, call, type Rig } from './rig.ts'

/** Posted over HTTP, through log and shard, to a WebSocket; beside the bare path of the same two objects and commits. */
export async function latency(rig: Rig): Promise<readonly Figure[]> {
  const ours = await open(`${rig.wsOrigin}/_rig/v1/connection/ws?subscriptions=${ANY('bench')}`, 2)
  const bare = await open(`${rig.wsOrigin}/bench/path`, 0)
  const body = await (await fetch(`${rig.origin}/bench/event`)).text()
  const headers = { 'content-type': 'application/cloudevents+json' }
  const samples: { rigel: number[]; bare: number[] } = { rigel: [], bare: [] }
  for (let n = 0; n < (quick ? 100 : 500); n += 1) {
    samples.rigel.push(
      await timeOfMessage(ours, () => void fetch(`${rig.origin}/_rig/v1/events`, { method: 'POST', headers, body })),
    )
    samples.bare.push(
      await timeOfMessage(bare, () => void fetch(`${rig.origin}/bench/path`, { method: 'POST', headers, body })),
    )
  }
  ours.terminate()
  bare.terminate()
  return [0.5, 0.99].map((quantile) => {
    const [rigel, plain] = [quantileOf(samples.rigel, quantile), quantileOf(samples.bare, quantile)]
    return {
      figure: `produce to receive, p${quantile * 100}, beside the bare path`,
      rigel,
      bare: plain,
      unit: 'ms',
      goal: 2,
    }
  })
}

/** Appended to the embedded log, decoded, routed and appended to shards; beside as many single rows into SQLite. */
export async function backlog(rig: Rig): Promise<readonly Figure[]> {
  const count = quick ? 20_000 : 100_000
  let partition = -1
  const text = encodeURIComponent('x'.repeat(300))
  const rates = await alternate(
    {
      rigel: async () => {
        partition += 1
        const ms = await millisecondsOf(async () => {
          await call(rig, `produce?partition=${partition}&count=${count}`)
          await followed(rig, partition, count)
        })
        return (count / ms) * 1_000
      },
      bare: async () =>
        (count / (await millisecondsOf(() => call(rig, `bare/insert?name=rows&count=${count}&text=${text}`)))) * 1_000,
    },
    3,
  )
  return [{ figure: 'append, decode, route, append to shards', ...rates, unit: 'events/s' }]
}

async function followed(rig: Rig, partition: number, count: number): Promise<void> {
  for (;;) {
    const response = await fetch(`${rig.origin}/bench/follow?partition=${partition}`)
    const { counters } = (await response.json()) as { counters: { offset: number } | null }
    if (counters !== null && counters.offset >= count) return
  }
}

function open(url: string, greetings: number): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { perMessageDeflate: false })
    let left = greetings
    socket.on('error', reject)
    if (greetings === 0) socket.on('open', () => resolve(socket))
    else socket.on('message', () => (left -= 1) === 0 && resolve(socket))
  })
}

async function timeOfMessage(socket: WebSocket, trigger: () => void): Promise<number> {
  return millisecondsOf(
    () =>
      new Promise((resolve) => {
        socket.once('message', resolve)
        trigger()
      }),
  )
}
