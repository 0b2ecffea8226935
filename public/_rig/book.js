// The order book of the page: a live table, which every browser sees alike. Each row is an open order. An event with data places or
// changes an order, an event without data takes it back. docs/state.md says how tables work.
import { connect } from './client.js'
import { table } from './client-table.js'
import { codeOfTable } from './code.js'

const TYPE = 'com.exchange.order'
const FEED_EVERY_MS = 1_000
/** The sample orders stay about this many. */
const FEED_ORDERS = 16
/** Rows that are shown on each side. */
const MAX_SHOWN = 10
const FEED_MIDDLE = 100

/**
 * @typedef {{side: 'buy' | 'sell', price: number, quantity: number}} Order
 *
 * Anybody may publish: members of `data` may have any type.
 *
 * @typedef {import('./client.js').ReceivedEvent<Record<keyof Order, unknown>>} OrderEvent
 */

/** @param {HTMLElement} section */
export function showBook(section) {
  const rigel = connect({ subscriptions: [{ eventType: TYPE, state: true }] })
  const book = table(rigel, TYPE)
  const status = find(section, '.state')
  let isDue = false
  /** @type {string | undefined} */
  let refusal

  const show = () => {
    isDue = false
    const orders = [...book.rows.values()].filter(({ data }) => data !== undefined)
    showSide(find(section, '[data-side=buy] tbody'), orders, 'buy', takeBack)
    showSide(find(section, '[data-side=sell] tbody'), orders, 'sell', takeBack)
    const [state, text] = stateOf(rigel.state, book.state, orders.length)
    status.dataset['book'] = refusal === undefined ? state : 'refused'
    find(status, '.text').textContent = refusal ?? text
  }
  /** Many changes that come together are shown once. */
  const showSoon = () => {
    if (!isDue) setTimeout(show, 0)
    isDue = true
  }
  const told = find(section, 'output')
  const takeBack = (/** @type {string} */ id) => void publish(id).then(tell, tellNoAnswer)
  const tell = (/** @type {string} */ problem) => void (told.textContent = problem)
  const tellNoAnswer = () => tell('The server does not answer.')

  book.onChange(showSoon)
  rigel.onState(showSoon)
  const showRefusal = (/** @type {{reason: string}} */ { reason }) => {
    refusal = `${reason} (npm start reads TABLES from .dev.vars; .dev.vars.example has it)`
    showSoon()
  }
  void rigel.closed.then(showRefusal)
  const form = /** @type {HTMLFormElement} */ (find(section, 'form'))
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void publish(crypto.randomUUID(), orderOf(new FormData(form))).then(tell, tellNoAnswer)
  })
  const box = /** @type {HTMLInputElement} */ (find(section, '[type=checkbox]'))
  wireFeed(box, () => sampleChange([...book.rows.keys()]).then(tell, tellNoAnswer))
  find(section, '.code pre').textContent = codeOfTable(location.origin, TYPE)
  show()
}

/**
 * @param {string} connection
 * @param {string} rows
 * @param {number} count
 * @returns {[state: string, text: string]}
 */
function stateOf(connection, rows, count) {
  if (rows === 'failed') return ['refused', 'the table is too large: max_rows and max_bytes of TABLES']
  if (connection !== 'open')
    return ['waiting', connection === 'waiting' ? 'connection lost, coming back' : 'connecting']
  return rows === 'current' ? ['open', count === 1 ? '1 order' : `${count} orders`] : ['waiting', 'the table comes']
}

/**
 * The best price first. Rows that stay keep their element, and so the focus.
 *
 * @param {HTMLElement} body
 * @param {readonly OrderEvent[]} orders
 * @param {'buy' | 'sell'} side
 * @param {(id: string) => void} takeBack
 */
function showSide(body, orders, side, takeBack) {
  const direction = side === 'buy' ? -1 : 1
  const own = orders
    .filter(({ data }) => data?.side === side)
    .toSorted((a, b) => direction * (priceOf(a) - priceOf(b)) || idOf(a).localeCompare(idOf(b)))
    .slice(0, MAX_SHOWN)
  const known = new Map([...body.children].map((row) => [/** @type {HTMLElement} */ (row).dataset['id'], row]))
  for (const [index, order] of own.entries()) {
    const row = known.get(idOf(order)) ?? newRow(idOf(order), takeBack)
    known.delete(idOf(order))
    const [price, quantity] = row.children
    if (price) price.textContent = priceOf(order).toFixed(2)
    if (quantity) quantity.textContent = String(order.data?.quantity ?? '')
    if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null)
  }
  for (const row of known.values()) row.remove()
}

/** @param {string} id @param {(id: string) => void} takeBack */
function newRow(id, takeBack) {
  const row = document.createElement('tr')
  row.dataset['id'] = id
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = 'Take back'
  button.addEventListener('click', () => takeBack(id))
  const last = document.createElement('td')
  last.append(button)
  row.append(document.createElement('td'), document.createElement('td'), last)
  return row
}

const idOf = (/** @type {OrderEvent} */ { subject = '' }) => subject
const priceOf = (/** @type {OrderEvent} */ { data }) => (typeof data?.price === 'number' ? data.price : 0)

/** @param {FormData} form @returns {Order} */
function orderOf(form) {
  const side = form.get('side') === 'sell' ? 'sell' : 'buy'
  return { side, price: Number(form.get('price')), quantity: Number(form.get('quantity')) }
}

/**
 * Without an order it is taken back. Returns what went wrong, or the empty string.
 *
 * @param {string} id
 * @param {Order} [order]
 */
async function publish(id, order) {
  const event = { specversion: '1.0', id: crypto.randomUUID(), source: '/_rig/', type: TYPE, subject: id }
  const response = await fetch('/_rig/v1/events', {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify(order === undefined ? event : { ...event, data: order }),
  })
  return response.ok ? '' : `Refused with ${response.status}: ${(await response.text()).slice(0, 200)}`
}

/** The page is the timer: nothing runs on the server between two requests. */
function wireFeed(/** @type {HTMLInputElement} */ box, /** @type {() => Promise<void>} */ feed) {
  let timer = 0
  box.addEventListener('change', () => {
    clearInterval(timer)
    if (!box.checked) return
    void feed()
    timer = setInterval(() => void feed(), FEED_EVERY_MS)
  })
}

/** Places, changes or takes back an order. @param {readonly string[]} ids */
function sampleChange(ids) {
  const known = ids[Math.floor(Math.random() * ids.length)]
  const isFull = Math.random() * 2 * FEED_ORDERS < ids.length
  if (known !== undefined && isFull) return publish(known)
  const isChange = known !== undefined && Math.random() < 0.4
  const side = Math.random() < 0.5 ? 'buy' : 'sell'
  const distance = Math.round(Math.random() * 500) / 100
  const price = side === 'buy' ? FEED_MIDDLE - distance : FEED_MIDDLE + distance
  return publish(isChange ? known : crypto.randomUUID(), { side, price, quantity: 1 + Math.floor(Math.random() * 50) })
}

/** @param {HTMLElement} within @param {string} selector @returns {HTMLElement} */
function find(within, selector) {
  const found = within.querySelector(selector)
  if (found instanceof HTMLElement) return found
  throw new TypeError(`the order book has no ${selector}`)
}
