// The flow of RIG's tutorial with nothing but what a browser has: connect, subscribe by PUT with the connection token, post
// an event, receive it. EventSource, WebSocket, and fetch with cookies.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
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

for (const transport of ['sse', 'ws', 'longpolling']) {
  void test(`RIG's tutorial by ${transport}`, { timeout: 60_000 }, async () => {
    const page = await browsing.open(`${rigel.origin}/_rig/`)
    assert.equal(await page.evaluate(runTutorial, transport), `hello by ${transport}`)
    await page.close()
  })
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
