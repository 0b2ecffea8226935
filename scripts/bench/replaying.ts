// A log as large as the default permits, read by 1,000 clients that come back after an hour: most want nothing of it, some want all. How
// long a live event takes meanwhile to a client that was there all the time, beside the time that it takes otherwise.
import { Crowd } from './clients.ts'
import { pause, quantileOf, quick, type Figure } from './figure.ts'
import { ANY, call, positionAt, startRig, type Rig } from './rig.ts'

const MIB = quick ? 8 : 56
const WANT_NOTHING = quick ? 200 : 980
const WANT_ALL = 20
const LIVE_EVENTS = quick ? 20 : 100
const EVERY_MS = 50
/** While the log is read. */
const GOAL_MS = 500
const SHARD = 0

export async function replaying(): Promise<readonly Figure[]> {
  const rig = await startRig({ SHARDS: '1' })
  const [live, returning] = [new Crowd(), new Crowd()]
  try {
    const position = await positionAt(rig, SHARD)
    await live.addStreams(urlOf(rig, 'live'), 1, 'event: live\n')
    await call(rig, `full/log?mib=${MIB}`)
    const idle = await delaysOf(rig, live)
    const back = Promise.all([
      returning.addStreams(urlOf(rig, 'rare', position), WANT_NOTHING, 'event: rare\n'),
      returning.addStreams(urlOf(rig, 'old', position), WANT_ALL, 'event: old\n'),
    ])
    const busy = await delaysOf(rig, live)
    await back
    const row = (figure: string, part: number): Figure => {
      const [rigel, bare] = [quantileOf(busy, part), quantileOf(idle, part)]
      return { figure, rigel, bare, unit: 'ms' }
    }
    return [
      row(`a live event while ${WANT_NOTHING + WANT_ALL} clients read ${MIB} MiB each, beside idle: median`, 0.5),
      row('the same, p99', 0.99),
      { figure: 'the same, the longest', rigel: Math.max(...busy), unit: 'ms', absoluteGoal: GOAL_MS },
    ]
  } finally {
    for (const crowd of [live, returning]) crowd.close()
    rig.stop()
  }
}

function urlOf({ origin }: Rig, type: string, position?: string): string {
  const at = position === undefined ? '' : `&last_event_id=${position}`
  return `${origin}/_rig/v1/connection/sse?subscriptions=${ANY(type)}${at}`
}

let offset = 0

/** Milliseconds from before an append to its arrival. */
async function delaysOf(rig: Rig, live: Crowd): Promise<readonly number[]> {
  const delays: number[] = []
  for (let n = 0; n < LIVE_EVENTS; n += 1) {
    delays.push(
      await live.timeUntil(1, () => call(rig, `shard?shard=${SHARD}&count=1&from=${(offset += 1)}&type=live`)),
    )
    await pause(EVERY_MS)
  }
  return delays
}
