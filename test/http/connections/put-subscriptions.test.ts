// PUT .../subscriptions: each check with its status and text, and their order, as RIG's table has them.
import { env, exports } from 'cloudflare:workers'
import { createExecutionContext } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { handle } from '../../../src/http/app.ts'
import { SseClient } from '../../support/shard-clients.ts'
import { sign, tokenOf } from '../../support/make-tokens.ts'

const ORIGIN = 'https://rigel.example'
const GONE = `0.${'0'.repeat(32)}`

interface Put {
  readonly token?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly variables?: Readonly<Record<string, string>>
  readonly transport?: string
}

async function put({
  token = GONE,
  body = { subscriptions: [] },
  headers = {},
  variables = {},
  transport = 'sse',
}: Put) {
  const request = new Request(`${ORIGIN}/_rig/v1/connection/${transport}/${token}/subscriptions`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  if (headers['content-type'] === '') request.headers.delete('content-type')
  return handle(request, { ...env, ...variables }, createExecutionContext())
}

async function open(query = '') {
  const client = new SseClient(await exports.default.fetch(`${ORIGIN}/_rig/v1/connection/sse${query}`))
  const [created] = await client.until(1, 'rig.connection.create')
  const data = created?.data['data'] as { connection_token: string } | undefined
  await client.until(1, 'rig.subscriptions_set')
  return { client, token: data?.connection_token ?? '' }
}

const checked = { SUBSCRIPTION_CHECK: 'jwt_validation' }
const bearer = async (token: Promise<string>) => ({ authorization: `Bearer ${await token}` })
const expired = () => bearer(sign({ sub: 'alice', exp: 1 }))

describe('a set that is accepted', () => {
  it('is effective with the answer, whatever the transport in the path', async () => {
    const { client, token } = await open()
    for (const transport of ['sse', 'ws', 'longpolling']) {
      const response = await put({ token, transport, body: { subscriptions: [{ eventType: transport }] } })
      expect([response.status, await response.text()]).toEqual([204, ''])
      expect(response.headers.get('access-control-allow-origin')).toBe('*')
    }
    const sets = await client.until(4, 'rig.subscriptions_set')
    expect(sets.slice(1).map(({ data }) => data['data'])).toEqual([
      [{ eventType: 'sse', oneOf: [] }],
      [{ eventType: 'ws', oneOf: [] }],
      [{ eventType: 'longpolling', oneOf: [] }],
    ])
    await client.close()
  })

  it('includes what its tokens imply: their claims are merged, later ones win', async () => {
    const { client, token } = await open()
    const [alice, bob] = [await tokenOf('a', { username: 'alice' }), await tokenOf('b', { username: 'bob' })]
    const headers = { authorization: `Bearer ${alice}, Bearer ${bob}` }
    expect((await put({ token, headers, body: { subscriptions: [{ eventType: 'news' }] } })).status).toBe(204)
    const sets = await client.until(2, 'rig.subscriptions_set')
    expect(sets[1]?.data['data']).toEqual([
      { eventType: 'news', oneOf: [] },
      { eventType: 'greeting', oneOf: [{ name: 'bob' }] },
    ])
    await client.close()
  })
})

it('of several tokens: the shard is told the first end and all sessions', async () => {
  const told: unknown[] = []
  const USER_SHARD = {
    getByName: () => ({
      setSubscriptions: async (...args: unknown[]) => (told.push(args[2]), { ok: true, value: null }),
    }),
  }
  const soon = Math.floor(Date.now() / 1_000) + 60
  const tokens = [
    await tokenOf('alice', { jti: 's1' }),
    await tokenOf('alice', { jti: 's2', exp: soon }),
    await tokenOf('alice', { jti: 's1' }),
  ]
  const headers = { authorization: tokens.map((token) => `Bearer ${token}`).join(', ') }
  const variables = { USER_SHARD } as unknown as Record<string, string>
  expect((await put({ headers, variables })).status).toBe(204)
  expect(told).toEqual([{ user: 'alice', session: 's1', expSeconds: soon, moreSessions: ['s2'] }])
})

describe('a set that is refused', () => {
  it.each<[string, () => Promise<Put>, number, string]>([
    [
      'accepts no JSON',
      async () => ({ headers: { accept: 'text/html' } }),
      406,
      'Not acceptable: got accept "text/html"',
    ],
    [
      'has another content type',
      async () => ({ headers: { 'content-type': 'text/plain' } }),
      400,
      'Expected JSON encoded body.\n\nTechnical info:\n',
    ],
    [
      'has no content type',
      async () => ({ headers: { 'content-type': '' } }),
      400,
      'Expected JSON encoded body.\n\nTechnical info:\nthe content-type is missing',
    ],
    ['is no JSON', async () => ({ body: '{' }), 400, 'Expected JSON encoded body.\n\nTechnical info:\n'],
    [
      'has no subscriptions',
      async () => ({ body: { a: 1 } }),
      400,
      'Expected field "subscriptions" is not present.\n\nDecoded request body:\n{"a":1}',
    ],
    ['is no object', async () => ({ body: '[]' }), 400, 'Expected field "subscriptions" is not present.'],
    ['is denied', async () => ({ variables: checked }), 403, 'Subscription denied.'],
    ['names no connection', async () => ({ token: 'nonsense' }), 400, 'Invalid connection token.'],
    ['is for a connection that is gone', async () => ({}), 410, 'Connection no longer exists.'],
    [
      'is for a shard that is no more',
      async () => ({ token: `999.${'0'.repeat(32)}` }),
      410,
      'Connection no longer exists.',
    ],
    [
      'comes with an expired token',
      async () => ({ headers: await expired() }),
      400,
      'cannot accept subscription request: invalid authorization header: could not decode JWT: token expired',
    ],
    ...['Bearer', 'Bearer a b', 'a.token.without-a-scheme'].map(
      (authorization): [string, () => Promise<Put>, number, string] => [
        `comes with the unreadable "authorization: ${authorization}"`,
        async () => ({ headers: { authorization } }),
        400,
        'cannot accept subscription request: invalid authorization header: could not decode JWT: Could not verify token',
      ],
    ),
    [
      'is no list',
      async () => ({ body: { subscriptions: {} } }),
      400,
      'cannot accept subscription request: could not parse given subscriptions: could not decode subscriptions: subscriptions is expected to be a JSON encoded list',
    ],
    [
      'has a bad subscription',
      async () => ({ body: { subscriptions: [{}] } }),
      400,
      'cannot accept subscription request: could not parse given subscriptions: invalid subscription: event-type not found',
    ],
    [
      'has 10,000 subscriptions',
      async () => ({ body: { subscriptions: Array.from({ length: 10_000 }, (_, n) => ({ eventType: `t${n}` })) } }),
      400,
      'Too many subscriptions: got 10000, at most 100 are allowed.',
    ],
    ['is larger than any set', async () => ({ body: 'x'.repeat(2_100_000) }), 400, 'Expected JSON encoded body.'],
  ])('when it %s', async (_, make, status, text) => {
    const response = await put(await make())
    expect(response.status).toBe(status)
    expect(await response.text()).toContain(text)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
  })

  it('is answered by the first check that fails, in this order', async () => {
    const everything: Put = {
      token: 'nonsense',
      headers: { ...(await expired()), accept: 'text/html' },
      variables: checked,
      body: '{',
    }
    const accept = everything
    const json = { ...accept, headers: await expired() }
    const missing = { ...json, body: { a: 1 } }
    const denied = { ...missing, body: { subscriptions: 1 } }
    const token = { ...denied, variables: {} }
    const authorization = { ...token, token: GONE }
    const subscriptions = { ...authorization, headers: {} }
    const gone = { ...subscriptions, body: { subscriptions: [] } }
    const statuses: number[] = []
    const texts: string[] = []
    for (const step of [accept, json, missing, denied, token, authorization, subscriptions, gone]) {
      const response = await put(step)
      statuses.push(response.status)
      texts.push((await response.text()).slice(0, 20))
    }
    expect(statuses).toEqual([406, 400, 400, 403, 400, 400, 400, 410])
    expect(new Set(texts).size).toBe(7)
  })

  it('when the connection belongs to another user', async () => {
    const { client, token } = await open(`?jwt=${await tokenOf('alice')}`)
    const response = await put({ token, headers: await bearer(tokenOf('mallory')) })
    expect([response.status, await response.text()]).toEqual([
      403,
      'The connection belongs to another user than the token.',
    ])
    expect((await put({ token, headers: await bearer(tokenOf('alice')) })).status).toBe(204)
    await client.close()
  })
})

it('answers the preflight', async () => {
  const response = await exports.default.fetch(
    new Request(`${ORIGIN}/_rig/v1/connection/sse/${GONE}/subscriptions`, { method: 'OPTIONS' }),
  )
  expect([response.status, response.headers.get('access-control-allow-headers')]).toEqual([
    204,
    'content-type,authorization',
  ])
})
