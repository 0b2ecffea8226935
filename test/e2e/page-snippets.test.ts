// What README.md and docs/ show for a page, run as it stands there, in Chromium: the client, its hooks and snippets for React,
// Vue and Svelte, EventSource and Phoenix. scripts/check-docs.ts sees to it that none is forgotten. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'
import type { Page } from 'playwright-core'
import { compile } from 'svelte/compiler'
import { openBrowser, type Browsing } from './browser.ts'
import { Rigel, until } from './rigel.ts'
import { readSnippet } from './snippets.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** A page without connections of its own. */
const PAGE = '/_rig/cost.html'

let rigel: Rigel
let browsing: Browsing
const otherOrigin = createServer((_request, response) => {
  response.setHeader('content-type', 'text/html')
  response.end('<!doctype html><title>a page of its own</title>')
})

before(async () => {
  rigel = await Rigel.start({ TOKEN_WARNING_SECONDS: '4' })
  browsing = await openBrowser()
  await new Promise<void>((resolve) => otherOrigin.listen(0, '127.0.0.1', resolve))
})

after(async () => {
  await browsing?.close()
  otherOrigin.close()
  await rigel?.end()
})

void test('README.md: a page of another origin', { timeout: 120_000 }, async () => {
  const page = await browsing.open(`http://127.0.0.1:${(otherOrigin.address() as AddressInfo).port}/`)
  const printed: string[] = []
  page.on('console', (message) => printed.push(message.text()))
  await addModule(page, readSnippet('README.md#page').replaceAll('http://localhost:8787', rigel.origin))
  await publishUntil('greeting', () => printed.some((line) => line.includes('hello')))
  await page.close()
})

void test('docs/client.md: the first example', { timeout: 120_000 }, async () => {
  const page = await openPage()
  const token = await rigel.mintToken('alice')
  await page.route('**/login/token', (route) => route.fulfill({ body: token }))
  await addModule(page, readSnippet('docs/client.md#connect').replace('https://events.example.com', rigel.origin))
  await publishUntil('order.shipped', () => hasShown(page, 'order.shipped'))
  assert.equal(await usersConnected('alice'), 1)
  await page.close()
})

void test('docs/client.md: goes on after a reload', { timeout: 120_000 }, async () => {
  const page = await openPage()
  const code = `import { connect } from '/_rig/client.js'
    ${readSnippet('docs/client.md#reload')}
    rigel.on('rig.gap', show)
    rigel.on('reload.*', show)
    rigel.subscribe([{ eventType: 'reload.*' }])`
  await addModule(page, code)
  await publishUntil('reload.before', () => hasShown(page, 'reload.before'))
  await page.goto('about:blank')
  await publish('reload.meanwhile')
  await page.goto(`${rigel.origin}${PAGE}`)
  await defineGlobals(page)
  await addModule(page, code)
  await until('what came meanwhile is shown', () => hasShown(page, 'reload.meanwhile'))
  assert.equal(await hasShown(page, 'rig.gap'), false)
  await page.close()
})

void test('docs/client.md: one connection for all tabs', { timeout: 120_000 }, async () => {
  const page = await openPage()
  await defineTokens(page, 'tabs', {})
  await addModule(page, `${readSnippet('docs/client.md#tabs')}\nrigel.on('order.*', show)`)
  await publishUntil('order.paid', () => hasShown(page, 'order.paid'))
  await page.close()
})

/** A component of each framework that shows the types of the last events, with what the page's snippet exports. */
const COMPONENTS = {
  react: [
    'docs/client.md#react',
    `import { createElement } from 'react'
    import { createRoot } from 'react-dom/client'
    import { Orders } from 'snippet'
    const root = createRoot(document.body)
    root.render(createElement(Orders, { rigel }))
    window.unmount = () => root.unmount()`,
  ],
  vue: [
    'docs/client.md#vue',
    `import { createApp, h } from 'vue'
    import { useEvents } from 'snippet'
    const app = createApp({
      setup() {
        const orders = useEvents(rigel, 'order.*')
        return () => h('ul', orders.value.map((order) => h('li', order.type)))
      },
    })
    app.mount(document.body)
    window.unmount = () => app.unmount()`,
  ],
  svelte: [
    'docs/client.md#svelte',
    `import { mount, unmount } from 'svelte'
    import Orders from './orders.svelte'
    const orders = mount(Orders, { target: document.body, props: { rigel } })
    window.unmount = () => unmount(orders)`,
  ],
} as const
const SVELTE = `<script>
  import { eventsOf } from 'snippet'
  let { rigel } = $props()
  const orders = eventsOf(rigel, 'order.*')
</script>
<ul>{#each $orders as order}<li>{order.type}</li>{/each}</ul>`

for (const [framework, [id, code]] of Object.entries(COMPONENTS)) {
  void test(`${id} shows events in ${framework}, and stops when it is unmounted`, { timeout: 120_000 }, async () => {
    const page = await openPage()
    const entry = `import { connect } from 'rigel-client'
      const rigel = connect({ subscriptions: [{ eventType: 'order.*' }] })
      // What the component asked for, and what it gave back.
      const on = rigel.on
      window.handlers = 0
      rigel.on = (...args) => { const remove = on(...args); window.handlers += 1; return () => { window.handlers -= 1; remove() } }
      ${code}`
    const snippet = `${readSnippet(id)}\n${framework === 'react' ? 'export { Orders }' : ''}`
    await addModule(page, await bundle(entry, snippet))
    await publishUntil(
      'order.shipped',
      async () => (await page.locator('li', { hasText: 'order.shipped' }).count()) > 0,
    )
    assert.equal(await page.evaluate('window.handlers'), 1)
    await page.evaluate('window.unmount()')
    await until('the handler is removed', async () => (await page.evaluate('window.handlers')) === 0)
    assert.equal(await page.locator('li').count(), 0)
    await page.close()
  })
}

for (const id of [
  'docs/protocol.md#sse-types',
  'docs/protocol.md#websocket',
  'docs/protocol.md#rigel-v1',
  'docs/protocol.md#longpolling',
]) {
  void test(`${id} shows what docs/publishing.md publishes from a page`, { timeout: 120_000 }, async () => {
    const page = await openPage()
    await defineTokens(page, 'alice', {})
    await addModule(page, readSnippet(id))
    const publishing = readSnippet('docs/publishing.md#fetch')
    await until('it is shown', async () => {
      await addModule(page, publishing)
      return hasShown(page, 'order.shipped')
    })
    await page.close()
  })
}

void test('docs/protocol.md: onmessage gets events of every type', { timeout: 120_000 }, async () => {
  const page = await openPage()
  await addScript(page, readSnippet('docs/protocol.md#sse-message'))
  await publishUntil('order.unforeseen', () => hasShown(page, 'order.unforeseen'))
  await page.close()
})

void test('docs/protocol.md: a stream that gets a new token outlives the old one', { timeout: 120_000 }, async () => {
  const page = await openPage()
  await defineTokens(page, 'renew', {})
  const expiresMs = await openSource(page, 'renew', 7)
  await addScript(page, readSnippet('docs/protocol.md#sse-renew'))
  await until('the first token has expired', () => Date.now() > expiresMs + 2_000)
  await publishUntil('order.shipped', () => hasShown(page, 'order.shipped'))
  assert.deepEqual(await page.evaluate('[source.readyState, window.closes]'), [1, 0])
  await page.close()
})

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

void test('docs/protocol.md: Phoenix Channels', { timeout: 120_000 }, async () => {
  const page = await openPage()
  const jwt = await rigel.mintToken('alice')
  const code = `import { Socket } from 'phoenix'; const jwt = '${jwt}'\n${readSnippet('docs/protocol.md#phoenix')}\nsocket.connect()`
  await addModule(page, await bundle(code, ''))
  await publishUntil('order.shipped', () => hasShown(page, 'order.shipped'), ['alice'])
  await page.close()
})

function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1_000) + seconds
}

async function openPage(): Promise<Page> {
  // The page's own policy would refuse a script of the test.
  const page = await browsing.open(`${rigel.origin}${PAGE}`, { bypassCSP: true })
  await defineGlobals(page)
  return page
}

/** What the snippets call, and what they are not about. */
async function defineGlobals(page: Page): Promise<void> {
  await page.evaluate(() => {
    const shown: unknown[] = []
    const show = (event: unknown): number => shown.push(event)
    Object.assign(globalThis, { shown, show, reload: () => {}, reloadEverything: () => {} })
  })
}

/** `fetchToken()` in the page, of development mode. `holdTokens()` lets it wait. */
async function defineTokens(page: Page, user: string, claims: object): Promise<void> {
  await page.evaluate(
    ([body]) => {
      let held = Promise.resolve()
      let releaseTokens = (): void => {}
      const fetchToken = async (): Promise<string> => {
        await held
        const response = await fetch('/_rig/dev/token', { method: 'POST', body: body ?? '' })
        return ((await response.json()) as { token: string }).token
      }
      Object.assign(globalThis, {
        fetchToken,
        holdTokens: () => void (held = new Promise((resolve) => (releaseTokens = resolve))),
        releaseTokens: () => releaseTokens(),
      })
    },
    [JSON.stringify({ user, ...claims })],
  )
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
    const source = open('/_rig/v1/connection/sse?jwt=${token}')`,
  )
  return exp * 1_000
}

async function addModule(page: Page, content: string): Promise<void> {
  // A module with a top-level await is never finished: it is not waited for.
  await page.evaluate((text) => {
    const script = document.createElement('script')
    script.type = 'module'
    script.textContent = text
    document.head.append(script)
  }, content)
}

async function addScript(page: Page, content: string): Promise<void> {
  await page.addScriptTag({ content })
}

async function bundle(entry: string, snippet: string): Promise<string> {
  const sources: Plugin = {
    name: 'sources',
    setup: (builder) => {
      builder.onResolve({ filter: /^snippet$/ }, () => ({ path: 'snippet', namespace: 'test' }))
      builder.onResolve({ filter: /\.svelte$/ }, () => ({ path: 'orders.svelte', namespace: 'test' }))
      builder.onLoad({ filter: /^snippet$/, namespace: 'test' }, () => ({
        contents: snippet,
        loader: 'jsx',
        resolveDir: root,
      }))
      builder.onLoad({ filter: /svelte$/, namespace: 'test' }, () => ({
        contents: compile(SVELTE, { generate: 'client' }).js.code,
        resolveDir: root,
      }))
    },
  }
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: root },
    bundle: true,
    write: false,
    format: 'esm',
    jsx: 'automatic',
    conditions: ['browser', 'production'],
    define: { 'process.env.NODE_ENV': '"production"', __VUE_OPTIONS_API__: 'true', __VUE_PROD_DEVTOOLS__: 'false' },
    alias: {
      'rigel-client': join(root, 'src/client/index.ts'),
      'rigel-client/react': join(root, 'src/client/react.ts'),
    },
    plugins: [sources],
    logLevel: 'error',
  })
  return outputFiles[0]?.text ?? ''
}

async function hasShown(page: Page, type: string): Promise<boolean> {
  const shown = await page.evaluate(() => (globalThis as unknown as { shown: ({ type?: string } | null)[] }).shown)
  return shown.some((event) => event?.type === type)
}

let published = 0

/** Publishes again and again, because a snippet does not tell when its subscriptions are in force. */
async function publishUntil(
  type: string,
  isThere: () => boolean | Promise<boolean>,
  recipients?: readonly string[],
): Promise<void> {
  await until(`${type} is shown`, async () => {
    await publish(type, recipients)
    return isThere()
  })
}

async function publish(type: string, recipients?: readonly string[]): Promise<void> {
  published += 1
  const data = { text: 'hello', ...(recipients === undefined ? {} : { recipients }) }
  const event = { specversion: '1.0', id: String(published), source: '/e2e', type, data }
  const response = await fetch(`${rigel.origin}/_rig/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify(event),
  })
  assert.equal(response.status, 202)
}

async function usersConnected(user: string): Promise<number | undefined> {
  const headers = { authorization: 'Bearer a-development-token' }
  const response = await fetch(`${rigel.origin}/_rig/api/v3/users`, { headers })
  return ((await response.json()) as { users: Record<string, number> }).users[user]
}
