// Users and their connections: search, close, revoke a session.
import { button, field, form, h, number, table, tell, time } from './dom.js'
import { call } from './http.js'

/** @typedef {{ connectionToken: string, transport: string, user: string | null, sessions: string[], openedAtMs: number, endsAtMs: number, metadata: Record<string, unknown>, subscriptions: string[] }} Connection */

const LIMIT = 200

/** @type {import('./app.js').View} */
export const connections = {
  title: 'Connections',
  show({ isOperator, query }) {
    const found = h('div', { 'aria-live': 'polite' })
    const users = h('div', {})
    const search = form(
      async (values) => showFound(values),
      field('User', { name: 'user', value: query.get('user') ?? '' }),
      field('Session', { name: 'session' }),
      field('Metadata field', { name: 'field' }),
      field('Value', { name: 'value' }),
      h('button', { type: 'submit', class: 'primary' }, 'Search'),
    )

    /** @param {Record<string, string>} values @param {string} [after] The cursor of the page */
    async function showFound(values, after) {
      const given = Object.entries({ ...values, after: after ?? '' }).filter(([, value]) => value !== '')
      const filters = new URLSearchParams([...given, ['limit', String(LIMIT)]])
      const { connections: list, next } = /** @type {{ connections: Connection[], next: string | null }} */ (
        await call(`/v3/connections?${filters}`)
      )
      const rows = list.map((one) => toRow(one, isOperator, () => showFound(values, after)))
      const columns = [
        'user',
        'transport',
        'since',
        'until',
        'subscriptions',
        'metadata',
        'sessions',
        ...(isOperator ? ['actions'] : []),
      ]
      const more = next === null ? [] : [button('Next page', () => showFound(values, next))]
      found.replaceChildren(table(`${list.length} connections`, columns, rows), ...more)
    }

    async function showUsers() {
      const counts =
        /** @type {{ connections: number, users: number, topUsers: { user: string, connections: number }[] }} */ (
          await call('/v3/connections/count')
        )
      const rows = counts.topUsers.map(({ user, connections: count }) => [
        button(user, () => showFound({ user }), { class: 'link' }),
        number(count),
      ])
      const total = `${number(counts.connections)} connections, ${number(counts.users)} users`
      users.replaceChildren(h('p', {}, total), table('Users with the most connections', ['user', 'connections'], rows))
    }

    void showUsers()
    if (query.has('user')) void showFound({ user: query.get('user') ?? '' })
    const hint = 'Who is connected now: asking wakes the shards that sleep.'
    return { element: h('div', {}, h('p', { class: 'hint' }, hint), search, found, users) }
  },
}

/** @param {Connection} connection @param {boolean} isOperator @param {() => Promise<void>} again */
function toRow(connection, isOperator, again) {
  const { connectionToken, endsAtMs, metadata, openedAtMs, sessions, subscriptions, transport, user } = connection
  const close = button('Close', async () => {
    await call(`/v3/connections/${encodeURIComponent(connectionToken)}`, { method: 'DELETE' })
    tell('Closed. The client may come back.')
    await again()
  })
  const revoke = sessions.map((session) =>
    button('Revoke', () => revokeSession(session, again), {
      'aria-label': `Revoke the session ${session}`,
      class: 'danger',
    }),
  )
  return [
    user ?? '(anonymous)',
    transport,
    time(openedAtMs),
    time(endsAtMs),
    subscriptions.join(', ') || '–',
    Object.keys(metadata).length === 0 ? '–' : JSON.stringify(metadata),
    sessions.join(', ') || '–',
    ...(isOperator ? [h('span', { class: 'row' }, close, ...revoke)] : []),
  ]
}

/** @param {string} session @param {() => Promise<void>} again */
async function revokeSession(session, again) {
  if (!confirm(`Close all connections of the session ${session}, and refuse its tokens for a day?`)) return
  await call('/v3/session-blacklist', { method: 'POST', body: { sessionId: session, validityInSeconds: 86_400 } })
  tell('Revoked for a day.')
  await again()
}
