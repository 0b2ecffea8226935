// `npm run bench [-- figure…] [-- --quick]`: what Rigel costs, each figure beside a bare Durable Object in the same
// workerd and the same run. Prints a line as it goes, a table, and one JSON line a figure. Figures: sockets, streams,
// rigel-v1, phoenix, latency, backlog, memory, growth. Absolute numbers are of this machine; the ratios are what counts.
import { WebSocket } from 'ws'
import { Crowd } from './bench/clients.ts'
import { startRig, type Rig } from './bench/rig.ts'

interface Figure {
  readonly figure: string
  readonly rigel: number
  readonly bare: number
  readonly unit: string
  /** Rigel beside bare: above 1 is more than bare. */
  readonly ratio: number
  readonly goal?: number
}

const words = process.argv.slice(2)
const quick = words.includes('--quick')
const chosen = words.filter((word) => !word.startsWith('--'))
const CONNECTIONS = quick ? 200 : 1_000
const EVENTS = quick ? 20 : 50
/** As in bench/rig.ts. */
const SHARDS = 4
const ROUNDS = quick ? 3 : 5
const ANY = (type: string) => encodeURIComponent(JSON.stringify([{ eventType: type }]))

/** Offsets that a shard has not seen: it drops the others. */
let nextOffset = 0

const figures: Readonly<Record<string, (rig: Rig) => Promise<readonly Figure[]>>> = {
  sockets: (rig) => fanOutToSockets(rig, 'fan-out to WebSockets, plain frames'),
  'rigel-v1': (rig) => fanOutToSockets(rig, 'fan-out to WebSockets, rigel.v1', 'rigel.v1'),
  streams: fanOutToStreams,
  phoenix: fanOutToPhoenix,
  latency,
  backlog,
  memory,
  growth,
}

const results: Figure[] = []
for (const [name, measure] of Object.entries(figures)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue
  const rig = await startRig()
  for (const figure of await measure(rig)) {
    results.push(figure)
    console.log(
      `${figure.figure}: ${show(figure.rigel)} beside ${show(figure.bare)} ${figure.unit}, ratio ${figure.ratio.toFixed(2)}`,
    )
  }
  rig.stop()
}
console.table(
  results.map((one) => ({ ...one, rigel: show(one.rigel), bare: show(one.bare), ratio: one.ratio.toFixed(2) })),
)
for (const result of results) console.log(JSON.stringify(result))
process.exit(0)

async function fanOutToSockets(rig: Rig, figure: string, protocol?: string): Promise<readonly Figure[]> {
  const [ours, bare] = [new Crowd(), new Crowd()]
  await ours.addSockets(
    `${rig.wsOrigin}/_rig/v1/connection/ws?subscriptions=${ANY('bench')}&last_event_id=0.x-0`,
    CONNECTIONS,
    2,
    protocol,
  )
  await bare.addSockets(`${rig.wsOrigin}/bench/bare`, CONNECTIONS, 0)
  const text = encodeURIComponent(await (await fetch(`${rig.origin}/bench/event`)).text())
  const rates = await alternate({
    rigel: () => rateOf(ours, () => append(rig, EVENTS)),
    bare: () => rateOf(bare, () => call(rig, `bare/sockets?count=${EVENTS}&text=${text}`)),
  })
  close(ours, bare)
  return [{ figure, ...rates, unit: 'deliveries/s', ratio: rates.rigel / rates.bare, goal: 0.9 }]
}

/** Each socket has joined one channel; beside Rigel's own plain WebSockets. */
async function fanOutToPhoenix(rig: Rig): Promise<readonly Figure[]> {
  const [ours, plain] = [new Crowd(), new Crowd()]
  // Who has no name goes anywhere: as many events are appended to every shard, and each socket counts its shard's.
  const join = JSON.stringify(['1', '1', 'events:bench', 'phx_join', {}])
  await ours.addSockets(
    `${rig.wsOrigin}/_rig/v1/connection/phoenix/websocket?vsn=2.0.0`,
    CONNECTIONS,
    1,
    undefined,
    join,
  )
  await plain.addSockets(`${rig.wsOrigin}/_rig/v1/connection/ws?subscriptions=${ANY('plain')}`, CONNECTIONS, 2)
  const toAll = async (type: string) => {
    for (let shard = 0; shard < SHARDS; shard += 1) await append(rig, EVENTS, shard, type)
  }
  const rates = await alternate({
    rigel: () => rateOf(ours, () => toAll('bench')),
    bare: () => rateOf(plain, () => toAll('plain')),
  })
  close(ours, plain)
  return [
    {
      figure: 'fan-out by Phoenix, beside plain WebSockets',
      ...rates,
      unit: 'deliveries/s',
      ratio: rates.rigel / rates.bare,
    },
  ]
}

async function fanOutToStreams(rig: Rig): Promise<readonly Figure[]> {
  const [ours, bare] = [new Crowd(), new Crowd()]
  await ours.addStreams(
    `${rig.origin}/_rig/v1/connection/sse?subscriptions=${ANY('bench')}&last_event_id=0.x-0`,
    CONNECTIONS,
    'event: bench\n',
  )
  await bare.addStreams(`${rig.origin}/bench/bare?name=streams`, CONNECTIONS, 'event: bench\n')
  const json = await (await fetch(`${rig.origin}/bench/event`)).text()
  const text = encodeURIComponent(`event: bench\ndata: ${json}\nid: 0.0123456789ab-1234\n\n`)
  const rates = await alternate({
    rigel: () => rateOf(ours, () => append(rig, EVENTS)),
    bare: () => rateOf(bare, () => call(rig, `bare/streams?name=streams&count=${EVENTS}&text=${text}`)),
  })
  close(ours, bare)
  return [{ figure: 'fan-out to SSE', ...rates, unit: 'deliveries/s', ratio: rates.rigel / rates.bare, goal: 0.9 }]
}

/** Posted over HTTP, through log, follower and shard, to a WebSocket; beside one message there and back. */
async function latency(rig: Rig): Promise<readonly Figure[]> {
  const ours = await open(`${rig.wsOrigin}/_rig/v1/connection/ws?subscriptions=${ANY('bench')}`, 2)
  const bare = await open(`${rig.wsOrigin}/bench/bare?name=echo`, 0)
  const body = await (await fetch(`${rig.origin}/bench/event`)).text()
  const headers = { 'content-type': 'application/cloudevents+json' }
  const samples: { rigel: number[]; bare: number[] } = { rigel: [], bare: [] }
  for (let n = 0; n < (quick ? 100 : 500); n += 1) {
    samples.rigel.push(
      await timeOfMessage(ours, () => void fetch(`${rig.origin}/_rig/v1/events`, { method: 'POST', headers, body })),
    )
    samples.bare.push(await timeOfMessage(bare, () => bare.send(body)))
  }
  ours.terminate()
  bare.terminate()
  return [0.5, 0.99].map((quantile) => {
    const [rigel, plain] = [quantileOf(samples.rigel, quantile), quantileOf(samples.bare, quantile)]
    return { figure: `produce to receive, p${quantile * 100}`, rigel, bare: plain, unit: 'ms', ratio: rigel / plain }
  })
}

/** A backlog through fetch, decode, route and append; beside as many single rows into SQLite. */
async function backlog(rig: Rig): Promise<readonly Figure[]> {
  const count = quick ? 20_000 : 100_000
  let partition = -1
  const text = encodeURIComponent('x'.repeat(300))
  const rates = await alternate(
    {
      rigel: async () => {
        partition += 1
        await call(rig, `produce?partition=${partition}&count=${count}`)
        return (count / (await millisecondsOf(() => followed(rig, partition, count)))) * 1_000
      },
      bare: async () =>
        (count / (await millisecondsOf(() => call(rig, `bare/insert?name=rows&count=${count}&text=${text}`)))) * 1_000,
    },
    3,
  )
  return [{ figure: 'fetch, decode, route, append', ...rates, unit: 'events/s', ratio: rates.rigel / rates.bare }]
}

async function memory(rig: Rig): Promise<readonly Figure[]> {
  const perConnection = async (url: string, ready: number): Promise<number> => {
    const crowd = new Crowd()
    await crowd.addSockets(url, 50, ready)
    const before = rig.memoryBytes()
    await crowd.addSockets(url, CONNECTIONS, ready)
    return (rig.memoryBytes() - before) / CONNECTIONS / 1_024
  }
  const bare = await perConnection(`${rig.wsOrigin}/bench/bare`, 0)
  const rigel = await perConnection(
    `${rig.wsOrigin}/_rig/v1/connection/ws?subscriptions=${ANY('bench')}&last_event_id=0.x-0`,
    2,
  )
  return [{ figure: 'memory of a WebSocket', rigel, bare, unit: 'KiB', ratio: rigel / bare }]
}

/** Rigel beside itself: "bare" is the smaller case. */
async function growth(rig: Rig): Promise<readonly Figure[]> {
  const url = (shard: number, types: readonly string[]) => {
    const subscriptions = encodeURIComponent(JSON.stringify(types.map((eventType) => ({ eventType }))))
    return `${rig.wsOrigin}/_rig/v1/connection/ws?subscriptions=${subscriptions}&last_event_id=${shard}.x-0`
  }
  const others = Array.from({ length: 10 }, (_, n) => `other-${n}`)
  const [few, many, loaded] = [new Crowd(), new Crowd(), new Crowd()]
  await few.addSockets(url(0, ['bench']), CONNECTIONS / 10, 2)
  await many.addSockets(url(1, ['bench']), CONNECTIONS, 2)
  await loaded.addSockets(url(2, ['bench', ...others]), CONNECTIONS, 2)
  const subscribers = await alternate({
    rigel: () => rateOf(many, () => append(rig, EVENTS, 1), CONNECTIONS),
    bare: () => rateOf(few, () => append(rig, EVENTS * 10, 0), CONNECTIONS / 10, EVENTS * 10),
  })
  const subscriptions = await alternate({
    rigel: () => rateOf(loaded, () => append(rig, EVENTS, 2), CONNECTIONS),
    bare: () => rateOf(many, () => append(rig, EVENTS, 1), CONNECTIONS),
  })
  const short = await rateOf(many, () => append(rig, EVENTS, 1), CONNECTIONS)
  await append(rig, EVENTS * 10, 1)
  const long = await rateOf(many, () => append(rig, EVENTS, 1), CONNECTIONS)
  close(few, many, loaded)
  const row = (figure: string, { rigel, bare }: { rigel: number; bare: number }): Figure => ({
    figure,
    rigel,
    bare,
    unit: 'deliveries/s',
    ratio: rigel / bare,
  })
  return [
    row('10 times the subscribers', subscribers),
    row('10 more subscriptions each, to other types', subscriptions),
    row('10 times the log', { rigel: long, bare: short }),
  ]
}

/** The median of several rounds, taken in turn, so that what else the machine does meets both. */
async function alternate(measures: { rigel: () => Promise<number>; bare: () => Promise<number> }, rounds = ROUNDS) {
  const [rigel, bare]: [number[], number[]] = [[], []]
  await measures.rigel()
  await measures.bare()
  for (let round = 0; round < rounds; round += 1) {
    rigel.push(await measures.rigel())
    bare.push(await measures.bare())
  }
  return { rigel: quantileOf(rigel, 0.5), bare: quantileOf(bare, 0.5) }
}

/** Deliveries per second. A thousandth less than all is waited for: see occurrences() of bench/clients.ts. */
async function rateOf(
  crowd: Crowd,
  trigger: () => Promise<unknown>,
  connections = CONNECTIONS,
  events = EVENTS,
): Promise<number> {
  const deliveries = Math.floor(connections * events * 0.999)
  const ms = await crowd.timeUntil(deliveries, trigger)
  await new Promise((resolve) => setTimeout(resolve, 200))
  return (deliveries / ms) * 1_000
}

async function append(rig: Rig, count: number, shard = 0, type = 'bench'): Promise<void> {
  const from = nextOffset
  nextOffset += count
  await call(rig, `shard?shard=${shard}&count=${count}&from=${from}&type=${type}`)
}

async function followed(rig: Rig, partition: number, count: number): Promise<void> {
  for (;;) {
    const response = await fetch(`${rig.origin}/bench/follow?partition=${partition}`)
    const { counters } = (await response.json()) as { counters: { offset: number } | null }
    if (counters !== null && counters.offset >= count) return
  }
}

async function call(rig: Rig, path: string): Promise<void> {
  const response = await fetch(`${rig.origin}/bench/${path}`)
  if (!response.ok) throw new Error(`${path.slice(0, 60)}: ${response.status} ${await response.text()}`)
  await response.text()
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

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return performance.now() - startedMs
}

function quantileOf(values: readonly number[], quantile: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? 0
}

function close(...crowds: readonly Crowd[]): void {
  for (const crowd of crowds) crowd.close()
}

function show(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2)
}
