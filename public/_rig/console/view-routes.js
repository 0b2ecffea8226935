// The routes of the API gateway, and a form that tells which one a request takes.
import { field, form, h, table } from './dom.js'
import { call } from './http.js'

/** @typedef {{ api: string, id: string, method: string, pattern: string, target: string, responseFrom: string, authentication: { in: string[], scopes: string[], claims: string[] } | null, rateLimit: string | null, cache: boolean, retries: number, timeoutMs: number | null }} ListedRoute */
/** @typedef {{ outcome: string, text: string, status?: number, path?: string, user?: string | null, route?: ListedRoute }} Tested */

/** @type {import('./app.js').View} */
export const routes = {
  title: 'Routes',
  show() {
    const list = h('div', {})
    const result = h('div', { 'aria-live': 'polite' })
    const ask = form(
      async ({ method, path, token: bearer }) => {
        const headers = bearer ? { authorization: `Bearer ${bearer}` } : {}
        const tested = /** @type {Tested} */ (
          await call('/v1/routes/test', { method: 'POST', body: { method, path, headers } })
        )
        result.replaceChildren(...describe(tested))
      },
      field('Method', { name: 'method', value: 'GET', required: true, size: 8 }),
      field('Path and query', { name: 'path', placeholder: '/orders/1', required: true }),
      field('Bearer token', { name: 'token', placeholder: 'none' }),
      h('button', { type: 'submit', class: 'primary' }, 'Test'),
    )
    async function showRoutes() {
      const answer = /** @type {{ routes: ListedRoute[], total: number }} */ (await call('/v1/routes'))
      const columns = ['api/route', 'method', 'path', 'target', 'token', 'policy']
      const caption = `${answer.total} routes, in the order in which they are tried`
      list.replaceChildren(table(caption, columns, answer.routes.map(toRow)))
    }
    void showRoutes()
    const hint =
      'Nothing is sent to a service: this tells which route a request would take, and whether its token suffices.'
    return { element: h('div', {}, h('h3', {}, 'Test a request'), h('p', { class: 'hint' }, hint), ask, result, list) }
  },
}

/** @param {Tested} tested */
function describe({ outcome, path, route, status, text }) {
  const passes = outcome === 'passes'
  return [
    h(
      'p',
      { class: passes ? 'good' : 'bad' },
      `${passes ? 'Passes' : status === undefined ? 'No route' : `Refused with ${status}`}: ${text}`,
    ),
    route === undefined
      ? null
      : h(
          'p',
          {},
          `${route.api}/${route.id}: ${route.method} ${route.pattern} → ${route.target}${path === undefined ? '' : `, as ${path}`}`,
        ),
  ].filter((one) => one !== null)
}

/** @param {ListedRoute} route */
function toRow({
  api,
  authentication,
  cache,
  id,
  method,
  pattern,
  rateLimit,
  responseFrom,
  retries,
  target,
  timeoutMs,
}) {
  const rights =
    authentication === null
      ? 'none'
      : [
          `in ${authentication.in.join(', ')}`,
          ...authentication.scopes.map((one) => `scope ${one}`),
          ...authentication.claims,
        ].join('; ')
  const policy = [
    responseFrom === 'http' ? '' : `response from ${responseFrom}`,
    cache ? 'cached' : '',
    retries > 0 ? `${retries} retries` : '',
    timeoutMs === null ? '' : `${timeoutMs} ms`,
    rateLimit ?? '',
  ].filter((one) => one !== '')
  return [`${api}/${id}`, method, h('code', {}, pattern), target, rights, policy.join(', ') || '–']
}
