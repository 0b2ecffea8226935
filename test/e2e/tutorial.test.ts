// The flow of RIG's tutorial with nothing but what a browser has: connect, subscribe by PUT with the connection token, post
// an event, receive it. EventSource, WebSocket, and fetch with cookies.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openBrowser, type Browsing } from './browser.ts'
import { Rigel, sleep, until } from './rigel.ts'

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

for (const transport of ['sse', 'ws', 'longpolling']) {
  void test(`RIG's tutorial by ${transport}`, { timeout: 60_000 }, async () => {
    const page = await browsing.open(`${rigel.origin}/_rig/`)
    assert.equal(await page.evaluate(runTutorial, transport), `hello by ${transport}`)
    await page.close()
  })
}

void test('tabs that poll with the same cookies', { timeout: 120_000 }, async () => {
  const first = await browsing.open(`${rigel.origin}/_rig/cost.html`)
  const second = await first.context().newPage()
  await second.goto(first.url())
  const tabs = [first, second]
  for (const tab of tabs) await tab.evaluate(startPolling)
  const seen = () =>
    Promise.all(tabs.map((tab) => tab.evaluate(() => (globalThis as unknown as { polled: Polled }).polled)))
  await until('both poll', async () => (await seen()).every(({ requests }) => requests >= 3))
  const ids = Array.from({ length: 60 }, (_, n) => `tabs ${n}`)
  for (const id of ids) {
    await publish(id)
    // Some come one by one, some while the tabs are between two polls.
    if (Math.random() < 0.3) await sleep(Math.random() * 50)
  }
  await until('the last one has come to one of them', async () =>
    (await seen()).some((tab) => tab.ids.includes('tabs 59')),
  )
  // Nothing is lost to both, and no tab gets an event twice.
  const received = await seen()
  assert.deepEqual(new Set(received.flatMap((tab) => tab.ids)), new Set(ids))
  for (const tab of received) assert.equal(new Set(tab.ids).size, tab.ids.length)
  // A poll brings an event, or waits: neither tab ends the polls of the other.
  for (const tab of received) assert.ok(tab.requests <= tab.ids.length + 6, `${tab.requests} for ${tab.ids.length}`)
  const requestsThen = received.map(({ requests }) => requests)
  await sleep(2_000)
  for (const [index, { requests }] of (await seen()).entries()) {
    assert.ok(requests - (requestsThen[index] ?? 0) <= 1, 'a quiet poll waits')
  }
})

interface Polled {
  readonly ids: string[]
  requests: number
}

/** Runs in the page: RIG's loop, with the cookies of the browser. */
function startPolling(): void {
  const polled = { ids: [] as string[], requests: 0 }
  Object.assign(globalThis, { polled })
  const subscriptions = encodeURIComponent('[{"eventType":"tabs"}]')
  const poll = async (): Promise<void> => {
    polled.requests += 1
    const response = await fetch(`/_rig/v1/connection/longpolling?subscriptions=${subscriptions}`)
    const { events = [] } = (await response.json()) as { events?: { id: string; type: string }[] }
    polled.ids.push(...events.filter(({ type }) => type === 'tabs').map(({ id }) => id))
    return poll()
  }
  void poll()
}

async function publish(id: string): Promise<void> {
  const event = { specversion: '1.0', id, source: '/e2e', type: 'tabs' }
  const headers = { 'content-type': 'application/cloudevents+json' }
  const response = await fetch(`${rigel.origin}/_rig/v1/events`, {
    method: 'POST',
    headers,
    body: JSON.stringify(event),
  })
  assert.equal(response.status, 202)
}

/** Runs in the page. */
async function runTutorial(transport: string): Promise<string> {
  interface RigEvent {
    readonly type: string
    readonly data: { readonly connection_token: string; readonly text: string }
  }
  const type = `tutorial.${transport}`
  let resolve: (text: string) => void = () => {}
  const received = new Promise<string>((done) => (resolve = done))

  async function onEvent(event: RigEvent): Promise<void> {
    if (event.type === 'rig.connection.create') await subscribe(event.data.connection_token)
    if (event.type === type) resolve(event.data.text)
  }

  async function subscribe(token: string): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ subscriptions: [{ eventType: type }] })
    const put = await fetch(`/_rig/v1/connection/${transport}/${token}/subscriptions`, { method: 'PUT', headers, body })
    if (put.status !== 204) throw new Error(`PUT answered ${put.status}`)
    const event = { specversion: '0.2', id: '1', source: '/tutorial', type, data: { text: `hello by ${transport}` } }
    const posted = await fetch('/_rig/v1/events', { method: 'POST', headers, body: JSON.stringify(event) })
    if (posted.status !== 202) throw new Error(`POST answered ${posted.status}`)
  }

  async function poll(): Promise<void> {
    const answer = (await (await fetch('/_rig/v1/connection/longpolling')).json()) as { events?: RigEvent[] }
    for (const event of answer.events ?? []) await onEvent(event)
    return poll()
  }

  if (transport === 'ws') {
    const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/_rig/v1/connection/ws`)
    socket.addEventListener('message', ({ data }) => void onEvent(JSON.parse(String(data)) as RigEvent))
  } else if (transport === 'sse') {
    const source = new EventSource('/_rig/v1/connection/sse')
    for (const name of ['rig.connection.create', type]) {
      source.addEventListener(name, ({ data }) => void onEvent(JSON.parse(String(data)) as RigEvent))
    }
  } else void poll()
  return received
}
