// One connection on the page: its form, its state, its events. What must survive a reload is handed to `save`.
import { codeOfReceiver } from './code.js'
import { OWN_TYPES, TRANSPORTS } from './connections.js'

const MAX_SHOWN = 200
/** The whole event is shown when it is opened. */
const MAX_PREVIEW_CHARS = 200
const MAX_REMEMBERED = 2_000

/**
 * @typedef {import('./connections.js').CloudEvent} CloudEvent
 *
 * @typedef {object} PaneState
 * @property {string} user
 * @property {string} transport
 * @property {string} subscriptions
 * @property {string} position
 * @property {boolean} isOn
 * @property {string[]} ids of the last events, so that what comes twice is shown once
 *
 * @typedef {object} PaneHost
 * @property {() => void} save
 * @property {() => void} remove
 * @property {ReadonlySet<string>} types that may come
 * @property {(type: string) => void} learn of a type that came
 */

export class Pane {
  /** @type {PaneState} */ state
  /** @type {HTMLElement} */ element
  /** @type {PaneHost} */ #host
  /** @type {() => void} */ #stop = () => {}
  #count = 0
  /** Until `rig.subscriptions_set` on a connection that resumes, what comes is from the log. */
  #isReplaying = false

  /** @param {PaneState} state @param {PaneHost} host */
  constructor(state, host) {
    this.state = state
    this.#host = host
    const template = /** @type {HTMLTemplateElement} */ (document.querySelector('#pane'))
    const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true))
    this.element = /** @type {HTMLElement} */ (copy.firstElementChild)
    this.#wire()
    if (state.isOn) void this.#connect()
  }

  stop() {
    this.#stop()
    this.#stop = () => {}
  }

  /** For listeners of types that are new. */
  listenAnew() {
    this.#showCode()
    if (this.state.isOn && this.state.transport === 'sse') void this.#connect()
  }

  #wire() {
    const form = /** @type {HTMLFormElement} */ (this.#find('form'))
    for (const name of /** @type {const} */ (['user', 'transport', 'subscriptions'])) {
      const field = /** @type {HTMLInputElement} */ (form.elements.namedItem(name))
      field.value = this.state[name]
      field.addEventListener('change', () => this.#change(name, field.value))
    }
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      if (this.state.isOn) this.#disconnect()
      else void this.#connect()
    })
    this.#find('.clear').addEventListener('click', () => this.#find('.events').replaceChildren())
    this.#find('.remove').addEventListener('click', () => this.#host.remove())
    this.#showPosition()
    this.#showCode()
  }

  /** A position is of one user's shard: another user starts anew. */
  #change(/** @type {'user' | 'transport' | 'subscriptions'} */ name, /** @type {string} */ value) {
    this.state[name] = value.trim()
    if (name === 'user') this.state.position = ''
    this.#showCode()
    if (this.state.isOn) void this.#connect()
    this.#host.save()
  }

  async #connect() {
    this.stop()
    this.state.isOn = true
    this.#host.save()
    this.#find('.primary').textContent = 'Disconnect'
    const subscriptions = this.#readSubscriptions()
    if (subscriptions === undefined) return this.#show('refused', 'subscriptions: not a JSON array')
    let isStopped = false
    this.#stop = () => (isStopped = true)
    this.#show('waiting', 'connecting')
    const token = await this.#mintToken().catch((/** @type {Error} */ error) => error)
    if (isStopped) return
    if (token instanceof Error) return this.#show('refused', token.message)
    const connect = TRANSPORTS[this.state.transport] ?? TRANSPORTS['sse']
    this.#stop =
      connect?.(
        {
          user: this.state.user,
          token,
          subscriptions,
          position: () => this.state.position,
          types: () => [...subscriptions.map(({ eventType }) => eventType), ...this.#host.types],
        },
        {
          open: (text) => this.#show('open', text),
          waiting: (text) => this.#show('waiting', text),
          refused: (text) => this.#show('refused', text),
          event: (event, position) => this.#take(event, position),
          position: (position) => this.#move(position),
        },
      ) ?? (() => {})
  }

  #disconnect() {
    this.stop()
    this.state.isOn = false
    this.#host.save()
    this.#find('.primary').textContent = 'Connect'
    this.#show('closed', 'not connected')
  }

  /** @returns {{eventType: string}[] | undefined} */
  #readSubscriptions() {
    try {
      const list = JSON.parse(this.state.subscriptions || '[]')
      return Array.isArray(list) ? list : undefined
    } catch {
      return undefined
    }
  }

  #showCode() {
    const { transport, user } = this.state
    const subscriptions = this.#readSubscriptions()
    const receiver = { origin: location.origin, user, types: [...this.#host.types] }
    this.#find('.code pre').textContent =
      subscriptions === undefined
        ? 'The subscriptions are not a JSON array.'
        : codeOfReceiver(transport, { ...receiver, subscriptions })
  }

  /** The server may be starting: a page that was reloaded meanwhile asks until it answers. */
  async #mintToken() {
    if (this.state.user === '') return null
    for (;;) {
      const response = await fetch('/_rig/dev/token', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ user: this.state.user }),
      }).catch(() => undefined)
      if (response?.ok) return /** @type {string} */ ((await response.json()).token)
      if (response && response.status < 500) throw new Error(`no token: tokens are minted in development mode only`)
      await new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * 500))
    }
  }

  #take(/** @type {CloudEvent} */ event, /** @type {string | null} */ position) {
    if (position) this.#move(position)
    const isOwn = OWN_TYPES.includes(event.type)
    const tag = this.#tagOf(event)
    if (!isOwn) {
      const id = `${event.source} ${event.id}`
      if (this.state.ids.includes(id)) return
      this.state.ids = [...this.state.ids.slice(-MAX_REMEMBERED), id]
      this.#host.learn(event.type)
      this.#count++
    }
    this.#host.save()
    this.#showEvent(event, { isOwn, tag, position: position ?? '' })
  }

  #tagOf(/** @type {CloudEvent} */ event) {
    if (event.type === 'rig.connection.create') {
      this.#isReplaying = event.data?.recovered === true
      if (event.data?.recovered === false) return 'gap'
      return this.#isReplaying ? 'recovered' : ''
    }
    if (event.type !== 'rig.subscriptions_set') return this.#isReplaying ? 'replayed' : ''
    setTimeout(() => (this.#isReplaying = false), 300)
    return ''
  }

  #move(/** @type {string} */ position) {
    this.state.position = position
    this.#host.save()
    this.#showPosition()
  }

  #showPosition() {
    this.#find('.count').textContent = this.#count === 1 ? '1 event' : `${this.#count} events`
    this.#find('.position code').textContent = this.state.position
  }

  #show(/** @type {string} */ state, /** @type {string} */ text) {
    this.#find('.state').dataset['state'] = state
    this.#find('.state .text').textContent = text
  }

  #showEvent(/** @type {CloudEvent} */ event, /** @type {{isOwn: boolean, tag: string, position: string}} */ more) {
    const item = document.createElement('li')
    const details = document.createElement('details')
    const summary = document.createElement('summary')
    const json = document.createElement('pre')
    item.className = more.isOwn ? 'own' : 'event'
    item.dataset['id'] = event.id
    json.textContent = JSON.stringify(event, null, 2)
    const tag = element('span', more.tag)
    tag.className = 'tag'
    tag.dataset['tag'] = more.tag
    const line = [this.state.transport, more.position, event.source].filter(Boolean).join(' · ')
    summary.append(element('span', event.type), tag)
    if (!more.isOwn && event.data !== undefined) {
      const data = element('code', JSON.stringify(event.data).slice(0, MAX_PREVIEW_CHARS))
      data.className = 'data'
      summary.append(data)
    }
    summary.append(element('small', line))
    details.append(summary, json)
    item.append(details)
    const list = this.#find('.events')
    list.prepend(item)
    while (list.children.length > MAX_SHOWN) list.lastElementChild?.remove()
    this.#showPosition()
  }

  /** @returns {HTMLElement} */
  #find(/** @type {string} */ selector) {
    const found = this.element.querySelector(selector)
    if (found instanceof HTMLElement) return found
    throw new TypeError(`the pane has no ${selector}`)
  }
}

function element(/** @type {string} */ name, /** @type {string} */ text) {
  const made = document.createElement(name)
  made.textContent = text
  return made
}
