// Chromium without a window, and clients that live in its page: the browser's own EventSource and WebSocket.
// Chromium is Debian's (`apt-get install chromium`), or whatever $CHROMIUM names.
import { chromium, type Page } from 'playwright-core'
import type { Client, ClientOptions, SeenEvent } from './clients.ts'

export interface Browsing {
  /** `bypassCSP`: the test adds a script of its own to the page. */
  readonly open: (url: string, options?: { readonly bypassCSP: boolean }) => Promise<Page>
  readonly connectSse: (page: Page, options: ClientOptions) => Promise<Client>
  readonly connectSocket: (page: Page, options: ClientOptions) => Promise<Client>
  readonly close: () => Promise<void>
}

/** What the page tells of a client. */
interface Report {
  readonly name: string
  readonly recovered?: boolean | null
  readonly event?: SeenEvent
}

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export async function openBrowser(): Promise<Browsing> {
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: FLAGS,
    timeout: 120_000,
  })
  const clients = new Map<string, Client>()

  async function open(url: string, options: { readonly bypassCSP?: boolean } = {}): Promise<Page> {
    // A context of its own: pages do not share cookies, and tabs can be opened beside it.
    const page = await (await browser.newContext(options)).newPage()
    await page.exposeFunction('report', ({ name, recovered, event }: Report) => {
      const client = clients.get(name)
      if (event) client?.seen.push(event)
      else client?.recovered.push(recovered ?? undefined)
    })
    await page.goto(url, { timeout: 60_000 })
    return page
  }

  function add(transport: string, { user, types }: ClientOptions): Client {
    const name = `browser ${transport} of ${user ?? 'nobody'}`
    const client = { name, user, types, seen: [], recovered: [], close: () => {} }
    clients.set(name, client)
    return client
  }

  return {
    open,
    async connectSse(page, options) {
      const client = add('sse', options)
      await page.evaluate(runEventSource, { ...options, name: client.name })
      return client
    },
    async connectSocket(page, options) {
      const client = add('rigel.v1', options)
      await page.evaluate(runWebSocket, { ...options, name: client.name })
      return client
    },
    close: () => browser.close(),
  }
}

type PageOptions = ClientOptions & { readonly name: string }

interface ReportingWindow extends Window {
  readonly report: (report: Report) => Promise<void>
}

/** Runs in the page, so it knows nothing of this file. EventSource comes back by itself, with its position. */
function runEventSource({ name, token, types, addressedTypes }: PageOptions): void {
  const { report } = globalThis as unknown as ReportingWindow
  const subscriptions = JSON.stringify(types.map((eventType) => ({ eventType })))
  const query = new URLSearchParams({ subscriptions, ...(token === null ? {} : { jwt: token }) })
  const source = new EventSource(`/_rig/v1/connection/sse?${query}`)
  source.addEventListener('rig.connection.create', (message: MessageEvent<string>) => {
    void report({
      name,
      recovered: (JSON.parse(message.data) as { data: { recovered?: boolean } }).data.recovered ?? null,
    })
  })
  for (const type of [...types, ...addressedTypes]) {
    source.addEventListener(type, (message: MessageEvent<string>) => {
      void report({ name, event: JSON.parse(message.data) as SeenEvent })
    })
  }
}

/** Runs in the page. A WebSocket does not come back by itself. */
function runWebSocket({ name, token, types }: PageOptions): void {
  const { report } = globalThis as unknown as ReportingWindow
  let position: string | null = null
  const connect = () => {
    const subscriptions = JSON.stringify(types.map((eventType) => ({ eventType })))
    const query = new URLSearchParams({ subscriptions, ...(token === null ? {} : { jwt: token }) })
    if (position !== null) query.set('last_event_id', position)
    const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/_rig/v1/connection/ws?${query}`, 'rigel.v1')
    socket.addEventListener('message', (message: MessageEvent<string>) => {
      const frame = JSON.parse(message.data) as {
        type: string
        id?: string
        events?: { id: string; event: SeenEvent & { data: { recovered?: boolean } } }[]
      }
      position = frame.id ?? position
      for (const { id, event } of frame.events ?? []) {
        position = id
        if (event.type === 'rig.connection.create') void report({ name, recovered: event.data.recovered ?? null })
        else if (!event.type.startsWith('rig.')) void report({ name, event })
      }
      if (frame.events) socket.send(JSON.stringify({ type: 'ack', id: position }))
    })
    socket.addEventListener('close', () => setTimeout(connect, 300 + Math.random() * 300))
  }
  connect()
}
