// A shard that wakes with many stored WebSockets: CPU of a connection, and how long the first event takes to reach one.
import { Crowd } from './clients.ts'
import { quick, type Figure } from './figure.ts'
import { ANY, call, positionAt, type Rig } from './rig.ts'

const SOCKETS = quick ? 3_000 : 9_000
/** workerd lets an object sleep after ten seconds without work. */
const ASLEEP_MS = 14_000
const ATTEMPTS = 4
const FIRST_EVENT_MS = 100
const MICROSECONDS_PER_SOCKET = 10

export async function waking(rig: Rig): Promise<readonly Figure[]> {
  const position = await positionAt(rig, 0)
  const crowd = new Crowd()
  const url = `${rig.wsOrigin}/_rig/v1/connection/ws?subscriptions=${ANY('bench')}&last_event_id=${position}`
  await crowd.addSockets(url, SOCKETS, 2)
  // A type that nobody wants: the shard wakes, stores nothing and sends nothing.
  const wake = async () => {
    const before = rig.cpuMs()
    await call(rig, 'shard?shard=0&count=1&from=0&type=nobody')
    return rig.cpuMs() - before
  }
  const cold = await afterSleep(rig, wake)
  const warm = await wake()
  let offset = 0
  const firstMs = await afterSleep(rig, async () => {
    offset += 1
    const appended = call(rig, `shard?shard=0&count=1&from=${offset}&type=bench`)
    // Not until all have it: that is what an event to so many takes anyway.
    const ms = await crowd.timeUntil(1, async () => undefined)
    await appended
    return ms
  })
  crowd.close()
  const perSocket = ((cold - warm) * 1_000) / SOCKETS
  const row = (figure: string, rigel: number, absoluteGoal: number, unit: string): Figure => ({
    figure: `${figure}, ${SOCKETS} WebSockets`,
    rigel,
    unit,
    absoluteGoal,
  })
  return [
    row('CPU of waking', perSocket, MICROSECONDS_PER_SOCKET, 'µs a connection'),
    row('first event after sleep', firstMs, FIRST_EVENT_MS, 'ms'),
  ]
}

/** Waits until the shard sleeps, and does `work`, which must wake it. */
async function afterSleep<T>(rig: Rig, work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    await sleep(ASLEEP_MS)
    const before = await shardStarts(rig)
    const result = await work()
    if ((await shardStarts(rig)) > before) return result
  }
  throw new Error(`the shard did not sleep in ${ATTEMPTS} attempts`)
}

async function shardStarts(rig: Rig): Promise<number> {
  return (await (await fetch(`${rig.origin}/bench/starts?name=UserShard`)).json()) as number
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
