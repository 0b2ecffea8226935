// A shard that wakes with many stored WebSockets: CPU of a connection, and how long the first event takes to reach one.
import { Crowd } from './clients.ts'
import { quick, type Figure } from './figure.ts'
import { ANY, call, positionAt, type Rig } from './rig.ts'

const SOCKETS = quick ? 3_000 : 9_000
/** workerd lets an object sleep after ten seconds without work. */
const ASLEEP_MS = 14_000
const FIRST_EVENT_MS = 100
const MICROSECONDS_PER_SOCKET = 10

export async function waking(rig: Rig): Promise<readonly Figure[]> {
  const position = await positionAt(rig, 0)
  const crowd = new Crowd()
  const url = `${rig.wsOrigin}/_rig/v1/connection/ws?subscriptions=${ANY('bench')}&last_event_id=${position}`
  await crowd.addSockets(url, SOCKETS, 2)
  const memory = rig.memoryBytes()
  // A type that nobody wants: the shard wakes, stores nothing and sends nothing.
  const wake = async () => {
    const before = rig.cpuMs()
    await call(rig, 'shard?shard=0&count=1&from=0&type=nobody')
    return rig.cpuMs() - before
  }
  await sleep(ASLEEP_MS)
  const asleep = rig.memoryBytes()
  const cold = await wake()
  const warm = await wake()
  await sleep(ASLEEP_MS)
  const firstMs = await crowd.timeUntil(1, () => call(rig, 'shard?shard=0&count=1&from=1&type=bench'))
  crowd.close()
  const perSocket = ((cold - warm) * 1_000) / SOCKETS
  const row = (figure: string, rigel: number, bare: number, unit: string): Figure => ({
    figure: `${figure}, ${SOCKETS} WebSockets`,
    rigel,
    bare,
    unit,
    ratio: rigel / bare,
  })
  return [
    row('CPU of waking', perSocket, MICROSECONDS_PER_SOCKET, 'µs a connection'),
    row('first event after sleep', firstMs, FIRST_EVENT_MS, 'ms'),
    row('memory awake, beside asleep', memory / 1_048_576, asleep / 1_048_576, 'MiB'),
  ]
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
