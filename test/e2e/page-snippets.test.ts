// What README.md and docs/ show for a page, run as it stands there, in Chromium: the client, its hooks and snippets for React,
// Vue and Svelte, EventSource and Phoenix. scripts/check-docs.ts sees to it that none is forgotten; stream-snippets.test.ts has
// what is about tokens and the end of a connection. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { compile } from 'svelte/compiler'
import { until } from './rigel.ts'
import {
  PAGE,
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

const root = fileURLToPath(new URL('../..', import.meta.url))
const otherOrigin = createServer((_request, response) => {
  response.setHeader('content-type', 'text/html')
  response.end('<!doctype html><title>a page of its own</title>')
})

before(async () => {
  await startSite()
  await new Promise<void>((resolve) => otherOrigin.listen(0, '127.0.0.1', resolve))
})

after(async () => {
  otherOrigin.close()
  await endSite()
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

void test('docs/protocol.md: Phoenix Channels', { timeout: 120_000 }, async () => {
  const page = await openPage()
  const jwt = await rigel.mintToken('alice')
  const code = `import { Socket } from 'phoenix'; const jwt = '${jwt}'\n${readSnippet('docs/protocol.md#phoenix')}\nsocket.connect()`
  await addModule(page, await bundle(code, ''))
  await publishUntil('order.shipped', () => hasShown(page, 'order.shipped'), ['alice'])
  await page.close()
})

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

async function usersConnected(user: string): Promise<number | undefined> {
  const headers = { authorization: 'Bearer a-development-token' }
  const response = await fetch(`${rigel.origin}/_rig/api/v3/users`, { headers })
  return ((await response.json()) as { users: Record<string, number> }).users[user]
}
