// The npm library `phoenix`, unmodified, in Node and in Chromium, on both transports and with both serializers: issue 6.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { LongPoll, Presence, Socket, type Channel, type SocketConnectOption } from 'phoenix'
import { WebSocket } from 'ws'
import { openBrowser, type Browsing } from './browser.ts'
import { Rigel, until } from './rigel.ts'

const PATH = '/_rig/v1/connection/phoenix'
const BUNDLE = 'node_modules/phoenix/priv/static/phoenix.js'

let rigel: Rigel
let browsing: Browsing
const sockets: Socket[] = []

before(async () => {
  rigel = await Rigel.start()
  browsing = await openBrowser()
})

after(async () => {
  for (const socket of sockets) socket.disconnect()
  await browsing?.close()
  await rigel?.end()
})

/** Serializer V1 is not part of the library any more: whoever wants it brings it. */
const V1: Partial<SocketConnectOption> = {
  vsn: '1.0.0',
  encode: (message: object, callback: (text: string) => void) => callback(JSON.stringify(message)),
  decode: (text: string, callback: (message: unknown) => void) => callback(JSON.parse(text)),
}

const WAYS = [
  { name: 'WebSocket, V2', options: { transport: WebSocket } },
  { name: 'WebSocket, V1', options: { transport: WebSocket, ...V1 } },
  { name: 'long-polling, V2', options: { transport: LongPoll } },
  // By long-polling the library speaks V2 whatever it is told, and names the version it was told.
  { name: 'long-polling, told V1', options: { transport: LongPoll, ...V1 } },
]

function connect(token: string | null, options: object = { transport: WebSocket }): Socket {
  const endpoint = `${rigel.origin.replace('http', 'ws')}${PATH}`
  const socket = new Socket(endpoint, { ...(token === null ? {} : { authToken: token }), ...options })
  sockets.push(socket)
  socket.connect()
  return socket
}

function join(channel: Channel): Promise<{ recovered?: boolean; reason?: string }> {
  return new Promise((resolve, reject) => {
    channel
      .join()
      .receive('ok', resolve)
      .receive('error', reject)
      .receive('timeout', () => reject(new Error('timeout')))
  })
}

/** A channel that keeps what it saw, and rejoins from there. */
function follow(socket: Socket, topic: string) {
  const seen: string[] = []
  const recovered: (boolean | undefined)[] = []
  let last: string | undefined
  const channel = socket.channel(topic, () => ({ last_event_id: last }))
  // The types know of one argument; the library gives two.
  const onMessage = (event: { id: string }, position: string) => {
    seen.push(event.id)
    last = position
  }
  channel.on('message', onMessage as (event: unknown) => void)
  const joined = new Promise<void>((resolve, reject) => {
    channel
      .join()
      .receive('ok', (reply: { recovered?: boolean }) => {
        recovered.push(reply.recovered)
        resolve()
      })
      .receive('error', (reply) => reject(new Error(JSON.stringify(reply))))
  })
  return { channel, seen, recovered, joined }
}

async function produce(id: string, recipients?: readonly string[], type = 'phoenix.note'): Promise<void> {
  const event = { specversion: '1.0', id, source: '/e2e', type, data: recipients === undefined ? {} : { recipients } }
  await rigel.kafka.producer().produce('rig', event, { key: 'one' })
}

for (const { name, options } of WAYS) {
  void test(`${name}: joins, is refused, gets events, publishes`, { timeout: 60_000 }, async () => {
    const user = `alice-${name.replaceAll(/\W/g, '')}`
    const socket = connect(await rigel.mintToken(user), options)
    const own = follow(socket, `user:${user}`)
    await own.joined
    await assert.rejects(join(socket.channel('user:somebody')), (reply: { reason: string }) =>
      reply.reason.startsWith('unauthorized user'),
    )
    await produce(`${name} 1`, [user])
    await until('the event arrives', () => own.seen.includes(`${name} 1`))
    const event = { specversion: '1.0', id: `${name} 2`, source: '/e2e', type: 'x', data: { recipients: [user] } }
    await new Promise((resolve, reject) => {
      own.channel.push('event', event).receive('ok', resolve).receive('error', reject)
    })
    await until('what it published itself arrives', () => own.seen.includes(`${name} 2`))
    assert.deepEqual(own.seen, [`${name} 1`, `${name} 2`])
    socket.disconnect()
  })
}

void test('a killed server that comes back has cost nothing, on both transports', { timeout: 120_000 }, async () => {
  const quick = { reconnectAfterMs: () => 300, rejoinAfterMs: () => 300, heartbeatIntervalMs: 2_000 }
  const clients = await Promise.all(
    [WebSocket, LongPoll].map(async (transport) => {
      const socket = connect(await rigel.mintToken('kim'), { transport, ...quick })
      const own = follow(socket, 'user:kim')
      const all = follow(socket, 'events:phoenix.all')
      await Promise.all([own.joined, all.joined])
      return { own, all }
    }),
  )
  await produce('k0', ['kim'])
  await produce('a0', undefined, 'phoenix.all')
  await until('events flow', () => clients.every(({ own, all }) => own.seen.length === 1 && all.seen.length === 1))
  await rigel.kill()
  await rigel.start()
  for (let n = 1; n <= 20; n++) {
    await produce(`k${n}`, ['kim'])
    await produce(`a${n}`, undefined, 'phoenix.all')
  }
  await until('everything arrives', () =>
    clients.every(({ own, all }) => own.seen.length >= 21 && all.seen.length >= 21),
  )
  for (const { own, all } of clients) {
    assert.deepEqual(
      own.seen,
      Array.from({ length: 21 }, (_, n) => `k${n}`),
    )
    assert.deepEqual(
      all.seen,
      Array.from({ length: 21 }, (_, n) => `a${n}`),
    )
    assert.ok(![...own.recovered, ...all.recovered].includes(false))
  }
})

void test('presence shows three clients, on different shards, and who of them left', { timeout: 60_000 }, async () => {
  const users = ['pam', 'quentin', 'rosa']
  const team = await Promise.all(
    users.map(async (user) => {
      const socket = connect(await rigel.mintToken(user, { roles: ['crew'] }))
      const channel = socket.channel(`user:${user}`)
      await join(channel)
      return { socket, channel }
    }),
  )
  const boss = connect(await rigel.mintToken('boss', { roles: ['support'] })).channel('role:crew')
  const presence = new Presence(boss)
  const names = () => presence.list((name: string) => name).toSorted()
  await join(boss)
  await until('all are present', () => names().length === 3)
  assert.deepEqual(names(), users)
  await new Promise((resolve) => team[0]?.channel.leave().receive('ok', resolve))
  await until('one has left', () => names().length === 2)
  team[1]?.socket.disconnect()
  await until('one is lost, and gone', () => names().length === 1, 30_000)
  assert.deepEqual(names(), ['rosa'])
})

for (const transport of ['websocket', 'longpoll', 'fallback'] as const) {
  void test(`in Chromium by ${transport}`, { timeout: 60_000 }, async () => {
    const page = await browsing.open(`${rigel.origin}/_rig/`, { bypassCSP: true })
    if (transport === 'fallback') await page.routeWebSocket(/phoenix\/websocket/, (socket) => socket.close())
    await page.addScriptTag({ path: BUNDLE })
    const user = `chromium-${transport}`
    const token = await rigel.mintToken(user)
    const joined = page.evaluate(joinInPage, { token, user, transport })
    assert.equal(await joined, 'ok')
    await produce(`c-${transport}`, [user])
    await page.waitForFunction((id) => (globalThis as unknown as PageState).seen?.includes(id), `c-${transport}`)
    const used = await page.evaluate(() => (globalThis as unknown as PageState).used())
    assert.equal(used, transport === 'websocket' ? 'WebSocket' : 'LongPoll')
    await page.close()
  })
}

interface PageState {
  seen?: string[]
  used: () => string
  Phoenix: { Socket: typeof Socket; LongPoll: typeof LongPoll }
}

/** Runs in the page. */
function joinInPage({ token, user, transport }: { token: string; user: string; transport: string }): Promise<string> {
  const page = globalThis as unknown as PageState
  const seen: string[] = (page.seen = [])
  const options = {
    authToken: token,
    ...(transport === 'longpoll' ? { transport: page.Phoenix.LongPoll } : {}),
    ...(transport === 'fallback' ? { longPollFallbackMs: 1_000 } : {}),
  }
  const socket = new page.Phoenix.Socket('/_rig/v1/connection/phoenix', options)
  page.used = () => ((socket as unknown as { transport: unknown }).transport === WebSocket ? 'WebSocket' : 'LongPoll')
  socket.connect()
  const channel = socket.channel(`user:${user}`)
  channel.on('message', (event: { id: string }) => void seen.push(event.id))
  return new Promise((resolve) => {
    channel
      .join()
      .receive('ok', () => resolve('ok'))
      .receive('error', (reply) => resolve(JSON.stringify(reply)))
  })
}
