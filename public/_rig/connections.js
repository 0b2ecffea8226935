// The ways to connect, one function each: the browser's own EventSource and WebSocket, and the client library (client.js).
// Each takes `wishes` and tells what happens through `tell`; each reconnects with the last position by itself, and returns a
// function that ends it.
import { connect } from './client.js'
import { connectPhoenix } from './phoenix-connection.js'
import { keep, mayComeBack } from './reconnect.js'

/**
 * @typedef {import('./reconnect.js').Ended} Ended
 *
 * @typedef {object} Wishes
 * @property {string} user '' for nobody
 * @property {string | null} token
 * @property {{eventType: string, oneOf?: readonly Readonly<Record<string, unknown>>[]}[]} subscriptions
 * @property {() => string} position the last one, or ''
 * @property {() => string[]} types that may come: EventSource wants a listener for each
 *
 * @typedef {object} Tell
 * @property {(text: string) => void} open
 * @property {(text: string) => void} waiting
 * @property {(text: string) => void} refused the same request would be refused again
 * @property {(event: CloudEvent, position: string | null) => void} event
 * @property {(position: string) => void} position
 *
 * @typedef {{id: string, type: string, source: string, data?: any}} CloudEvent
 */

export const OWN_TYPES = ['rig.connection.create', 'rig.subscriptions_set', 'rig.connection.close']

/** @type {Record<string, (wishes: Wishes, tell: Tell) => () => void>} */
export const TRANSPORTS = {
  sse: connectSse,
  rigel: connectByClient('websocket'),
  plain: connectPlain,
  longpolling: connectByClient('longpolling'),
  ndjson: connectNdjson,
  phoenix: connectPhoenix,
}

/** EventSource comes back by itself; only after an HTTP error it gives up, and the page asks what it was. */
function connectSse(/** @type {Wishes} */ wishes, /** @type {Tell} */ tell) {
  return keep(tell, (ended) => {
    const url = address('sse', wishes)
    const source = new EventSource(url)
    const onMessage = (/** @type {MessageEvent<string>} */ message) => {
      tell.event(JSON.parse(message.data), message.lastEventId)
    }
    for (const type of new Set([...OWN_TYPES, ...wishes.types()])) source.addEventListener(type, onMessage)
    source.addEventListener('open', () => tell.open('connected'))
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CONNECTING) return tell.waiting('connection lost, coming back')
      void whyRefused(url).then(ended)
    })
    return () => source.close()
  })
}

/** By the client library, with one transport each. It acknowledges, so that a slow page holds the server back. */
function connectByClient(/** @type {'websocket' | 'longpolling'} */ transport) {
  return (/** @type {Wishes} */ wishes, /** @type {Tell} */ tell) => {
    const rigel = connect({
      token: () => wishes.token,
      subscriptions: wishes.subscriptions,
      lastEventId: wishes.position(),
      transports: [transport],
      onPosition: tell.position,
      onProblem: ({ code, reason, willRetry }) => {
        const text = code === 0 ? reason : `${code}: ${reason}`
        if (willRetry) tell.waiting(`${text}, coming back`)
        else tell.refused(`refused with ${text}`)
      },
    })
    rigel.onState((state) => state === 'open' && tell.open('connected'))
    rigel.on('*', (event) => event.type !== 'rig.gap' && tell.event(event, event.position))
    return () => rigel.close()
  }
}

/** RIG's frames have no position: the page comes back to where the connection began, and drops what it knows. */
function connectPlain(/** @type {Wishes} */ wishes, /** @type {Tell} */ tell) {
  return keepSocket(wishes, tell, [], (text) => {
    const event = JSON.parse(text)
    const isFirst = event.type === 'rig.connection.create' && wishes.position() === ''
    tell.event(event, isFirst ? event.data.last_event_id : null)
  })
}

/** A line of JSON an event, by fetch. Lines without an event are heartbeats. */
function connectNdjson(/** @type {Wishes} */ wishes, /** @type {Tell} */ tell) {
  return keep(tell, (ended) => {
    const ending = new AbortController()
    void readLines(address('ndjson', wishes), ending.signal, tell).then(ended, () => {
      ended({ text: 'connection lost', comeBack: true })
    })
    return () => ending.abort()
  })
}

/** @returns {Promise<Ended>} */
async function readLines(/** @type {string} */ url, /** @type {AbortSignal} */ signal, /** @type {Tell} */ tell) {
  const response = await fetch(url, { signal })
  if (!response.ok || response.body === null) return refusal(response)
  tell.open('connected')
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  for (let text = ''; ;) {
    const { done, value } = await reader.read()
    if (done) return { text: 'connection lost', comeBack: true }
    const lines = `${text}${value}`.split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) takeLine(line, tell)
  }
}

function takeLine(/** @type {string} */ line, /** @type {Tell} */ tell) {
  if (line.trim() === '') return
  const { event, id } = JSON.parse(line)
  if (event) tell.event(event, id ?? null)
  else if (id) tell.position(id)
}

/**
 * @param {Wishes} wishes
 * @param {Tell} tell
 * @param {string[]} protocols
 * @param {(text: string, socket: WebSocket) => void} onText
 */
function keepSocket(wishes, tell, protocols, onText) {
  return keep(tell, (ended) => {
    const socket = new WebSocket(address('ws', wishes).replace('http', 'ws'), protocols)
    socket.addEventListener('open', () => tell.open('connected'))
    socket.addEventListener('message', ({ data }) => onText(data, socket))
    socket.addEventListener('close', ({ code, reason }) => {
      ended({ text: `closed with ${code}${reason ? `: ${reason}` : ''}`, comeBack: mayComeBack(code) })
    })
    return () => socket.close()
  })
}

/** EventSource tells a page nothing of a refusal, so the same is asked again by fetch. */
async function whyRefused(/** @type {string} */ url) {
  const ending = new AbortController()
  try {
    return await refusal(await fetch(url, { signal: ending.signal }))
  } catch {
    return { text: 'connection lost', comeBack: true }
  } finally {
    ending.abort()
  }
}

/** @returns {Promise<Ended>} */
async function refusal(/** @type {Response} */ response) {
  if (response.ok) return { text: 'connection lost', comeBack: true }
  const isOurs = response.status >= 400 && response.status < 500 && response.status !== 429
  return { text: `refused with ${response.status}: ${(await response.text()).slice(0, 200)}`, comeBack: !isOurs }
}

/**
 * @param {string} transport
 * @param {Wishes} wishes
 * @param {Record<string, string>} more
 */
function address(transport, wishes, more = {}) {
  const query = new URLSearchParams({ subscriptions: JSON.stringify(wishes.subscriptions), ...more })
  if (wishes.token !== null) query.set('jwt', wishes.token)
  if (wishes.position() !== '') query.set('last_event_id', wishes.position())
  return `${location.origin}/_rig/v1/connection/${transport}?${query}`
}
