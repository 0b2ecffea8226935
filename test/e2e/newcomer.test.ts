// What a newcomer sees: the page at /_rig/ in Chromium, an event that another process produced, in the column of the user
// it is addressed to and in no other; a kill, a restart, a reload, and nothing is missing. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, before, test } from 'node:test'
import type { ConsoleMessage, Page } from 'playwright-core'
import { openBrowser, type Browsing } from './browser.ts'
import { Rigel, until } from './rigel.ts'
import { TOPIC } from './topic.ts'

const TRANSPORTS = ['sse', 'rigel', 'plain', 'longpolling', 'ndjson', 'phoenix']
const TYPE = 'com.hotel.booking.created'

let rigel: Rigel
let browsing: Browsing
let page: Page
/** Another browser with the same page. */
let second: Page
const errors: string[] = []

before(async () => {
  rigel = await Rigel.start()
  browsing = await openBrowser()
  page = await browsing.open(`${rigel.origin}/_rig/`)
  second = await browsing.open(`${rigel.origin}/_rig/`)
  for (const one of [page, second]) one.on('pageerror', (error) => errors.push(error.message))
})

after(async () => {
  await browsing?.close()
  await rigel?.end()
})

void test('alice, bob and nobody are connected when the page opens', { timeout: 120_000 }, async () => {
  await areOpen(3)
  assert.equal(await page.title(), 'Rigel')
})

void test('an event from outside reaches alice on every transport, and nobody else', { timeout: 120_000 }, async () => {
  for (const transport of TRANSPORTS) await addPane('alice', transport)
  await areOpen(3 + TRANSPORTS.length)
  await produce('outside', ['alice'])
  await until(
    'alice has it on every transport',
    async () => (await panesWith('outside')).length === TRANSPORTS.length + 1,
  )
  assert.deepEqual([...new Set(await panesWith('outside'))], ['alice'])
})

void test('the form publishes, to whom it names', { timeout: 120_000 }, async () => {
  await page.fill('#publish [name=recipients]', 'bob')
  await page.click('#publish button')
  await until('it is in the log', async () => /In the log/.test(await page.innerText('#published')))
  const isBobs = async () => (await page.locator('.pane').nth(1).locator('li.event').count()) === 1
  await until('bob has it', isBobs)
  assert.equal(await page.locator('li.event').count(), TRANSPORTS.length + 2, 'one a connection of alice, one of bob')
})

for (const transport of TRANSPORTS) {
  void test(
    `the code beside a connection by ${transport} gets what the connection gets`,
    { timeout: 120_000 },
    async () => {
      const code = await page
        .locator('.pane', { has: page.locator(`[name=transport] option[value=${transport}]:checked`) })
        .filter({ has: page.locator('[name=user]') })
        .last()
        .locator('.code pre')
        .textContent()
      const run = transport === 'ndjson' ? runInShell : runInPage
      const running = await run(code ?? '')
      const id = `by code, ${transport}`
      await until('it prints the event', async () => {
        await produce(id, ['alice'])
        return running.printed().some((line) => line.includes(id))
      })
      await running.end()
    },
  )
}

void test('the code fits a phone', { timeout: 60_000 }, async () => {
  await page.setViewportSize({ width: 390, height: 844 })
  for (const summary of await page.locator('.code summary').all()) await summary.click()
  assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 390)
  for (const summary of await page.locator('.code summary').all()) await summary.click()
  await page.setViewportSize({ width: 1_440, height: 900 })
})

void test('the code of the form publishes', { timeout: 120_000 }, async () => {
  await page.fill('#publish [name=data]', `{"hotel":"L'Alster"}`)
  await page.fill('#publish [name=recipients]', 'bob')
  const running = await runInShell((await page.locator('#code').textContent()) ?? '')
  await until('bob has it', async () => (await page.locator('.pane').nth(1).locator('li[data-id="1"]').count()) === 1)
  await running.end()
})

void test('the sample feed fills the columns', { timeout: 120_000 }, async () => {
  await page.check('#feed')
  await until('more has come', async () => (await page.locator('li.event').count()) > TRANSPORTS.length + 8)
  await page.uncheck('#feed')
})

void test('two browsers show the same order book, and each changes it', { timeout: 60_000 }, async () => {
  await placeOrder(page, 'buy', '99.5', '10')
  await placeOrder(page, 'sell', '101', '20')
  await placeOrder(second, 'buy', '99.75', '30')
  await showBook([page, second], ['buy 99.75 30', 'buy 99.50 10', 'sell 101.00 20'])
  await second.locator('#book [data-side=buy] tbody tr').nth(1).locator('button').click()
  await showBook([page, second], ['buy 99.75 30', 'sell 101.00 20'])
})

void test('the code beside the order book prints its rows', { timeout: 60_000 }, async () => {
  const running = await runInPage((await page.locator('#book .code pre').textContent()) ?? '')
  await until('it prints them', () => running.printed().some((line) => line.includes('99.75') && line.includes('101')))
  await running.end()
})

void test('a killed server that comes back has cost nothing', { timeout: 240_000 }, async () => {
  await rigel.kill()
  await until(
    'the page says so',
    async () => (await page.locator('.state[data-state=open]').count()) < 3 + TRANSPORTS.length,
  )
  await rigel.start()
  await produce('after the kill', ['alice'])
  await until(
    'alice has it on every transport',
    async () => (await panesWith('after the kill')).length === TRANSPORTS.length + 1,
  )
  await areOpen(3 + TRANSPORTS.length)
})

void test('after the kill both browsers show the same order book, and its changes', { timeout: 60_000 }, async () => {
  await showBook([page, second], ['buy 99.75 30', 'sell 101.00 20'])
  await placeOrder(second, 'sell', '100.25', '5')
  await showBook([page, second], ['buy 99.75 30', 'sell 100.25 5', 'sell 101.00 20'])
})

void test('a reload goes on where it was, with what came meanwhile', { timeout: 120_000 }, async () => {
  await page.goto('about:blank')
  await produce('while away', ['alice'])
  await page.goto(`${rigel.origin}/_rig/`)
  await until(
    'alice has it on every transport',
    async () => (await panesWith('while away')).length === TRANSPORTS.length + 1,
  )
  assert.deepEqual(await panesWith('after the kill'), [], 'what was seen before the reload does not come again')
  assert.deepEqual(errors, [])
})

void test('a reloaded page shows the same order book', { timeout: 60_000 }, async () => {
  await showBook([page, second], ['buy 99.75 30', 'sell 100.25 5', 'sell 101.00 20'])
})

void test(
  'the calculator computes the case of docs/cost.md, and nothing of figures that cannot be',
  { timeout: 60_000 },
  async () => {
    const cost = await browsing.open(`${rigel.origin}/_rig/cost.html`)
    await cost.fill('[name=addressed]', '277.78')
    await cost.fill('[name=connections]', '0')
    const together = () => cost.locator('#result tr').last().innerText()
    assert.match(await together(), /1,645$/)
    for (const [field, figure] of [
      ['addressed', '-5'],
      ['shards', ''],
      ['sockets', '101'],
    ] as const) {
      await cost.fill(`[name=${field}]`, figure)
      assert.equal(await cost.innerText('#result'), '', `${field} ${figure}`)
      await cost.fill(`[name=${field}]`, '50')
      assert.notEqual(await cost.innerText('#result'), '')
    }
    await cost.close()
  },
)

interface Running {
  readonly printed: () => readonly string[]
  readonly end: () => Promise<void>
}

async function runInShell(code: string): Promise<Running> {
  const shell = spawn('bash', ['-c', code], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  shell.stdout.on('data', (chunk) => (output += String(chunk)))
  return {
    printed: () => output.split('\n'),
    // The shell and what it has started.
    end: async () => void (shell.exitCode === null && shell.pid !== undefined && process.kill(-shell.pid, 'SIGKILL')),
  }
}

/** On a page of its own. Only the name of Phoenix's package is not what a browser could load. */
async function runInPage(code: string): Promise<Running> {
  const other = await browsing.open(`${rigel.origin}/_rig/cost.html`, { bypassCSP: true })
  const printed: string[] = []
  // The page may have ended before its values are read.
  const print = async (message: ConsoleMessage): Promise<void> => {
    const value: unknown = await message
      .args()[0]
      ?.jsonValue()
      .catch(() => undefined)
    printed.push(JSON.stringify(value) ?? '')
  }
  other.on('console', (message) => void print(message))
  await other.evaluate(
    (text) => {
      const script = document.createElement('script')
      script.type = 'module'
      script.textContent = text
      document.head.append(script)
    },
    code.replace("'phoenix'", "'/_rig/phoenix.js'"),
  )
  return { printed: () => printed, end: () => other.close() }
}

async function addPane(user: string, transport: string): Promise<void> {
  await page.click('#add')
  const pane = page.locator('.pane').last()
  await pane.locator('[name=user]').fill(user)
  await pane.locator('[name=transport]').selectOption(transport)
  await pane.locator('.primary').click()
}

async function placeOrder(by: Page, side: string, price: string, quantity: string): Promise<void> {
  await by.selectOption('#book [name=side]', side)
  await by.fill('#book [name=price]', price)
  await by.fill('#book [name=quantity]', quantity)
  await by.click('#book form button')
}

/** Waits until each of the pages shows these orders: side, price and quantity. */
async function showBook(pages: readonly Page[], orders: readonly string[]): Promise<void> {
  const read = (one: Page) =>
    one.locator('#book tbody tr').evaluateAll((rows) =>
      rows.map((row) => {
        const side = row.closest('table')?.dataset['side']
        return [side, row.children[0]?.textContent, row.children[1]?.textContent].join(' ')
      }),
    )
  for (const one of pages)
    await until(`the order book is ${orders.join(', ')}`, async () => {
      const isCurrent = (await one.locator('#book .state[data-book=open]').count()) === 1
      return isCurrent && JSON.stringify(await read(one)) === JSON.stringify(orders)
    })
}

async function areOpen(count: number): Promise<void> {
  await until(`${count} are open`, async () => (await page.locator('.state[data-state=open]').count()) === count)
}

async function produce(id: string, recipients: readonly string[]): Promise<void> {
  const event = { specversion: '1.0', id, source: '/e2e', type: TYPE, data: { recipients } }
  await rigel.kafka.producer().produce(TOPIC, event, { key: id })
}

/** The users of the panes that show the event. */
async function panesWith(id: string): Promise<string[]> {
  const panes = page.locator('.pane', { has: page.locator(`li[data-id="${id}"]`) })
  return panes.locator('[name=user]').evaluateAll((fields) => fields.map((field) => (field as HTMLInputElement).value))
}
