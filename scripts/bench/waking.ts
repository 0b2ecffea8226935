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
  const urlFor = (type: string) =>
    `${rig.wsOrigin}/_rig/v1/connection/ws?subscriptions=${ANY(type)}&last_event_id=${position}`
  await crowd.addSockets(urlFor('bench'), SOCKETS - 1, 2)
  const one = new Crowd()
  await one.addSockets(urlFor('for-one'), 1, 2)
  // A type that nobody wants: the shard wakes, stores nothing and sends nothing.
  const wake = async () => {
    const before = rig.cpuMs()
    await call(rig, 'shard?shard=0&count=1&from=0&type=nobody')
    return rig.cpuMs() - before
  }
  const cold = await afterSleep(rig, wake)
  const warm = await wake()
  let offset = 0
  const firstAfterSleep = (type: string, receivers: Crowd) =>
    afterSleep(rig, async () => {
      offset += 1
      const appended = call(rig, `shard?shard=0&count=1&from=${offset}&type=${type}`)
      // Not until all have it: that is what an event to so many takes anyway.
      const ms = await receivers.timeUntil(1, async () => undefined)
      await appended
      return ms
    })
  const forOneMs = await firstAfterSleep('for-one', one)
  const forAllMs = await firstAfterSleep('bench', crowd)
  one.close()
  crowd.close()
  const perSocket = ((cold - warm) * 1_000) / SOCKETS
  const row = (figure: string, rigel: number, unit: string, absoluteGoal?: number): Figure => ({
    figure: `${figure}, ${SOCKETS} WebSockets`,
    rigel,
    unit,
    ...(absoluteGoal === undefined ? {} : { absoluteGoal }),
  })
  return [
    row('CPU of waking', perSocket, 'µs a connection', MICROSECONDS_PER_SOCKET),
    row('first event after sleep, for one client', forOneMs, 'ms', FIRST_EVENT_MS),
    row('first event after sleep, for all clients, until the first has it', forAllMs, 'ms'),
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
