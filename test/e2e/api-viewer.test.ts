// The viewer of the internal API in Chromium: it shows openapi.json under the page's own CSP, and sends a request with a token.
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { openBrowser, type Browsing } from './browser.ts'
import { Rigel } from './rigel.ts'

let rigel: Rigel
let browsing: Browsing

before(async () => {
  rigel = await Rigel.start()
  browsing = await openBrowser()
})

after(async () => {
  await browsing?.close()
  await rigel?.end()
})

void it('a request is tried with the internal token, and nothing is asked of anybody else', async () => {
  const page = await browsing.open(`${rigel.origin}/_rig/api.html`)
  const origins = new Set<string>()
  const refusals: string[] = []
  page.on('request', (request) => origins.add(new URL(request.url()).origin))
  page.on('console', (message) => message.type() === 'error' && refusals.push(message.text()))
  await page.reload()
  await page.getByRole('button', { name: 'Authorize' }).click()
  const internal = page.locator('.auth-container').filter({ hasText: 'internalToken' })
  await internal.getByRole('textbox').fill('a-development-token')
  await internal.locator('.authorize').click()
  await internal.locator('.btn-done').click()
  const users = page.locator('.opblock', { has: page.locator('[data-path="/v3/users"]') })
  await users.locator('.opblock-summary').click()
  await users.getByRole('button', { name: 'Try it out' }).click()
  await users.getByRole('button', { name: 'Execute' }).click()
  await users.locator('.live-responses-table .response-col_status', { hasText: '200' }).waitFor()
  assert.match(
    (await users.locator('.live-responses-table .response-col_description').last().innerText()) ?? '',
    /"users"/,
  )
  assert.deepEqual(
    [...origins].filter((origin) => origin.startsWith('http')),
    [rigel.origin],
  )
  assert.deepEqual(refusals, [])
})
