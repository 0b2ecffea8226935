// Clients of the soak, one per transport: each connects with the position of the last event that it has processed, and
// ends when its connection does, or when it is told to go away for a while. `onReady` says that the subscriptions are in force.
import { WebSocket } from 'ws'
import type { SoakEvent } from './receiver.ts'

interface Session {
  readonly origin: string
  readonly token: string
  /** The user of the token. */
  readonly user: string
  readonly types: readonly string[]
  readonly hasState: boolean
  /** Null: from now on. */
  readonly position: string | null
  /** Ends the session. */
  readonly signal: AbortSignal
  /** Called for every event; `position` is where to resume from once it is processed, null where the transport has none. */
  onEvent(event: SoakEvent, position: string | null): void
  /** A client that reads slowly waits here between two reads. */
  pause(): Promise<void>
}

export type Connect = (session: Session) => Promise<void>

export const TRANSPORTS: Readonly<Record<string, Connect>> = {
  sse: readSse,
  ndjson: readNdjson,
  'rigel.v1': readRigelV1,
  ws: readPlain,
  longpolling: poll,
  phoenix: readPhoenix,
}

/** An event counts when its empty line has come (HTML, 9.2.6): a truncated one comes again. */
async function readSse(session: Session): Promise<void> {
  let id: string | null = null
  let data: string | null = null
  for await (const line of readLines(session, 'sse')) {
    if (line.startsWith('id:')) id = line.slice(3).trim()
    else if (line.startsWith('data:')) data = line.slice(5)
    else if (line === '' && data !== null) {
      session.onEvent(JSON.parse(data) as SoakEvent, id)
      data = null
    }
  }
}

async function readNdjson(session: Session): Promise<void> {
  for await (const line of readLines(session, 'ndjson')) {
    if (line === '') continue
    const { event, id } = JSON.parse(line) as { id: string; event?: SoakEvent }
    if (event !== undefined) session.onEvent(event, id)
  }
}

/** Only whole lines: a truncated one is not processed, and comes again. */
async function* readLines(session: Session, transport: string): AsyncGenerator<string> {
  const response = await fetch(addressOf(session, transport), { signal: session.signal })
  if (!response.ok || response.body === null) throw new Error(`${transport} answered ${response.status}`)
  let rest = ''
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
    await session.pause()
  }
}

function readRigelV1(session: Session): Promise<void> {
  return runSocket(session, ['rigel.v1'], (text, socket) => {
    const frame = JSON.parse(text) as { id?: string; events?: readonly { id: string; event: SoakEvent }[] }
    for (const { event, id } of frame.events ?? []) session.onEvent(event, id)
    const last = frame.events?.at(-1)?.id
    if (last !== undefined) socket.send(JSON.stringify({ type: 'ack', id: last }))
  })
}

function readPlain(session: Session): Promise<void> {
  return runSocket({ ...session, position: null }, [], (text) => session.onEvent(JSON.parse(text) as SoakEvent, null))
}

function runSocket(
  session: Session,
  protocols: readonly string[],
  onText: (text: string, socket: WebSocket) => void,
): Promise<void> {
  const address = addressOf(session, 'ws')
  return runSocketAt(address, session, protocols, onText)
}

function runSocketAt(
  address: string,
  session: Session,
  protocols: readonly string[],
  onText: (text: string, socket: WebSocket) => void,
  onOpen: (socket: WebSocket) => void = () => undefined,
): Promise<void> {
  return new Promise((resolve) => {
    const socket = new WebSocket(address.replace('http', 'ws'), [...protocols])
    socket.on('open', () => onOpen(socket))
    const end = () => socket.terminate()
    session.signal.addEventListener('abort', end)
    socket.on('message', (data) => {
      if (session.signal.aborted || !Buffer.isBuffer(data)) return
      onText(data.toString(), socket)
      socket.pause()
      void session.pause().then(() => socket.resume())
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      session.signal.removeEventListener('abort', end)
      resolve()
    })
  })
}

type PhoenixFrame = [joinRef: string | null, ref: string | null, topic: string, event: string, payload: unknown]

/**
 * One channel for the user and one for each type. Each reads on from its own position: all of them are the position. The table of
 * a channel has what the channel carries.
 */
async function readPhoenix(session: Session): Promise<void> {
  const ofTypes = session.types.map((type) => `events:${type}`)
  const topics = session.hasState ? ofTypes : [`user:${session.user}`, ...ofTypes]
  const positions = new Map(Object.entries(JSON.parse(session.position ?? '{}') as Record<string, string>))
  const at = () => JSON.stringify(Object.fromEntries(positions))
  const joined: (boolean | null)[] = []
  let beating: NodeJS.Timeout | undefined
  const sendJoins = (socket: WebSocket) => {
    for (const [n, topic] of topics.entries()) {
      const position = positions.has(topic) ? { last_event_id: positions.get(topic) } : {}
      const payload = { ...position, ...(session.hasState && topic.startsWith('events:') ? { state: true } : {}) }
      socket.send(JSON.stringify([`${n}`, `${n}`, topic, 'phx_join', payload]))
    }
    beating = setInterval(() => socket.send('[null,"beat","phoenix","heartbeat",{}]'), PHOENIX_BEAT_MS)
  }
  const onFrame = (text: string, socket: WebSocket) => {
    const [, ref, topic, event, payload] = JSON.parse(text) as PhoenixFrame
    if (topic === 'phoenix') return
    if (event === 'phx_reply') return joinedOne(payload as PhoenixReply, topic, socket)
    const last = event === 'position' ? (payload as { last_event_id: string }).last_event_id : ref
    if (last === null || event.startsWith('presence_')) return
    positions.set(topic, last)
    session.onEvent(event === 'message' ? (payload as SoakEvent) : own('rig.position'), at())
  }
  const joinedOne = ({ response, status }: PhoenixReply, topic: string, socket: WebSocket) => {
    // Refused while the Directory cannot be reached: the client comes back.
    if (status !== 'ok') return socket.terminate()
    joined.push(positions.has(topic) ? response.recovered === true : null)
    if (response.recovered !== true) positions.set(topic, response.last_event_id ?? '')
    if (joined.length < topics.length) return
    const recovered = joined.includes(null) ? null : !joined.includes(false)
    const data = recovered === null ? {} : { recovered }
    session.onEvent(own('rig.connection.create', data), at())
  }
  const address = `${session.origin}/_rig/v1/connection/phoenix/websocket?vsn=2.0.0&token=${session.token}`
  await runSocketAt(address, session, [], onFrame, sendJoins)
  clearInterval(beating)
}

/** What its transport says otherwise than by an event. */
function own(type: string, data: SoakEvent['data'] = {}): SoakEvent {
  return { specversion: '1.0', id: '', type, data }
}

interface PhoenixReply {
  readonly status: string
  readonly response: { readonly last_event_id?: string; readonly recovered?: boolean }
}

/** The library's heartbeat: Rigel closes a socket that is silent for 45 seconds. */
const PHOENIX_BEAT_MS = 20_000

async function poll(session: Session): Promise<void> {
  // Empty parameters ask for a new session without cookies.
  let parameters = { connection_token: '', last_event_id: session.position ?? '' }
  while (!session.signal.aborted) {
    const url = `${addressOf({ ...session, position: null }, 'longpolling')}&${new URLSearchParams(parameters)}`
    const response = await fetch(url, { signal: session.signal })
    if (!response.ok) throw new Error(`long-polling answered ${response.status}`)
    const answer = (await response.json()) as Record<string, string> & {
      readonly events: readonly SoakEvent[]
      readonly recovered?: boolean
    }
    if (answer.recovered === false) {
      session.onEvent(own('rig.connection.create', { recovered: false }), null)
    }
    for (const event of answer.events) session.onEvent(event, answer['last_event_id'] ?? null)
    parameters = {
      connection_token: answer['connection_token'] ?? '',
      last_event_id: answer['last_event_id'] ?? '',
    }
    await session.pause()
  }
}

function addressOf({ hasState, origin, position, token, types }: Session, transport: string): string {
  const state = hasState ? { state: true } : {}
  const subscriptions = JSON.stringify(types.map((eventType) => ({ eventType, oneOf: [], ...state })))
  const query = new URLSearchParams({ subscriptions, jwt: token })
  if (position !== null) query.set('last_event_id', position)
  return `${origin}/_rig/v1/connection/${transport}?${query}`
}
