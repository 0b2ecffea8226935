// What docs/ show for a page whose connection ends, or whose token does, run in Chromium as it stands there: a new token for an
// open stream, a new stream, and a close by Rigel that a plain WebSocket sees at once. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { until } from './rigel.ts'
import {
  addModule,
  addScript,
  browsing,
  defineGlobals,
  defineTokens,
  endSite,
  hasShown,
  openPage,
  publish,
  publishUntil,
  rigel,
  startSite,
} from './snippet-site.ts'
import { readSnippet } from './snippets.ts'

before(startSite)
after(endSite)

for (const where of ['same', 'another']) {
  void test(
    `docs/protocol.md: a new token for a stream of ${where} origin keeps it`,
    { timeout: 120_000 },
    async () => {
      const user = `renew-${where}`
      const page = where === 'same' ? await openPage() : await browsing.open(await startOtherOrigin())
      await defineGlobals(page)
      await page.exposeFunction('fetchToken', () => rigel.mintToken(user))
      const expiresMs = await openSource(page, user, 7)
      await addScript(page, readSnippet('docs/protocol.md#sse-renew'))
      await until('the first token has expired', () => Date.now() > expiresMs + 2_000)
      await publishUntil('order.shipped', () => hasShown(page, 'order.shipped'))
      assert.deepEqual(await page.evaluate('[source.readyState, window.closes]'), [1, 0])
      await page.close()
    },
  )
}

void test(
  'docs/protocol.md: a stream whose token expired is opened anew, and misses nothing',
  { timeout: 120_000 },
  async () => {
    const page = await openPage()
    await defineTokens(page, 'reopen', {})
    await openSource(page, 'reopen', 6)
    await addScript(page, readSnippet('docs/protocol.md#sse-reopen'))
    await publishUntil('order.shipped', () => hasShown(page, 'order.shipped'))
    // The page cannot open it before the event is in the log.
    await page.evaluate('window.holdTokens()')
    await until('the stream has ended', async () => (await page.evaluate('window.closes')) === 1)
    await publish('order.meanwhile')
    await page.evaluate('window.releaseTokens()')
    await until('what came meanwhile is shown', () => hasShown(page, 'order.meanwhile'))
    await page.close()
  },
)

void test('docs/tokens.md: a new stream before the token expires', { timeout: 120_000 }, async () => {
  const page = await openPage()
  await defineTokens(page, 'stream', {})
  const token = await rigel.mintToken('stream', { exp: inSeconds(7) })
  const expiresMs = Date.now() + 7_000
  await addScript(page, `${readSnippet('docs/tokens.md#new-stream')}\nopen('${token}')`)
  await publishUntil('order.shipped', () => hasShown(page, 'order.shipped'), ['stream'])
  await until('the first token has expired', () => Date.now() > expiresMs + 2_000)
  await page.evaluate('shown.length = 0')
  await publishUntil('order.shipped', () => hasShown(page, 'order.shipped'), ['stream'])
  await page.close()
})

void test(
  'docs/tokens.md: what comes between two streams is not lost, even as the first event',
  { timeout: 120_000 },
  async () => {
    const page = await openPage()
    await defineTokens(page, 'between', {})
    const token = await rigel.mintToken('between', { exp: inSeconds(7) })
    let streams = 0
    await page.route('**/connection/sse?*', async (route) => {
      streams += 1
      if (streams === 2) await publish('order.shipped', ['between'])
      await route.continue()
    })
    await addScript(page, `${readSnippet('docs/tokens.md#new-stream')}\nopen('${token}')`)
    await until('what came meanwhile is shown', () => hasShown(page, 'order.shipped'))
    assert.equal(streams, 2)
    await page.close()
  },
)

void test('docs/protocol.md: a plain WebSocket sees a close by Rigel at once', { timeout: 120_000 }, async () => {
  const page = await openPage()
  const frames: (string | Buffer)[] = []
  page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => frames.push(payload)))
  await addModule(page, `${readSnippet('docs/protocol.md#websocket')}\nwindow.socket = socket`)
  await until('it is greeted', () => hasShown(page, 'rig.connection.create'))
  await until('ping is answered', () => frames.includes('pong'))
  const took = await page.evaluate(async () => {
    const { socket, shown } = globalThis as unknown as Opened
    const closed = new Promise<{ at: number; code: number }>((resolve) =>
      socket.addEventListener('close', ({ code }) => resolve({ at: performance.now(), code })),
    )
    const token = shown.find(({ type }) => type === 'rig.connection.create')?.data?.connection_token ?? ''
    const headers = { authorization: 'Bearer a-development-token' }
    await fetch(`/_rig/api/v3/connections/${token}`, { method: 'DELETE', headers })
    const answered = performance.now()
    const { at, code } = await closed
    return { ms: at - answered, code }
  })
  assert.equal(took.code, 4507)
  // Chromium gives up after 2 s where the TCP connection stays open.
  assert.ok(took.ms < 1_500, `onclose came ${took.ms} ms after the answer`)
  await page.close()
})

interface Opened {
  readonly socket: WebSocket
  readonly shown: readonly { readonly type: string; readonly data?: { readonly connection_token?: string } }[]
}

function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1_000) + seconds
}

async function startOtherOrigin(): Promise<string> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html')
    response.end('<!doctype html><title>a page of its own</title>')
  })
  after(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

/** `source`, as the page before the snippet has it, and `open`. Returns when its token expires. */
async function openSource(page: Page, user: string, seconds: number): Promise<number> {
  const exp = inSeconds(seconds)
  const token = await rigel.mintToken(user, { exp })
  await addScript(
    page,
    `window.closes = 0
    const subscriptions = '&subscriptions=' + encodeURIComponent('[{"eventType":"order.*"}]')
    function open(url) {
      const opened = new EventSource(url + subscriptions)
      for (const type of ['order.shipped', 'order.meanwhile']) opened.addEventListener(type, ({ data }) => show(JSON.parse(data)))
      opened.addEventListener('rig.connection.close', () => (window.closes += 1))
      return opened
    }
    const source = open('${rigel.origin}/_rig/v1/connection/sse?jwt=${token}')`,
  )
  return exp * 1_000
}
