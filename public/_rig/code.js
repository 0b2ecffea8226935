// What the page does, as code for a terminal or a page of one's own: how an event is published, how a connection receives, and how
// a table is followed. Pure. Called by page.js, pane.js and book.js.

/**
 * @typedef {object} Receiver
 * @property {string} origin of Rigel
 * @property {string} user '' for nobody
 * @property {{eventType: string, oneOf?: readonly Readonly<Record<string, unknown>>[]}[]} subscriptions
 * @property {readonly string[]} types that may come, addressed ones among them
 */

/** @type {Record<string, (receiver: Receiver) => string[]>} */
const CODE = { sse, rigel: byClient('websocket'), plain, longpolling: byClient('longpolling'), ndjson, phoenix }

/** @param {string} transport @param {Receiver} receiver */
export function codeOfReceiver(transport, receiver) {
  return (CODE[transport] ?? sse)(receiver).join('\n')
}

/** @param {string} origin @param {object} event */
export function codeOfPublish(origin, event) {
  const body = quoted(JSON.stringify(event))
  return `curl ${origin}/_rig/v1/events -H 'content-type: application/cloudevents+json' \\\n  -d ${body}`
}

/** @param {string} origin @param {string} type */
export function codeOfTable(origin, type) {
  return [
    `import { connect } from '${origin}/_rig/client.js'`,
    `import { table } from '${origin}/_rig/client-table.js'`,
    `const rigel = connect({ url: '${origin}', subscriptions: [{ eventType: '${type}', state: true }] })`,
    `const orders = table(rigel, '${type}')`,
    'orders.onChange(() => console.log([...orders.rows.values()].map(({ subject, data }) => ({ subject, ...data }))))',
  ].join('\n')
}

function sse(/** @type {Receiver} */ receiver) {
  return [
    ...jsQuery(receiver),
    `const source = new EventSource(\`${receiver.origin}/_rig/v1/connection/sse?\${query}\`)`,
    '// One listener per type: this is how EventSource works.',
    ...typesOf(receiver).map(
      (type) => `source.addEventListener(${JSON.stringify(type)}, ({ data }) => console.log(JSON.parse(data)))`,
    ),
  ]
}

function plain(/** @type {Receiver} */ receiver) {
  const origin = receiver.origin.replace('http', 'ws')
  return [
    ...jsQuery(receiver),
    `const socket = new WebSocket(\`${origin}/_rig/v1/connection/ws?\${query}\`)`,
    "socket.addEventListener('message', ({ data }) => console.log(JSON.parse(data)))",
  ]
}

/** With an acknowledgement of what was handled, and the position kept over reconnects. */
function byClient(/** @type {string} */ transport) {
  return (/** @type {Receiver} */ receiver) => [
    `import { connect } from '${receiver.origin}/_rig/client.js'`,
    ...jsToken(receiver),
    'const rigel = connect({',
    `  url: '${receiver.origin}',`,
    `  transports: ['${transport}'],`,
    ...(receiver.user === '' ? [] : ['  token: () => token,']),
    `  subscriptions: ${JSON.stringify(receiver.subscriptions)},`,
    '})',
    "rigel.on('*', (event) => console.log(event))",
  ]
}

function ndjson(/** @type {Receiver} */ { origin, subscriptions, user }) {
  const token = quoted(JSON.stringify({ user }))
  return [
    ...(user === ''
      ? []
      : [
          '# of development mode; in production, of your identity provider',
          `TOKEN=$(curl -s ${origin}/_rig/dev/token -d ${token} | sed -E 's/.*"token":"([^"]+)".*/\\1/')`,
        ]),
    `curl -GN ${origin}/_rig/v1/connection/ndjson ${user === '' ? '' : '-H "authorization: Bearer $TOKEN" '}\\`,
    `  --data-urlencode subscriptions=${quoted(JSON.stringify(subscriptions))}`,
  ]
}

function phoenix(/** @type {Receiver} */ receiver) {
  const { origin, subscriptions, user } = receiver
  const own = user === '' ? [] : [{ topic: `user:${user}`, oneOf: undefined }]
  const channels = [...own, ...subscriptions.map(({ eventType, oneOf }) => ({ topic: `events:${eventType}`, oneOf }))]
  return [
    "import { Socket } from 'phoenix' // npm install phoenix",
    ...jsToken(receiver),
    `const socket = new Socket('${origin.replace('http', 'ws')}/_rig/v1/connection/phoenix'${user === '' ? '' : ', { authToken: token }'})`,
    'socket.connect()',
    ...channels.flatMap(({ oneOf, topic }, index) => [
      `const channel${index + 1} = socket.channel(${JSON.stringify(topic)}${oneOf === undefined ? '' : `, ${JSON.stringify({ oneOf })}`})`,
      `channel${index + 1}.on('message', (event) => console.log(event))`,
      `channel${index + 1}.join()`,
    ]),
  ]
}

/** The query of a connection: `query`. */
function jsQuery(/** @type {Receiver} */ receiver) {
  const jwt = receiver.user === '' ? '' : ', jwt: token'
  return [
    ...jsToken(receiver),
    `const subscriptions = JSON.stringify(${JSON.stringify(receiver.subscriptions)})`,
    `const query = new URLSearchParams({ subscriptions${jwt} })`,
  ]
}

/** The user's token: `token`. */
function jsToken(/** @type {Receiver} */ { origin, user }) {
  if (user === '') return []
  const body = `JSON.stringify({ user: ${JSON.stringify(user)} })`
  return [
    '// of development mode; in production, of your identity provider',
    `const answer = await fetch('${origin}/_rig/dev/token', { method: 'POST', body: ${body} })`,
    'const { token } = await answer.json()',
  ]
}

/** What a listener is needed for: what is subscribed to, and what may be addressed to the user. */
function typesOf(/** @type {Receiver} */ { subscriptions, types }) {
  return [...new Set([...subscriptions.map(({ eventType }) => eventType), ...types])]
}

/** One argument of a shell. */
function quoted(/** @type {string} */ text) {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
