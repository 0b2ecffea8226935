// One client of each transport for the contract suite: what a client of that transport sees and does, behind one interface.
import type { ConnectRequest } from '../../src/core/identity/principal.ts'
import { toClose } from '../../src/core/errors.ts'
import type { TypeGrant } from '../../src/core/rules/type-grant.ts'
import type { Subscription } from '../../src/core/subscriptions/subscription.ts'
import { stampConnect } from '../../src/rpc/shard.ts'
import { PhoenixClient } from './phoenix-client.ts'
import { asUser, connectRequest, type newShard, SseClient, WsClient } from './shard-clients.ts'

type Shard = ReturnType<typeof newShard>
export type Event = Readonly<Record<string, unknown>>
type Wanted = Partial<ConnectRequest>

export interface TransportClient {
  /** The newest position that the client knows. */
  readonly position: string
  /** Reads until there are `count` events of the type, and returns them. */
  until(type: string, count: number): Promise<readonly Event[]>
  /** What the client was told when it connected with a position. Undefined: nothing. */
  readonly recovered: unknown
  /** Does what keeps a quiet connection open. The result resolves when the client has been told a later position. */
  listen(): Promise<() => Promise<unknown>>
  /** Everything that came, in order. */
  readonly received: readonly Event[]
  /** Renews its token by another one, which permits this. Null: its transport has no renewal. */
  readonly renew: ((grant: TypeGrant) => Promise<void>) | null
  /** Adds a subscription to the open connection. */
  subscribe(subscription: Subscription): Promise<void>
  /** Reads to the end. Returns the close code. */
  ended(): Promise<number>
  close(): Promise<void>
}

export interface TransportHarness {
  readonly name: string
  /** False for plain WebSocket frames: only the first event says a position. */
  readonly hasPositions: boolean
  readonly open: (shard: Shard, wanted: Wanted) => Promise<TransportClient>
}

const ofType = (events: readonly Event[], type: string) => events.filter((event) => event['type'] === type)
const dataOf = (event: Event | undefined) => event?.['data'] as Readonly<Record<string, unknown>> | undefined
const recoveredOf = (events: readonly Event[]) => dataOf(ofType(events, 'rig.connection.create')[0])?.['recovered']
const idOf = (connectionToken: unknown) => String(connectionToken).split('.')[1] ?? ''

/** Subscribes by PUT, as on every transport but Phoenix. */
async function put(
  shard: Shard,
  events: readonly Event[],
  subscription: Subscription,
  principal = asUser('alice'),
): Promise<void> {
  const created = dataOf(ofType(events, 'rig.connection.create')[0])
  const set = await shard.setSubscriptions(idOf(created?.['connection_token']), [subscription], principal)
  if (!set.ok) throw new Error(set.reason.kind)
}

/** By PUT. */
function renewBy(shard: Shard, connectionToken: () => unknown, principal = asUser('alice')) {
  return async (grant: TypeGrant) => {
    const expSeconds = Math.round(Date.now() / 1_000) + 600
    const renewed = await shard.renewToken(idOf(connectionToken()), { ...principal, expSeconds }, [], grant)
    if (!renewed.ok) throw new Error(renewed.reason.kind)
  }
}

const tokenIn = (events: readonly Event[]) => dataOf(ofType(events, 'rig.connection.create')[0])?.['connection_token']

async function openSse(shard: Shard, wanted: Wanted): Promise<TransportClient> {
  const client = await SseClient.open(shard, wanted)
  await client.until(1)
  const events = () => client.frames.map(({ data }) => data)
  return {
    get position() {
      return client.lastEventId
    },
    get recovered() {
      return recoveredOf(events())
    },
    listen: async () => {
      const before = client.lastEventId
      return () => client.read(() => client.lastEventId !== before)
    },
    until: async (type, count) => (await client.until(count, type)).map(({ data }) => data),
    get received() {
      return events()
    },
    renew: renewBy(shard, () => tokenIn(events()), wanted.principal),
    subscribe: (subscription) => put(shard, events(), subscription, wanted.principal),
    ended: async () => codeOf((await client.rest()).at(-1)?.data),
    close: () => client.close(),
  }
}

async function openNdjson(shard: Shard, wanted: Wanted): Promise<TransportClient> {
  const response = await shard.fetch(...stampConnect(connectRequest({ ...wanted, transport: 'ndjson' })))
  if (response.body === null) throw new Error('no body')
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  const events: Event[] = []
  let [rest, position] = ['', '']
  const read = async () => {
    const { done, value = '' } = await reader.read()
    const lines = (rest + value).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const { event, id } = JSON.parse(line) as { readonly id: string; readonly event?: Event }
      position = id
      if (event !== undefined) events.push(event)
    }
    return !done
  }
  while (events.length === 0) await read()
  return {
    get position() {
      return position
    },
    get recovered() {
      return recoveredOf(events)
    },
    listen: async () => {
      const before = position
      const isTold = () => position !== before
      return async () => {
        while (!isTold() && (await read()));
      }
    },
    until: async (type, count) => {
      while (ofType(events, type).length < count && (await read()));
      return ofType(events, type)
    },
    received: events,
    renew: renewBy(shard, () => tokenIn(events), wanted.principal),
    subscribe: (subscription) => put(shard, events, subscription, wanted.principal),
    ended: async () => {
      while (await read());
      return codeOf(events.at(-1))
    },
    close: () => reader.cancel(),
  }
}

function openWebSocket(protocol: 'rigel.v1' | null) {
  return async (shard: Shard, wanted: Wanted): Promise<TransportClient> => {
    const client = await WsClient.open(shard, { ...wanted, protocol })
    await client.until(({ events }) => events.length > 0)
    const events = () => client.events.map(({ event }) => event)
    const position = () => client.positions.at(-1) ?? String(dataOf(events()[0])?.['last_event_id'])
    return {
      get position() {
        return position()
      },
      get recovered() {
        return recoveredOf(events())
      },
      listen: async () => {
        const before = position()
        return () => client.until(() => position() !== before)
      },
      until: async (type, count) => {
        await client.until(() => {
          if (protocol !== null) acknowledge(client)
          return ofType(events(), type).length >= count || client.closed !== undefined
        })
        return ofType(events(), type)
      },
      get received() {
        return events()
      },
      renew: renewBy(shard, () => tokenIn(events()), wanted.principal),
      subscribe: (subscription) => put(shard, events(), subscription, wanted.principal),
      ended: async () => (await client.until(({ closed }) => closed !== undefined)).closed?.code ?? 0,
      close: async () => client.socket.close(1000),
    }
  }
}

/** As a client of rigel.v1 does after it has handled what it has received. */
function acknowledge(client: WsClient): void {
  const id = client.events.at(-1)?.id
  if (id !== undefined && client.closed === undefined) client.socket.send(JSON.stringify({ type: 'ack', id }))
}

async function openLongpolling(shard: Shard, wanted: Wanted): Promise<TransportClient> {
  const { grant, lastEventId, principal, sinceMs, subscriptions } = connectRequest(wanted)
  const rest = [[], false, undefined, undefined, sinceMs, grant] as const
  const opened = await shard.openLongpolling(principal, subscriptions, lastEventId, ...rest)
  if (!opened.ok) throw new Error(opened.reason.kind)
  const id = idOf(opened.value.connectionToken)
  const events: Event[] = []
  let position: string | null = null
  const poll = async () => {
    const polled = await shard.poll(id, position)
    if (!polled.ok) return polled.reason
    position = polled.value.lastEventId
    events.push(...polled.value.events.map((json) => JSON.parse(json) as Event))
    return undefined
  }
  await poll()
  return {
    get position() {
      return position ?? ''
    },
    get recovered() {
      return recoveredOf(events)
    },
    listen: async () => {
      const polled = poll()
      // Calls arrive in order: when this one is answered, the poll waits.
      await shard.pageConnections({ user: principal.user ?? '' }, '', 1)
      return () => polled
    },
    until: async (type, count) => {
      while (ofType(events, type).length < count && (await poll()) === undefined);
      return ofType(events, type)
    },
    received: events,
    renew: renewBy(shard, () => opened.value.connectionToken, wanted.principal),
    subscribe: async (subscription) => {
      // A client polls all the time: its position is that of the moment.
      await poll()
      await put(shard, events, subscription, wanted.principal)
    },
    ended: async () => {
      for (;;) {
        const reason = await poll()
        if (reason !== undefined) return toClose(reason).code
      }
    },
    close: async () => undefined,
  }
}

/** Joins a channel for its user and one for each subscription, all from the same position: a connection has none. */
async function openPhoenix(shard: Shard, wanted: Wanted): Promise<TransportClient> {
  const phoenix = { vsn: 2, roles: [], meta: {} } as const
  const connect = connectRequest({ ...wanted, lastEventId: null, subscriptions: [], transport: 'phoenix', phoenix })
  const { webSocket } = await shard.fetch(...stampConnect(connect))
  if (webSocket === null) throw new Error('no WebSocket')
  const client = new PhoenixClient(webSocket)
  let joinedAt = ''
  const recovered: unknown[] = []
  const join = async (topic: string, oneOf?: unknown, state?: true) => {
    const { lastEventId, sinceMs } = wanted
    const since = sinceMs ? { since: new Date(sinceMs).toISOString() } : {}
    const from = { last_event_id: sinceMs === 0 ? 'earliest' : (lastEventId ?? null), ...since }
    const payload = { name: 'type', ...from, ...(oneOf ? { oneOf } : {}), ...(state ? { state } : {}) }
    const reply = (await client.ask(topic, 'phx_join', payload)) as { readonly response: Event }
    joinedAt = String(reply.response['last_event_id'])
    recovered.push(reply.response['recovered'])
  }
  if (connect.principal.user !== null) await join(`user:${connect.principal.user}`)
  for (const { eventType, oneOf, state } of wanted.subscriptions ?? []) await join(`events:${eventType}`, oneOf, state)
  const positions = () =>
    client.frames.flatMap(([, ref, , event, payload]) => {
      if (event === 'position') return [String((payload as Event)['last_event_id'])]
      return ref?.includes('-') === true ? [ref] : []
    })
  const received = (type: string) => client.frames.filter(([, , , event]) => event === type)
  return {
    get position() {
      return positions().at(-1) ?? joinedAt
    },
    get recovered() {
      return recovered.includes(false) ? false : recovered.find((says) => says !== undefined)
    },
    listen: async () => {
      await client.ask('phoenix', 'heartbeat')
      const before = positions().at(-1)
      return () => client.until(() => positions().at(-1) !== before)
    },
    until: async (type, count) => {
      await client.until(([, , , event]) => event === type, count)
      return received(type).map(([, , , , payload]) => payload as Event)
    },
    get received() {
      return client.frames.map(([, , , , payload]) => payload as Event)
    },
    // A client of Phoenix comes again with its new token.
    renew: null,
    subscribe: ({ eventType, oneOf, state }) => join(`events:${eventType}`, oneOf, state),
    ended: async () => (await client.untilClosed()).code,
    close: async () => client.close(),
  }
}

function codeOf(event: Event | undefined): number {
  return Number(dataOf(event)?.['code'])
}

export const TRANSPORT_HARNESSES: readonly TransportHarness[] = [
  { name: 'sse', hasPositions: true, open: openSse },
  { name: 'ndjson', hasPositions: true, open: openNdjson },
  { name: 'ws, plain', hasPositions: false, open: openWebSocket(null) },
  { name: 'ws, rigel.v1', hasPositions: true, open: openWebSocket('rigel.v1') },
  { name: 'longpolling', hasPositions: true, open: openLongpolling },
  { name: 'phoenix', hasPositions: true, open: openPhoenix },
]
