// A Rigel and a Chromium for the tests of what the documentation shows for a page: pages with what the snippets call, and
// events that are published until a page shows them. Used by page-snippets.test.ts and stream-snippets.test.ts.
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { openBrowser, type Browsing } from './browser.ts'
import { Rigel, until } from './rigel.ts'

/** A page without connections of its own. */
export const PAGE = '/_rig/cost.html'

export let rigel: Rigel
export let browsing: Browsing

export async function startSite(): Promise<void> {
  rigel = await Rigel.start({ TOKEN_WARNING_SECONDS: '4' })
  browsing = await openBrowser()
}

export async function endSite(): Promise<void> {
  await browsing?.close()
  await rigel?.end()
}

export async function openPage(): Promise<Page> {
  // The page's own policy would refuse a script of the test.
  const page = await browsing.open(`${rigel.origin}${PAGE}`, { bypassCSP: true })
  await defineGlobals(page)
  return page
}

/** What the snippets call, and what they are not about. */
export async function defineGlobals(page: Page): Promise<void> {
  await page.evaluate(() => {
    const shown: unknown[] = []
    const show = (event: unknown): number => shown.push(event)
    Object.assign(globalThis, { shown, show, reload: () => {}, reloadEverything: () => {} })
  })
}

/** `fetchToken()` in the page, of development mode. `holdTokens()` lets it wait. */
export async function defineTokens(page: Page, user: string, claims: object): Promise<void> {
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

export async function addModule(page: Page, content: string): Promise<void> {
  // A module with a top-level await is never finished: it is not waited for.
  await page.evaluate((text) => {
    const script = document.createElement('script')
    script.type = 'module'
    script.textContent = text
    document.head.append(script)
  }, content)
}

export async function addScript(page: Page, content: string): Promise<void> {
  await page.addScriptTag({ content })
}

export async function hasShown(page: Page, type: string): Promise<boolean> {
  const shown = await page.evaluate(() => (globalThis as unknown as { shown: ({ type?: string } | null)[] }).shown)
  return shown.some((event) => event?.type === type)
}

let published = 0

/** Publishes again and again, because a snippet does not tell when its subscriptions are in force. */
export async function publishUntil(
  type: string,
  isThere: () => boolean | Promise<boolean>,
  recipients?: readonly string[],
): Promise<void> {
  await until(`${type} is shown`, async () => {
    await publish(type, recipients)
    return isThere()
  })
}

export async function publish(type: string, recipients?: readonly string[]): Promise<void> {
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
