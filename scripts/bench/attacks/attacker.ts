// One client that spends all it can, in a process of its own: `node scripts/bench/attacks/attacker.ts NAME ORIGIN USER [PACE]`. It goes
// on until its parent tells it to stop, and answers what it did since it was told to count. Started by attacks.ts. USER is a user of
// the victim's shard. With a PACE it does so many actions a second at most.
import { request } from 'node:http'
import { connect } from 'node:net'
import { WebSocket } from 'ws'

/** What the attacks have done: requests or frames that were answered, and those that were refused. */
const tally = { done: 0, refused: 0 }
const [name = '', origin = '', user = '', pace = 'Infinity'] = process.argv.slice(2)
const json = { 'content-type': 'application/json' }

const ATTACKS: Readonly<Record<string, () => Promise<void>>> = {
  types: putEndlessTypes,
  subscribing: subscribeWithoutEnd,
  silent: openSilentReaders,
  tokenless: openTokenlessSessions,
  history: readHistoryWithoutEnd,
  polls: pollWithoutEnd,
  bare: callBareObjects,
  reload: reloadWithoutEnd,
  presence: comeAndGo,
}

let cpuBefore = process.cpuUsage()
/** When the next action is due, of `performance.now()`. */
let nextAtMs = 0
process.on('message', (told) => {
  if (told === 'count') {
    Object.assign(tally, { done: 0, refused: 0 })
    cpuBefore = process.cpuUsage()
    return
  }
  const { system, user: inUserMode } = process.cpuUsage(cpuBefore)
  process.send?.({ ...tally, cpuMs: (system + inUserMode) / 1_000 })
  process.exit(0)
})
// The bench was killed.
process.on('disconnect', () => process.exit(1))
process.send?.('ready')
await ATTACKS[name]?.()

async function tokenFor(who: string, claims: object = {}): Promise<string> {
  const response = await fetch(`${origin}/_rig/dev/token`, {
    method: 'POST',
    body: JSON.stringify({ user: who, ...claims }),
  })
  return ((await response.json()) as { token: string }).token
}

/** Resolves when the next action is due. */
async function turn(): Promise<void> {
  const gapMs = 1_000 / Number(pace)
  const dueMs = Math.max(nextAtMs, performance.now() - 100)
  nextAtMs = dueMs + gapMs
  const waitMs = dueMs - performance.now()
  if (waitMs > 1) await pause(waitMs)
}

async function paced(act: () => Promise<Response>): Promise<void> {
  await turn()
  count(await act())
}

function newTypes(length: number) {
  return Array.from({ length: 100 }, () => ({ eventType: `${crypto.randomUUID()}.${'x'.repeat(length)}` }))
}

/** Sets of a hundred types that nobody had before, by PUT, each after the answer to the one before. */
async function putEndlessTypes(): Promise<never> {
  const jwt = await tokenFor(user)
  const path = `${origin}/_rig/v1/connection/longpolling`
  const opened = await fetch(`${path}?connection_token=&jwt=${jwt}`)
  const { connection_token: token } = (await opened.json()) as { connection_token: string }
  const headers = { ...json, authorization: `Bearer ${jwt}` }
  for (;;) {
    const body = JSON.stringify({ subscriptions: newTypes(500) })
    await paced(() => fetch(`${path}/${token}/subscriptions`, { method: 'PUT', headers, body }))
  }
}

/** `subscribe` frames of a hundred new types, as fast as the socket takes them; answers are read. */
async function subscribeWithoutEnd(): Promise<never> {
  const jwt = await tokenFor(user)
  for (;;) {
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/_rig/v1/connection/ws`, ['rigel.v1', `bearer.${jwt}`])
    socket.on('message', (data: Buffer) => (tally[data.includes('"error"') ? 'refused' : 'done'] += 1))
    socket.on('error', () => undefined)
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
    await Promise.race([new Promise((resolve) => socket.on('open', resolve)), closed])
    while (socket.readyState === WebSocket.OPEN) {
      await turn()
      socket.send(JSON.stringify({ type: 'subscribe', subscriptions: newTypes(30) }))
      // Less than a frame of the kernel's buffers waits here: the server takes what it takes.
      do await pause(1)
      while (socket.bufferedAmount > 65_536)
    }
    await closed
    await pause(100)
  }
}

/** Ten plain WebSockets that never read, and a publisher of large events of the type that they subscribe to. */
async function openSilentReaders(): Promise<never> {
  const jwt = await tokenFor(user)
  const { hostname, port } = new URL(origin)
  const subscriptions = encodeURIComponent(JSON.stringify([{ eventType: 'noise' }]))
  const open = () => {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    socket.write(
      `GET /_rig/v1/connection/ws?jwt=${jwt}&subscriptions=${subscriptions} HTTP/1.1\r\nhost: rigel\r\nupgrade: websocket\r\n` +
        'connection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    socket.pause()
    return socket
  }
  let sockets = Array.from({ length: 10 }, open)
  setInterval(() => {
    for (const socket of sockets) socket.destroy()
    sockets = Array.from({ length: 10 }, open)
  }, 5_000)
  const headers = { 'content-type': 'application/cloudevents+json' }
  const event = { specversion: '1.0', source: '/bench', type: 'noise', data: 'x'.repeat(50_000) }
  for (;;) {
    const body = JSON.stringify({ ...event, id: crypto.randomUUID() })
    await paced(() => fetch(`${origin}/_rig/v1/events`, { method: 'POST', headers, body }))
    await pause(50)
  }
}

/** Sessions without a token, at the shard that a made-up position names. */
async function openTokenlessSessions(): Promise<never> {
  const url = `${origin}/_rig/v1/connection/longpolling?connection_token=&last_event_id=0.zz-0`
  return fourTimes(() => fetch(url))
}

/** Pages of history in which nothing matches: each reads all that there is. */
async function readHistoryWithoutEnd(): Promise<never> {
  const url = `${origin}/_rig/v1/history?types=nothing.of.this.type&jwt=${await tokenFor(user)}`
  return fourTimes(() => fetch(url))
}

/** Polls of one session from its start: each is answered at once. */
async function pollWithoutEnd(): Promise<never> {
  const path = `${origin}/_rig/v1/connection/longpolling?connection_token=`
  const opened = await fetch(`${path}&jwt=${await tokenFor(user)}`)
  const { connection_token: token } = (await opened.json()) as { connection_token: string }
  return fourTimes(() => fetch(`${path}${token}`))
}

/** Not an attack: requests that do the least that a session does, in objects that have nothing to do with Rigel. Two calls, two commits. */
async function callBareObjects(): Promise<never> {
  const body = 'x'.repeat(800)
  return fourTimes(() => fetch(`${origin}/bench/path?objects=attacked,attacked-too`, { method: 'POST', body }))
}

/** Four requests at a time, without end. */
async function fourTimes(act: () => Promise<Response>): Promise<never> {
  const run = async (): Promise<never> => {
    for (;;) await paced(act)
  }
  return Promise.race(Array.from({ length: 4 }, run))
}

/** Pages that are reloaded as soon as they are there. */
async function reloadWithoutEnd(): Promise<never> {
  const jwt = await tokenFor(user)
  const run = async (): Promise<never> => {
    for (;;) await loadOnce(`${origin}/_rig/v1/connection/sse?jwt=${jwt}`)
  }
  return Promise.race(Array.from({ length: 4 }, run))
}

async function loadOnce(url: string): Promise<void> {
  await turn()
  return new Promise((resolve) => {
    const page = request(url, { agent: false }, (response) => {
      tally[response.statusCode === 200 ? 'done' : 'refused'] += 1
      response.once('data', () => page.destroy())
      response.on('error', () => undefined)
    })
    page.on('close', () => resolve())
    page.on('error', () => undefined)
    page.end()
  })
}

/** Members of the topic that has 10,000 already come and go, and others read who is there. */
async function comeAndGo(): Promise<never> {
  const url = `${origin.replace('http', 'ws')}/_rig/v1/connection/phoenix/websocket?vsn=2.0.0&token=`
  const member = await tokenFor(user, { roles: ['crowd'] })
  const watcher = await tokenFor(user, { roles: ['support'] })
  const join = async (token: string, topic: string, until: string): Promise<never> => {
    for (;;) await joinOnce(`${url}${token}`, topic, until)
  }
  return Promise.race([
    join(member, `user:${user}`, 'presence_state'),
    join(watcher, 'role:crowd', 'presence_state'),
  ] as Promise<never>[])
}

async function joinOnce(url: string, topic: string, until: string): Promise<void> {
  await turn()
  return new Promise((resolve) => {
    const socket = new WebSocket(url)
    socket.on('open', () => socket.send(JSON.stringify(['1', '1', topic, 'phx_join', {}])))
    socket.on('message', (data: Buffer) => {
      if (!data.includes(until)) return
      tally.done += 1
      socket.send(JSON.stringify(['1', '2', topic, 'phx_leave', {}]))
      socket.close()
    })
    socket.on('error', () => (tally.refused += 1))
    socket.on('close', () => resolve())
  })
}

function count(response: Response): void {
  tally[response.ok ? 'done' : 'refused'] += 1
  void response.body?.cancel()
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
