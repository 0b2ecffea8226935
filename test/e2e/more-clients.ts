// Clients of NDJSON and of Phoenix channels, which come back with their positions as those of clients.ts do.
import { LongPoll, Socket } from 'phoenix'
import type { WebSocket } from 'ws'
import type { Client, ClientOptions, SeenEvent } from './clients.ts'
import { sleep } from './rigel.ts'

interface Line {
  readonly id: string
  readonly event?: SeenEvent & { readonly data: { readonly recovered?: boolean } }
}

function makeClient(transport: string, { types, user }: ClientOptions): Omit<Client, 'close'> {
  return { name: `${transport} of ${user ?? 'nobody'}`, user, types, seen: [], recovered: [] }
}

export function connectNdjson(options: ClientOptions): Client {
  const client = makeClient('ndjson', options)
  const ending = new AbortController()
  let position = ''
  const read = async () => {
    const subscriptions = JSON.stringify(options.types.map((eventType) => ({ eventType, oneOf: [] })))
    const query = new URLSearchParams({ subscriptions, jwt: options.token ?? '' })
    if (position !== '') query.set('last_event_id', position)
    const url = `${options.origin}/_rig/v1/connection/ndjson?${query}`
    const response = await fetch(url, { signal: ending.signal })
    const decoder = new TextDecoder()
    let rest = ''
    for await (const bytes of response.body ?? []) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) take(JSON.parse(line) as Line)
    }
  }
  const take = ({ event, id }: Line) => {
    if (event?.type === 'rig.connection.create') client.recovered.push(event.data.recovered)
    else if (event !== undefined && !event.type.startsWith('rig.')) client.seen.push(event)
    position = id
  }
  void (async () => {
    for (; !ending.signal.aborted; await sleep(300)) await read().catch(() => undefined)
  })()
  return { ...client, close: () => ending.abort() }
}

/** The library, unmodified: a channel of the user and one of `type`, each with its position. */
export function connectPhoenix(
  options: ClientOptions,
  type: string,
  transport: typeof WebSocket | typeof LongPoll,
): Client {
  const client = makeClient(transport === LongPoll ? 'phoenix-longpoll' : 'phoenix', options)
  const endpoint = `${options.origin.replace('http', 'ws')}/_rig/v1/connection/phoenix`
  const quick = { reconnectAfterMs: () => 300, rejoinAfterMs: () => 300, heartbeatIntervalMs: 5_000 }
  const socket = new Socket(endpoint, { authToken: options.token ?? '', transport, ...quick })
  socket.connect()
  for (const topic of [`user:${options.user}`, `events:${type}`]) {
    let last: string | undefined
    const channel = socket.channel(topic, () => ({ last_event_id: last }))
    const onMessage = (event: SeenEvent, position: string) => {
      client.seen.push(event)
      last = position
    }
    channel.on('message', onMessage as (event: unknown) => void)
    channel.on('position', (message: unknown) => {
      last = (message as { last_event_id: string }).last_event_id
    })
    channel.join().receive('ok', (reply: { recovered?: boolean; last_event_id: string }) => {
      client.recovered.push(reply.recovered)
      last = reply.last_event_id
    })
  }
  return { ...client, close: () => socket.disconnect() }
}
