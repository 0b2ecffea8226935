// The calculator of cost.html: what a month costs, by the counts of docs/cost.md.
const MONTH_SECONDS = 2_628_000
const INCLUDED = { rows: 50e6, requests: 1e6, gbSeconds: 400_000 }
const DOLLARS = { rows: 1e-6, requests: 0.15e-6, gbSeconds: 12.5e-6 }
/** An object has 128 MB. */
const GB = 0.128
/** Rows of a connection: a WebSocket is stored, a stream is not. */
const ROWS_OF_SOCKET = 0.3
const ROWS_OF_STREAM = 0.1

const form = /** @type {HTMLFormElement} */ (document.querySelector('#case'))
const result = /** @type {HTMLElement} */ (document.querySelector('#result'))
form.addEventListener('input', showCost)
showCost()

/** Of figures that cannot be, such as fewer than no events, the browser says what would be right. */
function showCost() {
  if (!form.reportValidity()) return result.replaceChildren()
  const { rows, requests, gbSeconds } = countMonth(new FormData(form))
  const lines = [
    line('rows written', rows, INCLUDED.rows, DOLLARS.rows),
    line('requests to Durable Objects', requests, INCLUDED.requests, DOLLARS.requests),
    line('GB-seconds awake', gbSeconds, INCLUDED.gbSeconds, DOLLARS.gbSeconds),
  ]
  const total = lines.reduce((sum, { dollars }) => sum + dollars, 0)
  result.replaceChildren(...[...lines, { what: 'together', amount: '', dollars: total }].map(toRow))
}

/**
 * @param {string} what
 * @param {number} amount
 * @param {number} included
 * @param {number} price
 */
function line(what, amount, included, price) {
  return { what, amount: Math.round(amount).toLocaleString('en'), dollars: Math.max(0, amount - included) * price }
}

/** @param {{ what: string, amount: string, dollars: number }} line */
function toRow({ what, amount, dollars }) {
  const row = document.createElement('tr')
  for (const text of [what, amount, Math.round(dollars).toLocaleString('en')]) {
    row.append(Object.assign(document.createElement('td'), { textContent: text }))
  }
  return row
}

/**
 * A batch is what a partition has at once: one publish, or with a linger all that came meanwhile.
 * @param {FormData} values
 */
function countMonth(values) {
  const number = (/** @type {string} */ name) => Number(values.get(name))
  const [addressed, broadcast, batch, partitions] = [
    number('addressed'),
    number('broadcast'),
    number('batch'),
    number('partitions'),
  ]
  const [shards, linger, connections, sockets] = [
    number('shards'),
    number('linger'),
    number('connections'),
    number('sockets'),
  ]
  const log = values.get('log')
  const events = addressed + broadcast
  const publishes = events / Math.max(1, batch)
  const batches = linger > 0 ? Math.min(publishes, (partitions * 1_000) / linger) : publishes
  const perBatch = batches > 0 ? addressed / batches : 0
  const shardsOfAddressed = perBatch > 0 ? shards * (1 - (1 - 1 / shards) ** perBatch) : 0
  const shardsOfBatch =
    broadcast > 0 ? broadcastShare(broadcast, batches, shards, shardsOfAddressed) : shardsOfAddressed
  const appends = batches * shardsOfBatch
  const atLog = log === 'embedded' ? publishes : 0
  const checkpoints = log === 'embedded' ? 0 : Math.min(batches, partitions)
  const opened = connections / 86_400
  const rowsOfConnection = (sockets / 100) * ROWS_OF_SOCKET + (1 - sockets / 100) * ROWS_OF_STREAM
  const awake = Math.min(1, events) * (shards + partitions)
  return {
    rows: (appends + atLog + checkpoints + opened * rowsOfConnection) * MONTH_SECONDS,
    requests: (appends + atLog + opened) * MONTH_SECONDS,
    gbSeconds: awake * GB * MONTH_SECONDS,
  }
}

/**
 * Batches with an event to everybody go to all shards, the others to those of their users.
 * @param {number} broadcast
 * @param {number} batches
 * @param {number} shards
 * @param {number} shardsOfAddressed
 */
function broadcastShare(broadcast, batches, shards, shardsOfAddressed) {
  const share = Math.min(1, broadcast / batches)
  return share * shards + (1 - share) * shardsOfAddressed
}
