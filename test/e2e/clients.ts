// One client per transport, as users write them: each keeps its last position, and comes back with it when the server
// was gone. `seen` is what it received, in order, each time it received it.
import { EventSource } from 'eventsource'
import { WebSocket } from 'ws'
import { sleep } from './rigel.ts'

const RETRY_MS = 300

export interface SeenEvent {
  readonly id: string
  readonly type: string
  readonly data: { readonly key: string; readonly n: number }
}

export interface Client {
  readonly name: string
  readonly user: string | null
  readonly types: readonly string[]
  readonly seen: SeenEvent[]
  /** How often it was connected; and what it was told of its position when it came back. */
  readonly recovered: (boolean | undefined)[]
  /** Plain WebSockets, whose position only moves with a heartbeat: where it would come back to. */
  readonly position?: () => string | null
  readonly close: () => void
}

export interface ClientOptions {
  readonly origin: string
  readonly user: string | null
  readonly token: string | null
  /** Types that are subscribed to. */
  readonly types: readonly string[]
  /** Types that may come addressed, without being subscribed to: EventSource wants a listener for each. */
  readonly addressedTypes: readonly string[]
}

interface Opened {
  readonly data: { readonly recovered?: boolean; readonly last_event_id: string }
}

/** Nobody comes back before it opens, so that what is produced meanwhile can only be seen by resuming. */
export const gate = { isOpen: true }

/** Of `rigel.v1`. */
interface Frame {
  readonly type: string
  readonly id?: string
  readonly events?: readonly { readonly id: string; readonly event: SeenEvent & Opened }[]
}

export function connectSse(options: ClientOptions): Client {
  const client = makeClient('sse', options)
  const source = new EventSource(addressOf('sse', options, null), { fetch: fetchThroughGate })
  source.addEventListener('rig.connection.create', (message) => {
    client.recovered.push((JSON.parse(message.data) as Opened).data.recovered)
  })
  for (const type of new Set([...options.types, ...options.addressedTypes])) {
    source.addEventListener(type, (message) => client.seen.push(JSON.parse(message.data) as SeenEvent))
  }
  return { ...client, close: () => source.close() }
}

/** `rigel.v1`: many events in a frame, each with its position; every frame is acknowledged. */
export function connectRigelSocket(options: ClientOptions): Client {
  const client = makeClient('rigel.v1', options)
  let position: string | null = null
  const close = keepSocket(
    () => new WebSocket(addressOf('ws', options, position), ['rigel.v1']),
    (text, socket) => {
      const frame = JSON.parse(text) as Frame
      if (frame.type === 'position' && frame.id) position = frame.id
      for (const { id, event } of frame.events ?? []) {
        position = id
        take(client, event)
      }
      if (frame.events && position) socket.send(JSON.stringify({ type: 'ack', id: position }))
    },
  )
  return { ...client, close }
}

/**
 * RIG's frames carry no position: a client comes back to where it first was, or to its last heartbeat if there are any
 * (WEBSOCKET_HEARTBEAT_SECONDS), and is sent again what it saw since. That does not count; what else comes again does.
 */
export function connectPlainSocket(options: ClientOptions): Client {
  const client = makeClient('plain', options)
  let position: string | null = null
  /** Ids of what was seen after the position, and of those what has not been sent again on this connection. */
  let since: string[] = []
  let again: string[] = []
  const close = keepSocket(
    () => {
      again = [...since]
      return new WebSocket(addressOf('ws', options, position))
    },
    (text) => {
      const event = JSON.parse(text) as SeenEvent & Opened
      if (event.type === 'rig.connection.create') position ??= event.data.last_event_id
      if (event.type === 'rig.heartbeat') {
        position = event.data.last_event_id
        since = []
        again = []
      }
      const at = again.indexOf(event.id)
      if (at >= 0) return void again.splice(at, 1)
      take(client, event)
      if (!event.type.startsWith('rig.')) since.push(event.id)
    },
  )
  return { ...client, position: () => position, close }
}

/** Without cookies: the connection token and the position are parameters. */
export function connectLongpolling(options: ClientOptions): Client {
  const client = makeClient('longpolling', options)
  const ending = new AbortController()
  let session = { connection_token: '', last_event_id: '' }
  const poll = async () => {
    const url = `${addressOf('longpolling', options, null)}&${new URLSearchParams(session)}`
    const response = await fetchThroughGate(url, { signal: ending.signal })
    if (!response.ok) throw new Error(`long-polling answered ${response.status}: ${await response.text()}`)
    const answer = (await response.json()) as typeof session & { events: (SeenEvent & Opened)[]; recovered?: boolean }
    session = { connection_token: answer.connection_token, last_event_id: answer.last_event_id }
    if (answer.recovered === false) client.recovered.push(false)
    for (const event of answer.events) take(client, event)
  }
  void (async () => {
    while (!ending.signal.aborted) await poll().catch(() => sleep(RETRY_MS))
  })()
  return { ...client, close: () => ending.abort() }
}

function makeClient(transport: string, { user, types }: ClientOptions): Omit<Client, 'close'> {
  return { name: `${transport} of ${user ?? 'nobody'}`, user, types, seen: [], recovered: [] }
}

function take(client: Omit<Client, 'close'>, event: SeenEvent & Opened): void {
  if (event.type === 'rig.connection.create') client.recovered.push(event.data.recovered)
  else if (!event.type.startsWith('rig.')) client.seen.push(event)
}

function fetchThroughGate(url: string | URL, init?: RequestInit): Promise<Response> {
  return gate.isOpen ? fetch(url, init) : Promise.reject(new TypeError('the gate is closed'))
}

function keepSocket(open: () => WebSocket, onText: (text: string, socket: WebSocket) => void): () => void {
  let isEnding = false
  let socket = connect()
  function connect(): WebSocket {
    const next = open()
    next.on('message', (data) => Buffer.isBuffer(data) && onText(data.toString(), next))
    // `close` follows every error.
    next.on('error', () => {})
    next.on('close', () => {
      if (!isEnding) setTimeout(comeBack, RETRY_MS)
    })
    return next
  }
  function comeBack(): void {
    if (gate.isOpen) socket = connect()
    else setTimeout(comeBack, RETRY_MS)
  }
  return () => {
    isEnding = true
    socket.close()
  }
}

function addressOf(transport: string, options: ClientOptions, position: string | null): string {
  const { origin, token, types } = options
  const subscriptions = JSON.stringify(types.map((eventType) => ({ eventType, oneOf: [] })))
  const query = new URLSearchParams({ subscriptions })
  if (token !== null) query.set('jwt', token)
  if (position !== null) query.set('last_event_id', position)
  const base = transport === 'ws' ? origin.replace('http', 'ws') : origin
  return `${base}/_rig/v1/connection/${transport}?${query}`
}
