// Connects one JavaScript client to Rigel, as its documentation shows, and prints a JSON line for each thing that happens:
// {"open": true}, {"id": …} for an event, {"published": status}. Run by ../clients.test.ts: node client.mjs NAME
// Environment: ORIGIN, TOKEN, TYPE.
import { createRequire } from 'node:module'

const { ORIGIN, TOKEN, TYPE } = process.env
const require = createRequire(import.meta.url)
const subscriptions = JSON.stringify([{ eventType: TYPE }])
const query = new URLSearchParams({ subscriptions })
const sse = `${ORIGIN}/_rig/v1/connection/sse?${query}`
const ws = `${ORIGIN.replace('http', 'ws')}/_rig/v1/connection/ws?${query}`

const say = (line) => console.log(JSON.stringify(line))
function take(text, position) {
  const event = JSON.parse(text)
  if (event.type === 'rig.subscriptions_set') say({ open: true })
  if (!event.type.startsWith('rig.')) say({ id: event.id, position })
}

const CLIENTS = {
  async eventsource() {
    const { EventSource } = await import('eventsource')
    const headers = { authorization: `Bearer ${TOKEN}` }
    const source = new EventSource(sse, {
      fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
    })
    source.addEventListener('error', ({ code, message }) => console.error('error', code, message))
    for (const type of [TYPE, 'rig.subscriptions_set']) {
      source.addEventListener(type, ({ data, lastEventId }) => take(data, lastEventId))
    }
  },

  async 'fetch-event-source'() {
    // Made for browsers: it looks at the visibility of a document.
    Object.assign(globalThis, {
      window: globalThis,
      document: { hidden: false, addEventListener() {}, removeEventListener() {} },
    })
    const { fetchEventSource } = await import('@microsoft/fetch-event-source')
    await fetchEventSource(sse, {
      headers: { authorization: `Bearer ${TOKEN}` },
      openWhenHidden: true,
      onmessage: ({ data, id }) => data !== '' && take(data, id),
    })
  },

  async 'event-source-polyfill'() {
    const { EventSourcePolyfill } = require('event-source-polyfill')
    const source = new EventSourcePolyfill(sse, { headers: { authorization: `Bearer ${TOKEN}` } })
    for (const type of [TYPE, 'rig.subscriptions_set']) {
      source.addEventListener(type, ({ data, lastEventId }) => take(data, lastEventId))
    }
  },

  async 'reconnecting-websocket'() {
    const { WebSocket } = await import('ws')
    const ReconnectingWebSocket = require('reconnecting-websocket')
    keepSocket(
      (url, protocols) => new ReconnectingWebSocket(url, protocols, { WebSocket, maxReconnectionDelay: 1_000 }),
    )
  },

  async partysocket() {
    const { WebSocket } = await import('ws')
    const { default: ReconnectingWebSocket } = await import('partysocket/ws')
    keepSocket(
      (url, protocols) => new ReconnectingWebSocket(url, protocols, { WebSocket, maxReconnectionDelay: 1_000 }),
    )
  },

  async phoenix() {
    const { WebSocket } = await import('ws')
    const { Socket } = require('phoenix')
    const socket = new Socket(`${ORIGIN.replace('http', 'ws')}/_rig/v1/connection/phoenix`, {
      params: { token: TOKEN },
      transport: WebSocket,
      reconnectAfterMs: () => 300,
      rejoinAfterMs: () => 300,
    })
    socket.connect()
    let last
    const channel = socket.channel(`events:${TYPE}`, () => ({ last_event_id: last }))
    channel.on('message', (event, position) => {
      last = position
      say({ id: event.id, position })
    })
    channel.join().receive('ok', (reply) => {
      last ??= reply.last_event_id
      say({ open: true })
    })
  },

  async cloudevents() {
    const { CloudEvent, emitterFor, httpTransport, Mode } = require('cloudevents')
    for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
      const emit = emitterFor(httpTransport(`${ORIGIN}/_rig/v1/events`), { mode })
      await emit(new CloudEvent({ id: `sdk-${mode}`, source: '/sdk', type: TYPE, data: { text: 'from the SDK' } }))
      say({ published: `sdk-${mode}` })
    }
  },
}

/** `rigel.v1`, with the position of the last frame in the URL of each attempt. */
function keepSocket(open) {
  let position = ''
  const url = () => (position === '' ? ws : `${ws}&last_event_id=${encodeURIComponent(position)}`)
  const socket = open(url, ['rigel.v1', `bearer.${TOKEN}`])
  socket.addEventListener('message', ({ data }) => {
    const frame = JSON.parse(data)
    if (frame.type === 'position') position = frame.id
    for (const { id, event } of frame.events ?? []) {
      position = id
      take(JSON.stringify(event), id)
    }
    if (frame.events) socket.send(JSON.stringify({ type: 'ack', id: position }))
  })
}

// eventsource does not keep a process up while it waits to reconnect.
if (process.argv[2] !== 'cloudevents') setInterval(() => {}, 1_000_000)
await CLIENTS[process.argv[2]]()
