// The console in Chromium, as an operator uses it: it opens by itself in development mode, its figures move, it says why a user
// did not get an event, and replays a dead letter. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { openBrowser, type Browsing } from './browser.ts'
import { Rigel, until } from './rigel.ts'
import { TOPIC } from './topic.ts'

const WIDTHS = [1_440, 800, 390]
const VIEWS = [
  'overview',
  'followers',
  'shards',
  'connections',
  'topics',
  'dead-letters',
  'routes',
  'explain',
  'configuration',
]

let rigel: Rigel
let browsing: Browsing
let page: Page
/** Violations of the CSP are among them. */
const errors: string[] = []

before(async () => {
  rigel = await Rigel.start()
  browsing = await openBrowser()
  page = await browsing.open('about:blank')
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
  await page.goto(`${rigel.origin}/_rig/console`)
})

after(async () => {
  await browsing?.close()
  await rigel?.end()
})

void test('it opens by itself, and its figures move', { timeout: 120_000 }, async () => {
  await until('it is open', async () => (await page.innerText('#role')) === 'operator')
  await produce({ specversion: '1.0', id: 'figures', source: '/e2e', type: 'seen', data: {} })
  const plot = page.locator('.plot', { hasText: 'Events a second' })
  await until('the event is plotted', async () => /in\s*0*\.?\d*[1-9]/.test(await plot.innerText()))
  assert.equal(await plot.locator('canvas').count(), 1)
})

void test('it says why a user did not get an event', { timeout: 120_000 }, async () => {
  await produce({ specversion: '1.0', id: 'for-bob', source: '/e2e', type: 'seen', data: { recipients: ['bob'] } })
  await page.click('nav a[href="#explain"]')
  await page.getByLabel('Event').fill('for-bob')
  await page.getByLabel('User').fill('alice')
  await page.getByRole('button', { name: 'Why?' }).click()
  await until('it has answered', async () => (await page.locator('.verdict').count()) === 1)
  assert.match(await page.innerText('.verdict'), /Not received.*addressed to bob/)
})

void test('a dead letter is shown with its reason, and replayed', { timeout: 120_000 }, async () => {
  await produce({ n: 'plain' })
  await page.click('nav a[href="#dead-letters"]')
  await until('it is there', async () => {
    await page.getByRole('button', { name: 'Refresh' }).click()
    return (await page.locator('.letter').count()) > 0
  })
  assert.match(await page.innerText('.letter'), /not_a_cloud_event/)
  await page.locator('.letter input').first().check()
  await page.getByRole('button', { name: 'Replay' }).click()
  await until('it is handled', async () => /produced again/.test(await page.innerText('#status')))
})

void test('a dead letter is changed, and its record is produced again as an event', { timeout: 120_000 }, async () => {
  await produce({ n: 'to be changed' })
  await page.click('nav a[href="#dead-letters"]')
  const letter = page.locator('.letter', { hasText: 'to be changed' })
  await until('it is there', async () => {
    await page.getByRole('button', { name: 'Refresh' }).click()
    return (await letter.count()) > 0
  })
  await letter.locator('summary').click()
  await letter.getByRole('button', { name: 'Edit' }).click()
  const submit = letter.getByRole('button', { name: 'Replay this record' })
  const event = { specversion: '1.0', id: 'changed', source: '/console', type: 'changed.event' }
  await letter.locator('textarea[name="value"]').fill(JSON.stringify(event))
  await submit.click()
  await until('it is produced', async () => /changed record was produced/.test(await page.innerText('#status')))
  await page.click('nav a[href="#explain"]')
  await page.getByLabel('Event').fill('changed')
  await page.getByLabel('User').fill('alice')
  await page.getByRole('button', { name: 'Why?' }).click()
  await until('it is an event now', async () => (await page.locator('.verdict').count()) === 1)
})

void test('no view is wider than its screen, and none breaks a rule of the CSP', { timeout: 120_000 }, async () => {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 })
    for (const view of VIEWS) {
      await page.click(`nav a[href="#${view}"]`)
      await until(`${view} is shown`, async () => (await page.locator('h2.title').count()) === 1)
      const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      assert.equal(Math.max(0, tooWide), 0, `${view} at ${width} pixels`)
      if (view === 'topics') await until('there are topics', async () => (await page.locator('td button').count()) > 0)
      assert.equal(await page.evaluate(countHiddenButtons), 0, `buttons of ${view} at ${width} pixels`)
    }
  }
  assert.deepEqual(errors, [])
})

void test('the keyboard reaches the content at once', { timeout: 60_000 }, async () => {
  await page.goto('about:blank')
  await page.goto(`${rigel.origin}/_rig/console`)
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Skip to the content')
})

/** Runs in the page. Buttons of tables that are not in sight before the table is scrolled. */
function countHiddenButtons(): number {
  return [...document.querySelectorAll('td button')].filter((button) => {
    const { left, right } = button.getBoundingClientRect()
    const frame = button.closest('.scroll')?.getBoundingClientRect()
    return frame !== undefined && (left < frame.left || right > frame.right)
  }).length
}

async function produce(value: object): Promise<void> {
  await rigel.kafka.producer().produce(TOPIC, value, { key: 'console' })
}
