// What a connection costs the server, in CPU: opened and closed by transport, and a long-poll that is answered; beside a bare
// Durable Object that accepts the same. Also the memory of an idle one (`memory`, fan-out.ts).
import { Crowd } from './clients.ts'
import { cpuMicrosecondsOf } from './cpu.ts'
import { inTurns, pause, quantileOf, quick, type Figure } from './figure.ts'
import { ANY, call, positionAt, startRig, type Rig } from './rig.ts'

const CONNECTIONS = quick ? 200 : 500
const POLLS = quick ? 200 : 1_000
const AT_ONCE = 10
const ROUNDS = quick ? 3 : 9

/** Sessions that are polled in turn. The polls of one session are paced: with few sessions the bench would measure the pauses. */
const SESSIONS = quick ? 50 : 250

/** So long that few rounds of openings, which take half a second, have a heartbeat in them: the median has none. */
const HEARTBEAT_MS = quick ? 1_000 : 4_000
/** A write to a stream that its client has left fails once the network has said so: the second one does. */
const UNTIL_NOTICED_MS = 2.5 * HEARTBEAT_MS
const BARE_WRITE_MS = 1_000

const CONNECTION = '/_rig/v1/connection'

/** Each part has a workerd of its own: what one leaves behind is nothing that another one measures. */
export async function connections(): Promise<readonly Figure[]> {
  const variables = { HEARTBEAT_SECONDS: String(HEARTBEAT_MS / 1_000) }
  return [...(await onRig({}, sockets)), ...(await onRig(variables, streams)), ...(await onRig({}, polls))]
}

async function onRig(
  variables: Readonly<Record<string, string>>,
  measure: (rig: Rig) => Promise<readonly Figure[]>,
): Promise<readonly Figure[]> {
  const rig = await startRig(variables)
  try {
    return await measure(rig)
  } finally {
    rig.stop()
  }
}

async function sockets(rig: Rig): Promise<readonly Figure[]> {
  const url = `${rig.wsOrigin}${CONNECTION}/ws?${await queryOf(rig)}`
  const taken = await inTurns(
    {
      plain: () => ofSockets(rig, url, 2),
      rigelV1: () => ofSockets(rig, url, 1, 'rigel.v1'),
      bare: () => ofSockets(rig, `${rig.wsOrigin}/bench/bare`, 0),
    },
    ROUNDS,
  )
  return [
    row('a WebSocket opened and closed', taken.plain, taken.bare),
    row('the same with `rigel.v1`', taken.rigelV1, taken.bare),
  ]
}

async function streams(rig: Rig): Promise<readonly Figure[]> {
  const query = await queryOf(rig)
  const taken = await inTurns(
    {
      rigel: () => ofStreams(rig, `${CONNECTION}/sse?${query}`, () => pause(UNTIL_NOTICED_MS)),
      bare: () => ofStreams(rig, '/bench/bare?name=opened', () => untilBareHasNoticed(rig)),
    },
    ROUNDS,
  )
  const part = (name: keyof StreamCost) =>
    [taken.rigel.map((cost) => cost[name]), taken.bare.map((cost) => cost[name])] as const
  return [
    row('an SSE stream opened', ...part('opened')),
    row('the same, closed, and noticed by writing to it', ...part('whole')),
  ]
}

async function polls(rig: Rig): Promise<readonly Figure[]> {
  const urls = await Promise.all(Array.from({ length: SESSIONS }, () => pollOf(rig)))
  const taken = await inTurns(
    { rigel: () => ofFetches(rig, urls), bare: () => ofFetches(rig, [`${rig.origin}/bench/bare/poll`]) },
    ROUNDS,
  )
  const figure = 'a long-poll answered, beside a call of a Durable Object'
  const [rigel, bare] = [quantileOf(taken.rigel, 0.5), quantileOf(taken.bare, 0.5)]
  return [{ figure, rigel, bare, unit: 'µs CPU', absoluteGoal: 250 }]
}

async function queryOf(rig: Rig): Promise<string> {
  return `subscriptions=${ANY('bench')}&last_event_id=${await positionAt(rig, 0)}`
}

function row(figure: string, rigel: readonly number[], bare: readonly number[]): Figure {
  return { figure, rigel: quantileOf(rigel, 0.5), bare: quantileOf(bare, 0.5), unit: 'µs CPU', goal: 1.5 }
}

function ofSockets(rig: Rig, url: string, greetings: number, protocol?: string): Promise<number> {
  return cpuMicrosecondsOf(
    rig,
    async () => {
      const crowd = new Crowd()
      await crowd.addSockets(url, CONNECTIONS, greetings, protocol)
      crowd.close()
    },
    CONNECTIONS,
  )
}

/** Microseconds of CPU. */
interface StreamCost {
  readonly opened: number
  readonly whole: number
}

/** `noticed`: until the server knows that the clients have left. */
async function ofStreams(rig: Rig, path: string, noticed: () => Promise<void>): Promise<StreamCost> {
  const crowd = new Crowd()
  const opened = await cpuMicrosecondsOf(
    rig,
    () => crowd.addStreams(`${rig.origin}${path}`, CONNECTIONS, ': '),
    CONNECTIONS,
  )
  const ended = await cpuMicrosecondsOf(
    rig,
    () => {
      crowd.close()
      return noticed()
    },
    CONNECTIONS,
  )
  return { opened, whole: opened + ended }
}

/** Writes to the bare streams twice, as two heartbeats of Rigel do, so that workerd notices that their clients have left. */
async function untilBareHasNoticed(rig: Rig): Promise<void> {
  for (let write = 0; write < 2; write += 1) {
    await pause(BARE_WRITE_MS)
    await call(rig, `bare/streams?name=opened&count=1&text=${encodeURIComponent(': heartbeat\n\n')}`)
  }
}

/** Returns the URL of a poll that is answered at once, however often: from where its session was opened, it gets the first events. */
async function pollOf(rig: Rig): Promise<string> {
  const path = `${rig.origin}${CONNECTION}/longpolling`
  // Without the parameter the answer has the token in a cookie, and each poll would open a session.
  const opened = await fetch(`${path}?connection_token=&subscriptions=${ANY('bench')}`)
  const { connection_token: token, last_event_id: position } = (await opened.json()) as Record<string, string>
  if (token === undefined) throw new Error('a session that is polled could not be opened')
  return `${path}?connection_token=${token}&last_event_id=${position}`
}

async function ofFetches(rig: Rig, urls: readonly string[]): Promise<number> {
  let begun = 0
  const poll = async () => {
    while (begun < POLLS) {
      const url = urls[begun % urls.length] ?? ''
      begun += 1
      const response = await fetch(url)
      if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
      await response.text()
    }
  }
  return cpuMicrosecondsOf(rig, () => Promise.all(Array.from({ length: AT_ONCE }, poll)), POLLS)
}
