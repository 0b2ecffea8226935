// The page a newcomer sees, served at /_rig/. No build step: this file and those that it imports are what runs. Panes
// live in sessionStorage, with their positions, so that a reload goes on where it was.
import { showBook } from './book.js'
import { codeOfPublish } from './code.js'
import { Pane } from './pane.js'

const STORED = 'rigel.panes'
const FEED_EVERY_MS = 1_000
const SUBSCRIPTIONS = '[{"eventType":"com.hotel.room.cleaned"}]'
const SAMPLE_TYPES = ['com.hotel.booking.created', 'com.hotel.room.cleaned', 'com.hotel.payment.received']

/** @typedef {import('./pane.js').PaneState} PaneState */

/** @returns {PaneState} */
function newState(user = '', transport = 'sse') {
  return { user, transport, subscriptions: SUBSCRIPTIONS, position: '', isOn: true, ids: [] }
}

/** @type {Set<Pane>} */
const panes = new Set()
/** Event types that may come. */
const types = new Set(SAMPLE_TYPES)
const shown = find('#panes')

for (const state of readStored()) addPane(state)
find('#add').addEventListener('click', () => addPane({ ...newState(), isOn: false }))
wireFeed(/** @type {HTMLInputElement} */ (find('#feed')))
wirePublish(/** @type {HTMLFormElement} */ (find('#publish')))
showBook(find('#book'))
// Before unload a browser closes the connections first, and would show them as lost.
addEventListener('pagehide', () => panes.forEach((pane) => pane.stop()))

function addPane(/** @type {PaneState} */ state) {
  const pane = new Pane(state, {
    types,
    learn,
    save,
    remove: () => {
      pane.stop()
      pane.element.remove()
      panes.delete(pane)
      save()
    },
  })
  panes.add(pane)
  shown.append(pane.element)
  save()
}

/** EventSource wants a listener per type, so those panes connect anew, from their position: nothing is missed. */
function learn(/** @type {string} */ type) {
  if (types.has(type)) return
  types.add(type)
  for (const pane of panes) pane.listenAnew()
}

/** @returns {PaneState[]} */
function readStored() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORED) ?? 'null')
    if (Array.isArray(stored) && stored.length > 0) return stored
  } catch {
    // What another version stored is no loss.
  }
  return [newState('alice', 'sse'), newState('bob', 'rigel'), newState('', 'longpolling')]
}

function save() {
  sessionStorage.setItem(STORED, JSON.stringify([...panes].map(({ state }) => state)))
}

/** The page is the timer of the sample feed: nothing runs on the server between two requests. */
function wireFeed(/** @type {HTMLInputElement} */ box) {
  let timer = 0
  box.addEventListener('change', () => {
    clearInterval(timer)
    if (!box.checked) return
    const feed = () =>
      fetch('/_rig/dev/feed', { method: 'POST', body: '{"count":2}' })
        .then(
          (response) => response.status === 404 && tellPublished('The sample feed exists in development mode only.'),
        )
        .catch(() => tellPublished('The server does not answer.'))
    void feed()
    timer = setInterval(() => void feed(), FEED_EVERY_MS)
  })
}

function wirePublish(/** @type {HTMLFormElement} */ form) {
  const show = () => (find('#code').textContent = codeOf(new FormData(form)))
  form.addEventListener('input', show)
  show()
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void publish(new FormData(form)).then(tellPublished, (/** @type {Error} */ error) => tellPublished(error.message))
  })
}

function textOf(/** @type {FormData} */ form, /** @type {string} */ name) {
  const value = form.get(name)
  return typeof value === 'string' ? value : ''
}

/** The event of the form. Throws if the data is not JSON. */
function eventOf(/** @type {FormData} */ form) {
  const recipients = textOf(form, 'recipients')
    .split(',')
    .flatMap((user) => user.trim() || [])
  const data = JSON.parse(textOf(form, 'data'))
  return {
    specversion: '1.0',
    id: crypto.randomUUID(),
    source: '/_rig/',
    type: textOf(form, 'type'),
    time: new Date().toISOString(),
    data: recipients.length > 0 ? { ...data, recipients } : data,
  }
}

function codeOf(/** @type {FormData} */ form) {
  try {
    const { time: _, ...kept } = eventOf(form)
    return codeOfPublish(location.origin, { ...kept, id: '1' })
  } catch {
    return 'The data is not JSON.'
  }
}

async function publish(/** @type {FormData} */ form) {
  const event = eventOf(form)
  learn(event.type)
  const response = await fetch('/_rig/v1/events', {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify(event),
  })
  const answer = await response.text()
  return response.ok ? `In the log: ${answer}` : `Refused with ${response.status}: ${answer.slice(0, 200)}`
}

function tellPublished(/** @type {string | boolean} */ text) {
  if (typeof text === 'string') find('#published').textContent = text
}

/** @returns {HTMLElement} */
function find(/** @type {string} */ selector) {
  const found = document.querySelector(selector)
  if (found instanceof HTMLElement) return found
  throw new TypeError(`the page has no ${selector}`)
}
