// Fan-out: events appended to one shard, written to many connections; beside a bare Durable Object that only sends. Also
// how it grows, and the memory of a connection.
import { Crowd } from './clients.ts'
import { alternate, quick, type Figure } from './figure.ts'
import { ANY, call, positionAt, SHARDS, startRig, type Rig } from './rig.ts'

const CONNECTIONS = quick ? 200 : 1_000
const EVENTS = quick ? 20 : 50

/** Offsets that a shard has not seen: it drops the others. */
let nextOffset = 0

export async function fanOutToSockets(rig: Rig, figure: string, protocol?: string): Promise<readonly Figure[]> {
  const [ours, bare] = [new Crowd(), new Crowd()]
  await ours.addSockets(
    `${rig.wsOrigin}/_rig/v1/connection/ws?subscriptions=${ANY('bench')}&last_event_id=${await positionAt(rig, 0)}`,
    CONNECTIONS,
    protocol === undefined ? 2 : 1,
    protocol,
  )
  await bare.addSockets(`${rig.wsOrigin}/bench/bare`, CONNECTIONS, 0)
  const text = encodeURIComponent(await (await fetch(`${rig.origin}/bench/event`)).text())
  const rates = await alternate({
    rigel: () => rateOf(ours, () => append(rig, EVENTS)),
    bare: () => rateOf(bare, () => call(rig, `bare/sockets?count=${EVENTS}&text=${text}`)),
  })
  close(ours, bare)
  return [{ figure, ...rates, unit: 'deliveries/s', goal: 0.9 }]
}

/** Each socket has joined one channel; beside Rigel's own plain WebSockets. */
export async function fanOutToPhoenix(rig: Rig): Promise<readonly Figure[]> {
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
    },
  ]
}

export async function fanOutToStreams(rig: Rig): Promise<readonly Figure[]> {
  const [ours, bare] = [new Crowd(), new Crowd()]
  await ours.addStreams(
    `${rig.origin}/_rig/v1/connection/sse?subscriptions=${ANY('bench')}&last_event_id=${await positionAt(rig, 0)}`,
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
  return [{ figure: 'fan-out to SSE', ...rates, unit: 'deliveries/s', goal: 0.9 }]
}

/**
 * Resident memory, beside a bare WebSocket that nothing was ever written to, and one that was greeted: the runtime keeps some kilobytes
 * of what it has written by. The first ones pay for the heap's young generation.
 */
export async function memory(): Promise<readonly Figure[]> {
  const [silent, greeted] = [await memoryOf('/bench/bare', 0), await memoryOf('/bench/bare?greeting', 2)]
  const rigel = await memoryOf(`/_rig/v1/connection/ws?subscriptions=${ANY('bench')}`, 2)
  const unit = 'KiB'
  return [
    { figure: 'memory of a WebSocket', rigel, bare: silent, unit },
    { figure: 'the same, beside a bare one that was sent two frames', rigel, bare: greeted, unit },
  ]
}

async function memoryOf(path: string, ready: number): Promise<number> {
  const rig = await startRig()
  const crowd = new Crowd()
  try {
    const position = encodeURIComponent(await positionAt(rig, 0))
    const url = `${rig.wsOrigin}${path}${path.includes('?') ? '&' : '?'}last_event_id=${position}`
    await crowd.addSockets(url, CONNECTIONS, ready)
    const before = rig.memoryBytes()
    await crowd.addSockets(url, 3 * CONNECTIONS, ready)
    return (rig.memoryBytes() - before) / (3 * CONNECTIONS) / 1_024
  } finally {
    crowd.close()
    rig.stop()
  }
}

/** Rigel beside itself: "bare" is the smaller case. */
export async function growth(rig: Rig): Promise<readonly Figure[]> {
  const url = async (shard: number, types: readonly string[]) => {
    const subscriptions = encodeURIComponent(JSON.stringify(types.map((eventType) => ({ eventType }))))
    const position = await positionAt(rig, shard)
    return `${rig.wsOrigin}/_rig/v1/connection/ws?subscriptions=${subscriptions}&last_event_id=${position}`
  }
  const others = Array.from({ length: 10 }, (_, n) => `other-${n}`)
  const [few, many, loaded] = [new Crowd(), new Crowd(), new Crowd()]
  await few.addSockets(await url(0, ['bench']), CONNECTIONS / 10, 2)
  await many.addSockets(await url(1, ['bench']), CONNECTIONS, 2)
  await loaded.addSockets(await url(2, ['bench', ...others]), CONNECTIONS, 2)
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
  })
  return [
    row('10 times the subscribers', subscribers),
    row('10 more subscriptions each, to other types', subscriptions),
    row('10 times the log', { rigel: long, bare: short }),
  ]
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

function close(...crowds: readonly Crowd[]): void {
  for (const crowd of crowds) crowd.close()
}
