// Opening connections through the Worker: what a client must bring, what it is told when it may not, and that
// nothing it sends reaches a shard but what the edge has checked.
import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { createExecutionContext } from 'cloudflare:test'
import { handle } from '../../../src/http/app.ts'
import { initialMap } from '../../../src/core/shard-map/shard-map.ts'
import { chooseShard } from '../../../src/http/connections/call-shard.ts'
import { stampConnect } from '../../../src/rpc/shard.ts'
import { connectRequest, SseClient, WsClient } from '../../support/shard-clients.ts'
import { sign, tokenOf } from '../../support/make-tokens.ts'
import { expectLogs } from '../../support/expect-logs.ts'

expectLogs(/Rigel is misconfigured/, /a shard did not answer.*Error: overloaded/)

const ORIGIN = 'https://rigel.example'
const SSE = '/_rig/v1/connection/sse'
const WS = '/_rig/v1/connection/ws'

function get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return exports.default.fetch(new Request(ORIGIN + path, { headers }))
}

function upgrade(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return get(path, { upgrade: 'websocket', ...headers })
}

/** The Worker with other variables. */
function getWith(
  variables: Readonly<Record<string, unknown>>,
  path: string,
  headers: Readonly<Record<string, string>> = {},
) {
  const request = new Request(ORIGIN + path, { headers }) as Request<unknown, IncomingRequestCfProperties>
  return handle(request, { ...env, ...variables }, createExecutionContext())
}

function subscriptions(...list: readonly unknown[]): string {
  return `subscriptions=${encodeURIComponent(JSON.stringify(list))}`
}

async function firstSubscriptions(path: string, headers: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const client = new SseClient(await get(path, headers))
  const [frame] = await client.until(1, 'rig.subscriptions_set')
  await client.close()
  return frame?.data['data']
}

describe('health', () => {
  it('answers OK', async () => {
    const response = await get('/_rig/health')
    expect([response.status, await response.text()]).toEqual([200, 'OK'])
  })

  it('lists every problem of the configuration, and every other route points to it', async () => {
    const bad = { SHARDS: 'many', JWT_ALG: 'none', KAFKA_BROKERS: 'internal-broker' }
    const response = await getWith(bad, '/_rig/health')
    expect(response.status).toBe(500)
    const text = await response.text()
    // Anybody can read it: names and reasons, and no values.
    expect(text.split('\n').toSorted()).toEqual([
      '',
      expect.stringMatching(/^JWT_ALG: must be one of HS256.*EdDSA$/),
      'KAFKA_BROKERS: in item 1: must be host:port, as in broker-1.example.com:9092',
      'Rigel is misconfigured:',
      'SHARDS: must be a whole number from 1 to 8192',
    ])
    for (const path of [SSE, WS, '/_rig/v1/connection/longpolling', '/anything']) {
      const other = await getWith(bad, path)
      expect([other.status, await other.text()]).toEqual([500, 'Rigel is misconfigured: see /_rig/health'])
    }
  })
})

describe('an unknown path', () => {
  it.each(['/', '/shop/items', '/_rig/v2', '/_rig/v1/connection/carrier-pigeon'])(
    'answers %s with 404',
    async (path) => {
      const response = await get(path)
      expect([response.status, await response.json()]).toEqual([404, { message: 'Not Found' }])
    },
  )
})

describe('SSE', () => {
  it('opens for an anonymous client, with CORS', async () => {
    const response = await get(SSE)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    await response.body?.cancel()
  })

  it.each([
    [
      'the Authorization header',
      async () => [SSE, { authorization: `Bearer ${await tokenOf('a', { username: 'alice' })}` }],
    ],
    ['the query', async () => [`${SSE}?jwt=${await tokenOf('a', { username: 'alice' })}`, {}]],
  ] as const)('takes the token from %s and infers subscriptions from its claims', async (_, make) => {
    const [path, headers] = (await make()) as [string, Record<string, string>]
    expect(await firstSubscriptions(path, headers)).toEqual([{ eventType: 'greeting', oneOf: [{ name: 'alice' }] }])
  })

  it('merges given and inferred subscriptions', async () => {
    const query = `jwt=${await tokenOf('a', { username: 'alice' })}&${subscriptions({ eventType: 'news' })}`
    expect(await firstSubscriptions(`${SSE}?${query}`)).toEqual([
      { eventType: 'news', oneOf: [] },
      { eventType: 'greeting', oneOf: [{ name: 'alice' }] },
    ])
  })

  it('refuses a bad token before it looks at the subscriptions', async () => {
    const expired = await sign({ sub: 'alice', exp: 1 })
    const response = await get(`${SSE}?jwt=${expired}&subscriptions=%7Bnot-json`)
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="rigel", error="invalid_token"',
    ])
    expect(await response.text()).toBe('could not parse subscriptions: could not decode JWT: token expired')
  })

  it('refuses a token that another key signed', async () => {
    const forged = await sign({ sub: 'alice', exp: 9_999_999_999 }, 'another secret of 32 bytes or more')
    const response = await get(`${SSE}?jwt=${forged}`)
    expect(await response.text()).toBe('could not parse subscriptions: could not decode JWT: Invalid signature')
  })

  it.each([
    ['subscriptions=nonsense', 'Failed to decode subscription list: '],
    ['subscriptions=', 'Failed to decode subscription list: '],
    ['subscriptions=%7B%7D', 'could not parse subscriptions: could not decode subscriptions: '],
    [
      subscriptions(1),
      'could not parse subscriptions: could not parse subscription from JSON: invalid subscription: not a map',
    ],
    [
      subscriptions({ eventType: '' }),
      'could not parse subscriptions: could not parse subscription from JSON: invalid subscription: event-type empty',
    ],
  ])('refuses %s with a reason', async (query, text) => {
    const response = await get(`${SSE}?${query}`)
    expect(response.status).toBe(400)
    expect(await response.text()).toContain(text)
  })

  it('refuses 10,000 subscriptions by their number', async () => {
    const many = Array.from({ length: 10_000 }, (_, n) => ({ eventType: `t${n}` }))
    const response = await get(`${SSE}?${subscriptions(...many)}`)
    expect([response.status, await response.text()]).toEqual([
      400,
      'Too many subscriptions: got 10000, at most 100 are allowed.',
    ])
  })

  it.each(['POST', 'PUT', 'DELETE', 'HEAD'])('answers %s with 405', async (method) => {
    const response = await exports.default.fetch(new Request(ORIGIN + SSE, { method }))
    expect(response.status).toBe(405)
  })

  it('resumes where Last-Event-ID says, at the shard that it names, and says so', async () => {
    const first = new SseClient(await get(SSE))
    await first.until(2)
    await first.close()
    const again = new SseClient(await get(SSE, { 'last-event-id': first.lastEventId }))
    const [created] = await again.until(1, 'rig.connection.create')
    expect(created?.data['data']).toMatchObject({ recovered: true })
    expect(again.lastEventId.split('-')[0]).toBe(first.lastEventId.split('-')[0])
    await again.close()
  })

  it.each(['nonsense', '99999.abc-3', 'a%0d%0adata: injected'])(
    'goes on live after the position %s, and tells of the gap',
    async (id) => {
      const client = new SseClient(await get(`${SSE}?last_event_id=${id}`))
      const [created] = await client.until(1, 'rig.connection.create')
      expect(created?.data['data']).toMatchObject({ recovered: false })
      await client.close()
    },
  )
})

describe('SUBSCRIPTION_CHECK=jwt_validation', () => {
  const checked = { SUBSCRIPTION_CHECK: 'JWT_VALIDATION' }

  it('denies subscriptions without a token', async () => {
    const response = await getWith(checked, `${SSE}?${subscriptions({ eventType: 'news' })}`)
    expect([response.status, await response.text()]).toEqual([400, 'Subscription denied (not authorized).'])
  })

  it('allows subscriptions with a token, and a connection without subscriptions to every client', async () => {
    const allowed = [`${SSE}?jwt=${await tokenOf('alice')}&${subscriptions({ eventType: 'news' })}`, SSE]
    for (const path of allowed) {
      const response = await getWith(checked, path)
      expect(response.status).toBe(200)
      await response.body?.cancel()
    }
  })
})

describe('the token in a cookie', () => {
  const cookie = async () => ({ cookie: `other=1; token=${await tokenOf('a', { username: 'alice' })}` })
  const status = async (headers: Readonly<Record<string, string>>, cors = '*') => {
    const path = `${SSE}?${subscriptions({ eventType: 'news' })}`
    const variables = { JWT_COOKIE: 'token', SUBSCRIPTION_CHECK: 'jwt_validation', CORS: cors }
    const response = await getWith(variables, path, { ...(await cookie()), ...headers })
    await response.body?.cancel()
    return response.status
  }

  it('counts for pages of this origin, and of origins that CORS names', async () => {
    expect(await status({})).toBe(200)
    expect(await status({ origin: ORIGIN })).toBe(200)
    expect(await status({ origin: 'https://app.example' }, 'https://app.example')).toBe(200)
  })

  it('does not count for pages of any other site', async () => {
    expect(await status({ origin: 'https://evil.example' })).toBe(400)
    expect(await status({ origin: 'https://evil.example' }, 'https://app.example')).toBe(400)
  })
})

describe('WebSocket', () => {
  it('answers 426 to a request that is no upgrade', async () => {
    const response = await get(WS)
    expect([response.status, response.headers.get('upgrade')]).toEqual([426, 'websocket'])
  })

  it('opens, and answers rigel.v1 only to a client that offers it', async () => {
    const plain = await upgrade(WS, { 'sec-websocket-protocol': 'soap' })
    expect([plain.status, plain.headers.get('sec-websocket-protocol')]).toEqual([101, null])
    const rigel = await upgrade(WS, { 'sec-websocket-protocol': 'soap, rigel.v1' })
    expect(rigel.headers.get('sec-websocket-protocol')).toBe('rigel.v1')
    for (const response of [plain, rigel]) {
      const client = await new WsClient(response).until(({ received }) => received.length > 0)
      client.socket.close()
    }
  })

  it('takes the token from a subprotocol, and never returns it', async () => {
    const token = await tokenOf('a', { username: 'alice' })
    const response = await upgrade(WS, { 'sec-websocket-protocol': `rigel.v1, bearer.${token}` })
    expect(response.headers.get('sec-websocket-protocol')).toBe('rigel.v1')
    const client = new WsClient(response)
    await client.until(({ received }) => received.some((text) => text.includes('"name":"alice"')))
    client.socket.close()
  })

  it('refuses a token in a subprotocol if the client does not also offer rigel.v1', async () => {
    const response = await upgrade(WS, { 'sec-websocket-protocol': `bearer.${await tokenOf('a')}` })
    expect([response.status, await response.text()]).toEqual([
      400,
      'Offer the subprotocol "rigel.v1" beside "bearer.<token>".',
    ])
  })

  it.each([
    ['a bad token', 'jwt=x', { code: 4502, reason: 'Invalid token.' }],
    ['bad subscriptions', 'subscriptions=x', { code: 4506, reason: 'Bad request.' }],
  ])('accepts, then closes, for %s', async (_, query, close) => {
    const response = await upgrade(`${WS}?${query}`, { 'sec-websocket-protocol': 'rigel.v1' })
    expect([response.status, response.headers.get('sec-websocket-protocol')]).toEqual([101, 'rigel.v1'])
    const client = await new WsClient(response).until(({ closed }) => closed !== undefined)
    expect(client.closed).toEqual(close)
  })

  it('closes with its own code for an expired token', async () => {
    const client = new WsClient(await upgrade(`${WS}?jwt=${await sign({ sub: 'a', exp: 1 })}`))
    await client.until(({ closed }) => closed !== undefined)
    expect(client.closed).toEqual({ code: 4500, reason: 'Token expired.' })
  })

  it('closes with a code to reconnect when the shard does not answer', async () => {
    const broken = { idFromName: () => '', getByName: () => ({ fetch: () => Promise.reject(new Error('overloaded')) }) }
    const response = await getWith({ USER_SHARD: broken }, WS, { upgrade: 'websocket' })
    const client = await new WsClient(response).until(({ closed }) => closed !== undefined)
    expect(client.closed?.code).toBe(4003)
    const sse = await getWith({ USER_SHARD: broken }, SSE)
    expect([sse.status, sse.headers.get('retry-after')]).toEqual([503, '2'])
  })
})

describe('limits by address', () => {
  it('answers 429 above the limit, and does not count clients whose address is unknown', async () => {
    const keys: string[] = []
    const limiter = { limit: async ({ key }: { key: string }) => ({ success: keys.push(key) < 2 }) }
    const attempt = async (headers: Readonly<Record<string, string>>) => {
      const response = await getWith({ CONNECTION_RATE_LIMIT: limiter }, SSE, headers)
      await response.body?.cancel()
      return response.status
    }
    // Two addresses of one client, which has a /64.
    const [one, other] = ['2001:db8:1:2::1', '2001:db8:1:2:3:4:5:6'].map((ip) => ({ 'cf-connecting-ip': ip }))
    expect([await attempt(one ?? {}), await attempt(other ?? {}), await attempt({})]).toEqual([200, 429, 200])
    expect(keys).toEqual(['2001:db8:1:2', '2001:db8:1:2'])
  })
})

describe('the request to a shard', () => {
  it('is not read from the client: a forged internal header has no effect', async () => {
    const forged = new Request(
      ...stampConnect(
        connectRequest({
          principal: { user: 'alice', session: null, expSeconds: null },
          subscriptions: [{ eventType: 'secret', oneOf: [] }],
        }),
      ),
    )
    const header = forged.headers.get('rigel-connect') ?? ''
    expect(await firstSubscriptions(SSE, { 'rigel-connect': header })).toEqual([])
  })

  it('goes to one shard for one user, whatever position the client gives', () => {
    const alice = { user: 'alice', session: null, expSeconds: null }
    const shards = new Set(
      ['0.a-1', '1.a-1', null].map(
        (id) => chooseShard({ principal: alice, lastEventId: id }, initialMap(8), 0.5).shard,
      ),
    )
    expect(shards.size).toBe(1)
  })

  it('goes to a random shard without user and position, and never beyond the last shard', () => {
    const nobody = { user: null, session: null, expSeconds: null }
    const choose = (lastEventId: string, random: number) =>
      chooseShard({ principal: nobody, lastEventId }, initialMap(4), random)
    expect(choose('2.a-1', 0.9)).toEqual({ shard: 2, atPosition: true })
    expect(choose('4.a-1', 0.999)).toEqual({ shard: 3, atPosition: false })
    expect(choose('nonsense', 0)).toEqual({ shard: 0, atPosition: false })
  })
})
