// What a connection costs the server, in CPU: opened and closed by transport, and a long-poll that is answered; beside a bare
// Durable Object that accepts the same. Also the memory of an idle one (`memory`, fan-out.ts).
import { Crowd } from './clients.ts'
import { cpuMicrosecondsOf } from './cpu.ts'
import { inTurns, quantileOf, quick, type Figure } from './figure.ts'
import { ANY, positionAt, type Rig } from './rig.ts'

const CONNECTIONS = quick ? 200 : 500
const POLLS = quick ? 200 : 1_000
const AT_ONCE = 10

export async function connections(rig: Rig): Promise<readonly Figure[]> {
  const query = `subscriptions=${ANY('bench')}&last_event_id=${await positionAt(rig, 0)}`
  const ours = `/_rig/v1/connection`
  const taken = await inTurns({
    socket: () => ofSockets(rig, `${rig.wsOrigin}${ours}/ws?${query}`, 2),
    bareSocket: () => ofSockets(rig, `${rig.wsOrigin}/bench/bare`, 0),
    stream: () => ofStreams(rig, `${rig.origin}${ours}/sse?${query}`, ': '),
    bareStream: () => ofStreams(rig, `${rig.origin}/bench/bare?name=opened`, ': '),
    poll: () => ofPolls(rig),
    barePoll: () => ofFetches(rig, `${rig.origin}/bench/bare/poll`),
  })
  const row = (figure: string, rigelName: keyof typeof taken, bareName: keyof typeof taken, goal?: number): Figure => {
    const [rigel, bare] = [quantileOf(taken[rigelName], 0.5), quantileOf(taken[bareName], 0.5)]
    return {
      figure,
      rigel,
      bare,
      unit: 'µs CPU',
      ...(goal === undefined ? {} : { goal }),
    }
  }
  return [
    row('a WebSocket opened and closed', 'socket', 'bareSocket', 1.5),
    row('an SSE stream opened and closed', 'stream', 'bareStream', 1.5),
    row('a long-poll answered, beside a call of a Durable Object', 'poll', 'barePoll'),
  ]
}

function ofSockets(rig: Rig, url: string, greetings: number): Promise<number> {
  return ofCrowd(rig, (crowd) => crowd.addSockets(url, CONNECTIONS, greetings))
}

function ofStreams(rig: Rig, url: string, marker: string): Promise<number> {
  return ofCrowd(rig, (crowd) => crowd.addStreams(url, CONNECTIONS, marker))
}

function ofCrowd(rig: Rig, open: (crowd: Crowd) => Promise<void>): Promise<number> {
  return cpuMicrosecondsOf(
    rig,
    async () => {
      const crowd = new Crowd()
      await open(crowd)
      crowd.close()
    },
    CONNECTIONS,
  )
}

/** Each poll of a session is answered with the event that was published before it. */
async function ofPolls(rig: Rig): Promise<number> {
  // Without the parameter the answer has the token in a cookie, and each poll would open a session.
  const query = `connection_token=&subscriptions=${ANY('bench')}`
  const opened = await fetch(`${rig.origin}/_rig/v1/connection/longpolling?${query}`)
  const { connection_token: token, last_event_id: position } = (await opened.json()) as Record<string, string>
  if (token === undefined) throw new Error('the session that is polled could not be opened')
  // From the position of its opening a poll is answered at once, with the session's first events.
  return ofFetches(
    rig,
    `${rig.origin}/_rig/v1/connection/longpolling?connection_token=${token}&last_event_id=${position}`,
  )
}

function ofFetches(rig: Rig, url: string): Promise<number> {
  const poll = async () => {
    for (let n = 0; n < POLLS / AT_ONCE; n += 1) {
      const response = await fetch(url)
      if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
      await response.text()
    }
  }
  return cpuMicrosecondsOf(rig, () => Promise.all(Array.from({ length: AT_ONCE }, poll)), POLLS)
}
