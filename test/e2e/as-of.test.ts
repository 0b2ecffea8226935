// State by HTTP, then events: pages load a counter's value by HTTP and its changes by SSE, joined at the offset of the
// value, while the process is killed. Adding is not idempotent: in the end each page's value is the database's. Run:
// npm run test:e2e
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect, type ConnectOptions } from '../../src/client/index.ts'
import { Rigel, sleep, until } from './rigel.ts'
import { readSnippet } from './snippets.ts'

const TYPE = 'counter.added'
const CHANGES = 400
const EVERY_MS = 10
const PAGES = 12

let rigel: Rigel
/** What a service would have in its database: the value, and the offset of the last change that is in it. */
const database = { value: 0, offset: -1 }
const run = { isOver: false }

before(async () => {
  rigel = await Rigel.start({ KAFKA_PARTITIONS: '1', RECONNECT_MS: '200', SUBMISSION_CHECK: 'no_check' })
})

after(() => rigel?.end())

class Page {
  value = 0
  loads = 0
  #asOf = ''
  #position = ''

  async run(): Promise<void> {
    while (!run.isOver) {
      if (this.#asOf === '') this.#load()
      await this.#stream().catch(() => undefined)
      await sleep(100)
    }
  }

  #load(): void {
    this.loads += 1
    this.value = database.value
    this.#asOf = `rig/0@${database.offset}`
    this.#position = ''
  }

  async #stream(): Promise<void> {
    const parameters = new URLSearchParams({ subscriptions: JSON.stringify([{ eventType: TYPE }]), as_of: this.#asOf })
    if (this.#position !== '') parameters.set('last_event_id', this.#position)
    const response = await fetch(`${rigel.origin}/_rig/v1/connection/ndjson?${parameters.toString()}`)
    if (!response.ok || response.body === null) return
    let text = ''
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (text + part).split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) if (!this.#take(JSON.parse(line) as Line)) return
      if (run.isOver) return
    }
  }

  /** Returns false if the page has to load its state again. */
  #take({ event, id }: Line): boolean {
    if (event?.type === TYPE) this.value += event.data?.add ?? 0
    if (event?.type === 'rig.connection.create' && event.data?.recovered !== true) {
      this.#asOf = ''
      return false
    }
    this.#position = id
    return true
  }
}

interface Line {
  readonly id: string
  readonly event?: { readonly type: string; readonly data?: { readonly add?: number; readonly recovered?: boolean } }
}

/** Publishes until it is confirmed, once: its key is known when it comes again. */
async function add(number: number): Promise<void> {
  const amount = 1 + (number % 7)
  const event = { specversion: '1.0', id: String(number), source: '/e2e', type: TYPE, data: { add: amount } }
  const headers = { 'content-type': 'application/cloudevents+json', 'idempotency-key': `change-${number}` }
  for (;;) {
    const init = { method: 'POST', headers, body: JSON.stringify({ ...event, partitionkey: 'counter' }) }
    const response = await fetch(`${rigel.origin}/_rig/v1/events`, init).catch(() => null)
    const place =
      response?.status === 202 ? ((await response.json().catch(() => null)) as { offset: number } | null) : null
    if (place === null) {
      await sleep(100)
      continue
    }
    database.value += amount
    database.offset = place.offset
    return
  }
}

void test('each page ends with the value of the database', { timeout: 300_000 }, async (t) => {
  const pages: Page[] = []
  const running: Promise<void>[] = []
  const opening = (async () => {
    for (let n = 0; n < PAGES; n += 1) {
      const page = new Page()
      pages.push(page)
      running.push(page.run())
      await sleep((CHANGES * EVERY_MS) / PAGES)
    }
  })()
  for (let number = 0; number < CHANGES; number += 1) {
    await add(number)
    await sleep(EVERY_MS)
    if (number === 130 || number === 260) {
      await rigel.kill()
      await rigel.start()
    }
  }
  await opening
  await until('the pages have everything', () => pages.every(({ value }) => value === database.value)).catch(
    () => undefined,
  )
  // What comes too often comes soon.
  await sleep(1_000)
  run.isOver = true
  assert.deepEqual(
    pages.map(({ value }) => value),
    pages.map(() => database.value),
  )
  t.diagnostic(`${PAGES} pages, ${CHANGES} changes, 2 kills, ${pages.reduce((sum, { loads }) => sum + loads, 0)} loads`)
})

void test('docs/state.md: a page loads its state and gets what follows', { timeout: 120_000 }, async () => {
  const code = `export default async (fetch, connect) => { ${readSnippet('docs/state.md#as-of')}\nreturn rigel }`
  const page = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
    readonly default: (load: () => Promise<Response>, open: typeof connectHere) => Promise<ReturnType<typeof connect>>
  }
  await add(CHANGES)
  const headers = { 'rigel-as-of': `rig/0@${database.offset}` }
  const connection = await page.default(async () => new Response('{}', { headers }), connectHere)
  const recovered: unknown[] = []
  connection.on('rig.connection.create', ({ data }) => void recovered.push((data as { recovered?: boolean }).recovered))
  await until('it is connected', () => recovered.length > 0)
  connection.close()
  assert.deepEqual(recovered, [true])
})

function connectHere(options: ConnectOptions): ReturnType<typeof connect> {
  return connect({ ...options, url: rigel.origin })
}
