// Tables and events in components of React, in Chromium: what they show after updates, removals, other filters and other tokens, in
// StrictMode's double mount, and how often they render. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Page } from 'playwright-core'
import { openBrowser, type Browsing } from './browser.ts'
import { Rigel, until } from './rigel.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const ROWS = 300
const CHANGES = 2_000

let rigel: Rigel
let browsing: Browsing

before(async () => {
  rigel = await Rigel.start({
    KAFKA_PARTITIONS: '1',
    SUBMISSION_CHECK: 'no_check',
    TOKEN_WARNING_SECONDS: '4',
    TABLES: '{"order":{"topic":"rig"}}',
    TYPES: '{"order":{"subscribe":[{"claim":"/tenant","field":"tenant"},{"role":"admin"}]}}',
    EXTRACTORS:
      '{"order":{"tenant":{"event":{"json_pointer":"/data/tenant"}},"open":{"stable_field_index":1,"event":{"json_pointer":"/data/open"}}}}',
  })
  browsing = await openBrowser()
})

after(async () => {
  await browsing?.close()
  await rigel?.end()
})

/** Counts renders by component. `show(...)` says which components there are. */
const ENTRY = `
import { createElement as h, Fragment, memo, StrictMode, useDeferredValue, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { connect } from 'rigel-client'
import { table } from 'rigel-client/table'
import { useEvents, useTable, useTableState } from 'rigel-client/react'

window.renders = { List: 0, Row: 0, Size: 0, State: 0, Late: 0 }
window.tokens = []
const rigel = connect({ token: () => window.tokens.at(-1), subscriptions: [{ eventType: 'order', state: true }] })
const orders = table(rigel, 'order')
window.orders = orders
window.rigel = rigel

const Row = memo(({ event }) => {
  renders.Row += 1
  return h('li', { id: 'row ' + event.subject }, event.subject + '=' + event.data.n)
})
function List() {
  renders.List += 1
  const rows = useTable(orders)
  return h('ul', null, [...rows].map(([key, event]) => h(Row, { key, event })))
}
function Size() {
  renders.Size += 1
  return h('b', null, String(useTable(orders).size))
}
function State() {
  renders.State += 1
  return h('i', null, useTableState(orders))
}
function Late() {
  renders.Late += 1
  return h('s', null, String(useDeferredValue(useTable(orders)).size))
}
function Events({ type }) {
  return h('p', null, useEvents(rigel, type, { limit: 3 }).map(({ type }) => type).join(' '))
}
function App() {
  const [shown, show] = useState([])
  window.show = (...names) => show(names)
  const [type, setType] = useState('order')
  window.setType = setType
  return h(Fragment, null,
    shown.map((name, index) => h({ Events, List, Size, State, Late }[name], { key: index, type })))
}
window.root = createRoot(document.body)
window.root.render(h(StrictMode, null, h(App)))
`

async function openApp(token: string): Promise<{ page: Page; problems: string[] }> {
  const { outputFiles } = await build({
    stdin: { contents: ENTRY, resolveDir: root },
    bundle: true,
    write: false,
    format: 'esm',
    // StrictMode mounts twice in development only, and only then does React tell of a snapshot that is never the same.
    define: { 'process.env.NODE_ENV': '"development"' },
    alias: {
      'rigel-client': join(root, 'src/client/index.ts'),
      'rigel-client/react': join(root, 'src/client/react.ts'),
      'rigel-client/table': join(root, 'src/client/table.ts'),
    },
    logLevel: 'error',
  })
  const page = await browsing.open(`${rigel.origin}/_rig/cost.html`, { bypassCSP: true })
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(String(error)))
  page.on('console', (message) => {
    // The page has no icon.
    const isAboutReact = ['error', 'warning'].includes(message.type()) && !message.text().includes('404')
    if (isAboutReact) problems.push(message.text())
  })
  await page.evaluate(
    ([code, first]) => {
      document.body.replaceChildren()
      const script = document.createElement('script')
      script.type = 'module'
      script.textContent = `${code?.replace('window.tokens = []', `window.tokens = [${JSON.stringify(first)}]`)}`
      document.head.append(script)
    },
    [outputFiles[0]?.text ?? '', token],
  )
  await until('the table is there', async () => (await ask(page, `window.orders?.state`)) === 'current')
  return { page, problems }
}

async function ask(page: Page, code: string): Promise<unknown> {
  return page.evaluate(code)
}

async function show(page: Page, ...names: string[]): Promise<void> {
  await page.evaluate(`window.show(...${JSON.stringify(names)})`)
}

/** Resolves to what the components show. */
async function texts(page: Page, selector: string): Promise<readonly string[]> {
  return page.locator(selector).allTextContents()
}

let published = 0

async function publish(changes: readonly { subject: string; data?: object; type?: string }[]): Promise<void> {
  const events = changes.map((change) => {
    published += 1
    return { specversion: '1.0', id: String(published), source: '/e2e', type: 'order', ...change }
  })
  const response = await fetch(`${rigel.origin}/_rig/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents-batch+json' },
    body: JSON.stringify(events),
  })
  assert.equal(response.status, 202, await response.text())
}

function row(subject: string, n: number, { open = true, tenant = 'a' } = {}) {
  return { subject, data: { n, tenant, open: String(open) } }
}

void test('a table in React: rows, changes and removals, mounted twice and again', { timeout: 180_000 }, async () => {
  await publish([row('one', 1), row('two', 2), row('hidden', 3, { tenant: 'b' })])
  const { page, problems } = await openApp(await rigel.mintToken('alice', { tenant: 'a' }))
  await show(page, 'List', 'Size', 'Size', 'State', 'Late')
  await until('all rows are shown', async () => (await texts(page, 'li')).length === 2)
  assert.deepEqual((await texts(page, 'li')).toSorted(), ['one=1', 'two=2'])
  assert.deepEqual(await texts(page, 'b, i, s'), ['2', '2', 'current', '2'])

  await publish([row('two', 4), row('three', 5), row('hidden', 6, { tenant: 'b' }), { subject: 'one' }])
  const changed = ['three=5', 'two=4']
  await until('changes are shown', async () => String((await texts(page, 'li')).toSorted()) === String(changed))
  await until('everywhere', async () => String(await texts(page, 'b, i, s')) === '2,2,current,2')

  await show(page)
  await publish([row('two', 7), row('__proto__', 8), row('hidden', 9)])
  await until('the table goes on', async () => (await ask(page, `orders.rows.get('hidden')?.data.n`)) === 9)
  await show(page, 'List', 'Size')
  await until('what came meanwhile is shown', async () => (await texts(page, 'li')).length === 4)
  assert.deepEqual((await texts(page, 'li')).toSorted(), ['__proto__=8', 'hidden=9', 'three=5', 'two=7'])
  assert.deepEqual(await texts(page, 'b'), ['4'])

  // A row is taken away from this tenant: its clients are told that it is gone.
  await publish([row('hidden', 10, { tenant: 'b' })])
  await until('the row is gone', async () => String(await texts(page, 'b')) === '3')

  await page.evaluate('window.root.unmount()')
  assert.deepEqual(problems, [])
  await page.close()
})

void test('a table in React renders once for what comes at once', { timeout: 180_000 }, async () => {
  const { page, problems } = await openApp(await rigel.mintToken('alice', { tenant: 'many' }))
  for (let from = 0; from < ROWS; from += 100)
    await publish(Array.from({ length: 100 }, (_, n) => row(`many ${from + n}`, -1, { tenant: 'many' })))
  await until('all rows are there', async () => (await ask(page, `orders.rows.size`)) === ROWS)
  await show(page, 'List', 'Size', 'State')
  await until('all rows are shown', async () => (await texts(page, 'li')).length === ROWS)
  await page.evaluate(`window.before = orders.rows; for (const name in renders) renders[name] = 0`)
  for (let from = 0; from < CHANGES; from += 100)
    await publish(Array.from({ length: 100 }, (_, n) => row(`many ${(from + n) % ROWS}`, from + n, { tenant: 'many' })))
  const last = `many ${(CHANGES - 1) % ROWS}=${CHANGES - 1}`
  await until('the last change is shown', async () => (await texts(page, 'li')).includes(last))
  const renders = (await ask(page, 'window.renders')) as Readonly<Record<string, number>>
  // StrictMode renders each component twice.
  assert.ok((renders['List'] ?? 0) <= (2 * CHANGES) / 10, `the list was rendered ${renders['List']} times`)
  assert.ok((renders['Row'] ?? 0) <= 2 * CHANGES, `rows were rendered ${renders['Row']} times`)
  assert.equal(renders['State'], 0)
  assert.equal(await ask(page, `[...before.values()].every(({ data }) => data.n === -1)`), true)
  assert.deepEqual(problems, [])
  await page.close()
})

void test('a table in React with another filter, and another token', { timeout: 180_000 }, async () => {
  await publish([
    row('open', 1, { tenant: 'c' }),
    row('closed', 2, { tenant: 'c', open: false }),
    row('of d', 3, { tenant: 'd' }),
  ])
  const exp = Math.floor(Date.now() / 1_000) + 12
  const { page, problems } = await openApp(await rigel.mintToken('carol', { tenant: 'c', exp }))
  await show(page, 'List', 'State', 'Events')
  const isShown = async (...rows: string[]) =>
    until(`${String(rows)} are shown`, async () => String((await texts(page, 'li')).toSorted()) === String(rows))
  await isShown('closed=2', 'open=1')
  await page.evaluate(`rigel.subscribe([{ eventType: 'order', state: true, oneOf: [{ open: 'true' }] }])`)
  await isShown('open=1')
  await publish([row('closed', 4, { tenant: 'c' }), row('open', 5, { tenant: 'c', open: false })])
  await isShown('closed=4')

  await page.evaluate(`rigel.subscribe([{ eventType: 'other' }])`)
  await isShown()
  await until('the table has ended', async () => String(await texts(page, 'i')) === 'failed')
  await page.evaluate(`rigel.subscribe([{ eventType: 'order', state: true }, { eventType: 'other' }])`)
  await isShown('closed=4', 'open=5')
  await until('the table is there again', async () => String(await texts(page, 'i')) === 'current')

  // A new token of the same user, for which the page is asked before the first one ends.
  const other = await rigel.mintToken('carol', { tenant: 'd' })
  await page.evaluate(`window.tokens.push(${JSON.stringify(other)})`)
  await isShown('of d=3')
  await publish([row('closed', 5, { tenant: 'c' }), row('of d', 6, { tenant: 'd' })])
  await isShown('of d=6')

  // Events of the type before are not shown for those of another.
  await page.evaluate(`window.setType('other')`)
  await until('no events are shown', async () => String(await texts(page, 'p')) === '')
  await publish([{ subject: 'x', type: 'other', data: {} }])
  await until('events are shown', async () => String(await texts(page, 'p')) === 'other')
  assert.deepEqual(problems, [])
  await page.close()
})
