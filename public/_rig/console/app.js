// The console, served at /_rig/console. No build step: these files are what runs. A view is a file; the address (#followers)
// says which one is shown. Figures come by one stream for all of them.
import { duration, field, form, h, tell } from './dom.js'
import { mergeHistory } from './figures.js'
import { call, findDevelopmentToken, Refused, stream, token } from './http.js'
import { configuration } from './view-configuration.js'
import { connections } from './view-connections.js'
import { deadLetters } from './view-dead-letters.js'
import { explain } from './view-explain.js'
import { followers, shards } from './view-objects.js'
import { overview } from './view-overview.js'
import { routes } from './view-routes.js'
import { topics } from './view-topics.js'

/** @typedef {import('./figures.js').Figures} Figures */
/** @typedef {{ element: HTMLElement, figures?: (figures: Figures) => void, remove?: () => void }} Shown */
/** @typedef {{ title: string, show: (context: { isOperator: boolean, query: URLSearchParams }) => Shown }} View */

const RECONNECT_MS = 2_000

/** @type {Record<string, View>} */
const VIEWS = {
  overview,
  followers,
  shards,
  connections,
  topics,
  'dead-letters': deadLetters,
  routes,
  explain,
  configuration,
}

/** @type {Shown | undefined} */
let shown
/** @type {Figures | undefined} */
let figures
let isOperator = false
let isSignedIn = false

const main = find('#main')
find('#sign-out').addEventListener('click', () => {
  token.clear()
  location.reload()
})
addEventListener('hashchange', () => isSignedIn && show())
setInterval(showAge, 1_000)
void begin()

async function begin() {
  if (token.get() === null) await findDevelopmentToken().catch(() => undefined)
  if (token.get() === null) return signIn()
  try {
    const { role } = /** @type {{ role: string }} */ (await call('/v1/role'))
    isOperator = role === 'operator'
    find('#role').textContent = isOperator ? 'operator' : 'read only'
    find('#sign-out').hidden = false
    isSignedIn = true
    makeNav()
    show()
    void follow()
  } catch (error) {
    if (error instanceof Refused && error.status < 500) token.clear()
    signIn(error instanceof Error ? error.message : String(error))
  }
}

function signIn(problem = '') {
  const ask = form(
    async (values) => {
      token.set((values['token'] ?? '').trim())
      await begin()
    },
    field('Token', { name: 'token', type: 'password', required: true, autocomplete: 'current-password' }),
    h('button', { type: 'submit', class: 'primary' }, 'Open'),
  )
  main.replaceChildren(
    h(
      'section',
      { class: 'card sign-in' },
      h('h2', {}, 'Open the console'),
      h(
        'p',
        { class: 'hint' },
        'INTERNAL_TOKEN opens it. CONSOLE_READ_TOKEN lets you look, and change nothing. It is kept for this tab.',
      ),
      ask,
      h('p', { class: 'problem', role: 'alert' }, problem),
    ),
  )
}

function makeNav() {
  const items = Object.entries(VIEWS).map(([name, { title }]) => h('li', {}, h('a', { href: `#${name}` }, title)))
  find('#nav').replaceChildren(...items)
}

function show() {
  const [name = '', query = ''] = location.hash.slice(1).split('?')
  const view = VIEWS[name] ?? overview
  for (const link of document.querySelectorAll('#nav a')) {
    const isCurrent = link.getAttribute('href') === `#${VIEWS[name] === undefined ? 'overview' : name}`
    if (isCurrent) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
    if (isCurrent) link.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }
  shown?.remove?.()
  shown = view.show({ isOperator, query: new URLSearchParams(query) })
  main.replaceChildren(h('h2', { class: 'title' }, view.title), shown.element)
  document.title = `${view.title} · Rigel console`
  if (figures !== undefined) shown.figures?.(figures)
}

/** Comes back when the stream ends, with the last step that it has. */
async function follow() {
  for (;;) {
    try {
      const since = figures?.history.at(-1)?.atMs ?? 0
      for await (const data of stream(`/v1/figures/stream?since=${since}`, new AbortController().signal)) receive(data)
    } catch (error) {
      setLive('lost', error instanceof Refused ? error.message : 'connection lost')
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS))
    }
  }
}

/** @param {string} data */
function receive(data) {
  const came = /** @type {Figures} */ (JSON.parse(data))
  figures = { ...came, history: mergeHistory(figures?.history ?? [], came.history) }
  setLive('on', 'live')
  shown?.figures?.(figures)
  showAge()
}

function showAge() {
  if (figures === undefined || find('#live').dataset['state'] !== 'on') return
  const newest = Math.max(0, ...figures.sources.map(({ atMs }) => atMs))
  const age = newest === 0 ? 'nothing was reported yet' : `last report ${duration(figures.nowMs - newest)} ago`
  find('#live-text').textContent = `live, ${age}`
}

/** @param {'on' | 'lost'} state @param {string} text */
function setLive(state, text) {
  find('#live').dataset['state'] = state
  find('#live-text').textContent = text
}

/** @param {string} selector @returns {HTMLElement} */
function find(selector) {
  const found = document.querySelector(selector)
  if (found instanceof HTMLElement) return found
  throw new TypeError(`the page has no ${selector}`)
}

addEventListener('unhandledrejection', ({ reason }) =>
  tell(reason instanceof Error ? reason.message : String(reason), true),
)
