// The client library in Chromium, as a page uses it: it survives SIGKILLs, a network that blocks WebSockets, being offline or
// suspended, and tokens that expire or are refused, and tabs share one connection. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { createServer, request as httpRequest, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { openBrowser, type Browsing } from './browser.ts'
import { Rigel, until } from './rigel.ts'
import { TOPIC } from './topic.ts'
import type { connect } from '../../src/client/index.ts'
import type { connectShared } from '../../src/client/tabs.ts'

const TYPE = 'com.hotel.booking.created'
/** A page without connections of its own: a browser opens six to a host, for all tabs together. */
const PAGE = '/_rig/cost.html'

/** What a test's page keeps about its connection, in `window`. */
interface Seen {
  readonly ids: string[]
  readonly states: string[]
  /** How many tokens the login service has given. */
  tokens: number
  gaps: number
  closed: { code: number } | null
  transport: string
  lastEventId: string | null
}

let rigel: Rigel
let browsing: Browsing

before(async () => {
  rigel = await Rigel.start({ TOKEN_WARNING_SECONDS: '4' })
  browsing = await openBrowser()
})

after(async () => {
  await browsing?.close()
  await rigel?.end()
})

for (const transport of ['websocket', 'sse', 'longpolling']) {
  void test(`${transport}: nothing is lost or repeated over a SIGKILL`, { timeout: 240_000 }, async () => {
    const user = `kill-${transport}`
    const page = await browsing.open(`${rigel.origin}${PAGE}`)
    await connectIn(page, { user, transports: [transport] })
    await isOpen(page)
    await produce([`${user} 1`, `${user} 2`], user)
    await hasSeen(page, 2)
    await rigel.kill()
    await until('the page notices', async () => (await seenIn(page)).states.at(-1) !== 'open')
    await rigel.start()
    await produce([`${user} 3`], user)
    await hasSeen(page, 3)
    const seen = await seenIn(page)
    assert.deepEqual([seen.ids, seen.gaps], [[`${user} 1`, `${user} 2`, `${user} 3`], 0])
    await page.close()
  })
}

void test(
  'what is produced while the page is offline comes when it is online again',
  { timeout: 120_000 },
  async () => {
    const page = await browsing.open(`${rigel.origin}${PAGE}`)
    await connectIn(page, { user: 'offline' })
    await isOpen(page)
    await page.context().setOffline(true)
    await produce(['meanwhile'], 'offline')
    await page.context().setOffline(false)
    await hasSeen(page, 1)
    assert.equal((await seenIn(page)).gaps, 0)
    await page.close()
  },
)

void test('what is produced while the tab is suspended comes when it is resumed', { timeout: 240_000 }, async () => {
  const page = await browsing.open(`${rigel.origin}${PAGE}`)
  await connectIn(page, { user: 'suspended' })
  await isOpen(page)
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Page.setWebLifecycleState', { state: 'frozen' })
  await produce(['while it is connected'], 'suspended')
  // The connection ends, and the page cannot notice.
  await rigel.kill()
  await rigel.start()
  await produce(['while nobody is there'], 'suspended')
  await devtools.send('Page.setWebLifecycleState', { state: 'active' })
  await hasSeen(page, 2)
  const { gaps, ids } = await seenIn(page)
  assert.deepEqual([ids, gaps], [['while it is connected', 'while nobody is there'], 0])
  await page.close()
})

for (const transport of ['websocket', 'sse', 'longpolling']) {
  void test(
    `${transport}: the token is renewed before it expires, and the connection stays`,
    { timeout: 120_000 },
    async () => {
      const user = `renewed-${transport}`
      const page = await browsing.open(`${rigel.origin}${PAGE}`)
      await connectIn(page, { user, transports: [transport], tokenSeconds: 7 })
      await isOpen(page)
      const firstExpiresMs = Date.now() + 7_000
      await until('there were two renewals', async () => (await seenIn(page)).tokens >= 3)
      await until('the first token has expired', () => Date.now() > firstExpiresMs + 1_000)
      await produce(['after the first token'], user)
      await hasSeen(page, 1)
      assert.deepEqual((await seenIn(page)).states, ['open'])
      await page.close()
    },
  )

  void test(
    `${transport}: a token that is kept until it expires costs a reconnect, and no event`,
    { timeout: 120_000 },
    async () => {
      const user = `kept-${transport}`
      const page = await browsing.open(`${rigel.origin}${PAGE}`)
      await connectIn(page, { user, transports: [transport], tokenSeconds: 5, keepsToken: true })
      await isOpen(page)
      for (let n = 1; (await seenIn(page)).tokens < 2; n += 1) await produce([`${user} ${n}`], user)
      await until('it is open again', async () => (await seenIn(page)).states.at(-1) === 'open')
      await produce(['last'], user)
      await until('the last one has come', async () => (await seenIn(page)).ids.includes('last'))
      const { closed, gaps, ids, states } = await seenIn(page)
      assert.deepEqual(ids, [...ids.slice(0, -1).map((_, index) => `${user} ${index + 1}`), 'last'])
      assert.deepEqual([gaps, closed], [0, null])
      assert.ok(states.includes('waiting'), String(states))
      await page.close()
    },
  )
}

void test('a network that blocks WebSockets is passed by SSE', { timeout: 120_000 }, async () => {
  const proxy = await startProxyWithoutUpgrade(rigel.origin)
  const origin = `http://localhost:${(proxy.address() as AddressInfo).port}`
  after(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  const page = await browsing.open(`${origin}${PAGE}`)
  await connectIn(page, { user: 'blocked' })
  await isOpen(page)
  await produce(['behind the proxy'], 'blocked')
  await hasSeen(page, 1)
  assert.equal((await seenIn(page)).transport, 'sse')
  await page.close()
})

void test('a refused token closes for good', { timeout: 120_000 }, async () => {
  const page = await browsing.open(`${rigel.origin}${PAGE}`)
  await connectIn(page, { user: 'refused', token: 'not-a-token' })
  await until('it is closed', async () => (await seenIn(page)).closed !== null)
  assert.equal((await seenIn(page)).states.at(-1), 'closed')
  await page.close()
})

void test('a slow handler holds the server back, and gets every event', { timeout: 120_000 }, async () => {
  const page = await browsing.open(`${rigel.origin}${PAGE}`)
  await connectIn(page, { user: 'slow', delayMs: 20 })
  await isOpen(page)
  const ids = Array.from({ length: 100 }, (_, n) => `slow ${n}`)
  await produce(ids, 'slow')
  await hasSeen(page, 100)
  assert.deepEqual((await seenIn(page)).ids, ids)
  await page.close()
})

void test('tabs share one connection, and the next tab takes over without loss', { timeout: 120_000 }, async () => {
  const first = await browsing.open(`${rigel.origin}${PAGE}`)
  const tabs = [first, await openTab(first), await openTab(first)]
  for (const tab of tabs) await connectIn(tab, { user: 'tabs', isShared: true })
  for (const tab of tabs) await isOpen(tab)
  assert.equal(await connectionsOf('tabs'), 1)
  await produce(['to all tabs'], 'tabs')
  for (const tab of tabs) await hasSeen(tab, 1)
  await first.close()
  await produce(['after the first tab is closed'], 'tabs')
  for (const tab of tabs.slice(1)) await hasSeen(tab, 2)
  const seen = await Promise.all(tabs.slice(1).map(seenIn))
  for (const { ids, gaps } of seen) assert.deepEqual([ids, gaps], [['to all tabs', 'after the first tab is closed'], 0])
  assert.equal(await connectionsOf('tabs'), 1)
  for (const tab of tabs.slice(1)) await tab.close()
})

interface PageOptions {
  readonly user: string
  readonly token?: string
  /** The page asks for tokens that are valid for so long. */
  readonly tokenSeconds?: number
  /** The page asks for a new token when the last one has expired, not before. */
  readonly keepsToken?: boolean
  readonly transports?: readonly string[]
  readonly delayMs?: number
  readonly isShared?: boolean
}

async function connectIn(page: Page, options: PageOptions): Promise<void> {
  const token = options.token ?? (await rigel.mintToken(options.user))
  await page.evaluate(runClient, { ...options, token })
}

/** Runs in the page, so it knows nothing of this file. */
async function runClient(options: PageOptions): Promise<void> {
  const load = (path: string): Promise<{ connect: typeof connect; connectShared: typeof connectShared }> => import(path)
  const module = await load(options.isShared === true ? '/_rig/client-tabs.js' : '/_rig/client.js')
  const seen = {
    ids: [] as string[],
    states: [] as string[],
    tokens: 0,
    gaps: 0,
    closed: null as unknown,
    transport: '',
    lastEventId: null as string | null,
  }
  Object.assign(globalThis, { seen })
  const open = options.isShared === true ? module.connectShared : module.connect
  const kept = { token: '', untilMs: 0 }
  const fetchToken = async (seconds: number): Promise<string> => {
    if (options.keepsToken === true && Date.now() < kept.untilMs) return kept.token
    const exp = Math.floor(Date.now() / 1_000) + seconds
    const body = JSON.stringify({ user: options.user, exp })
    const response = await fetch('/_rig/dev/token', { method: 'POST', body })
    seen.tokens += 1
    Object.assign(kept, (await response.json()) as { token: string }, { untilMs: exp * 1_000 })
    return kept.token
  }
  const connection = open({
    user: options.user,
    token: () => (options.tokenSeconds === undefined ? (options.token ?? null) : fetchToken(options.tokenSeconds)),
    ...(options.transports === undefined ? {} : { transports: options.transports as ['sse'] }),
    onPosition: (position) => (seen.lastEventId = position),
  })
  connection.onState((state) => {
    seen.states.push(state)
    seen.transport = connection.transport
  })
  connection.on('rig.gap', () => (seen.gaps += 1))
  void connection.closed.then((problem) => (seen.closed = problem))
  void (async () => {
    for await (const event of connection) {
      if (event.type === 'rig.gap') continue
      seen.ids.push(event.id)
      await new Promise((resolve) => setTimeout(resolve, options.delayMs ?? 0))
    }
  })()
}

async function seenIn(page: Page): Promise<Seen> {
  return page.evaluate(() => (globalThis as unknown as { seen: Seen }).seen)
}

async function isOpen(page: Page): Promise<void> {
  await until('the client is connected', async () => (await seenIn(page)).states.at(-1) === 'open')
}

async function hasSeen(page: Page, count: number): Promise<void> {
  await until(`${count} events have come`, async () => (await seenIn(page)).ids.length >= count)
}

/** Of the same browser context as `page`: tabs of one user. */
async function openTab(page: Page): Promise<Page> {
  const tab = await page.context().newPage()
  await tab.goto(page.url())
  return tab
}

async function produce(ids: readonly string[], user: string): Promise<void> {
  for (const id of ids) {
    const event = { specversion: '1.0', id, source: '/e2e', type: TYPE, data: { recipients: [user] } }
    await rigel.kafka.producer().produce(TOPIC, event, { key: user })
  }
}

async function connectionsOf(user: string): Promise<number> {
  const response = await fetch(`${rigel.origin}/_rig/api/v3/connections?user=${user}`, {
    headers: { authorization: 'Bearer a-development-token' },
  })
  return ((await response.json()) as { connections: unknown[] }).connections.length
}

/** Forwards HTTP, and answers every upgrade as a proxy does that knows none. */
function startProxyWithoutUpgrade(target: string): Promise<Server> {
  const proxy = createServer((request, response) => {
    const options = { method: request.method ?? 'GET', headers: request.headers }
    const forwarded = httpRequest(new URL(request.url ?? '/', target), options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    forwarded.on('error', () => response.destroy())
    response.on('close', () => forwarded.destroy())
    request.pipe(forwarded)
  })
  proxy.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  return new Promise((resolve) => proxy.listen(0, () => resolve(proxy)))
}
