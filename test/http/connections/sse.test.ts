// Event streams as browsers, polyfills and proxies need them: refusals that a native EventSource survives, CORS, headers
// against buffering, and where token and position may be.
import { env } from 'cloudflare:workers'
import { createExecutionContext } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { handle } from '../../../src/http/app.ts'
import { SseClient } from '../../support/shard-clients.ts'
import { sign, tokenOf } from '../../support/make-tokens.ts'
import { expectLogs } from '../../support/expect-logs.ts'

expectLogs(/a shard did not answer.*Error: overloaded/)

const SSE = '/_rig/v1/connection/sse'
const APP = 'https://app.example'
const STREAM = { accept: 'text/event-stream' }

function call(
  path: string,
  headers: Readonly<Record<string, string>> = {},
  variables: Readonly<Record<string, unknown>> = {},
  method = 'GET',
): Promise<Response> {
  const request = new Request(`https://rigel.example${path}`, { headers, method })
  return Promise.resolve(handle(request, { ...env, ...variables }, createExecutionContext()))
}

const overLimit = { CONNECTION_RATE_LIMIT: { limit: async () => ({ success: false }) } }
const fromAddress = { 'cf-connecting-ip': '192.0.2.1' }
const brokenShard = {
  USER_SHARD: { idFromName: () => '', getByName: () => ({ fetch: () => Promise.reject(new Error('overloaded')) }) },
}

describe('a temporary refusal', () => {
  it.each([
    ['too many connections from an address', overLimit, 4002],
    ['a shard that does not answer', brokenShard, 4003],
  ])('is a stream that says when to reconnect: %s', async (_, variables, code) => {
    const response = await call(SSE, { ...STREAM, ...fromAddress }, variables)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8'])
    const [retry, frame, ...rest] = (await response.text()).split('\n\n')
    expect(rest).toEqual([''])
    const retryMs = Number(/^retry: (\d+)$/.exec(retry ?? '')?.[1])
    expect(retryMs).toBeGreaterThanOrEqual(2_000)
    expect(retryMs).toBeLessThan(6_000)
    const [event, data] = (frame ?? '').split('\n')
    expect(event).toBe('event: rig.connection.close')
    expect(JSON.parse((data ?? '').slice('data: '.length))).toMatchObject({ source: 'rig', data: { code } })
    expect(response.headers.get('vary')).toBe('Origin, Accept')
    expect(Number(response.headers.get('retry-after'))).toBe(Math.ceil(retryMs / 1_000))
  })

  it('is a stream when the shard refuses, by the limit of a user', async () => {
    const variables = { MAX_CONNECTIONS_PER_MINUTE: '1' }
    const response = await call(`${SSE}?jwt=${await tokenOf(crypto.randomUUID())}`, STREAM, {
      ...variables,
      USER_SHARD: { idFromName: () => '', getByName: () => ({ fetch: async () => refusedByShard() }) },
    })
    expect(response.status).toBe(200)
    expect(await response.text()).toContain('"code":4002')
  })

  it.each(['*/*', 'text/*', 'text/event-stream;q=0.5', 'application/json, text/event-stream'])(
    'is a stream for Accept: %s',
    async (accept) => {
      expect((await call(SSE, { accept, ...fromAddress }, overLimit)).status).toBe(200)
    },
  )

  it.each([undefined, 'application/json', 'text/event-stream;q=0', 'text/plain'])(
    'keeps its status for Accept: %s',
    async (accept) => {
      const headers = accept === undefined ? fromAddress : { accept, ...fromAddress }
      const response = await call(SSE, headers, overLimit)
      expect([response.status, response.headers.get('retry-after')]).toEqual([429, '2'])
    },
  )

  it('has an unnamed event for a client that asked for unnamed events', async () => {
    const text = await (await call(`${SSE}?name=message`, { ...STREAM, ...fromAddress }, overLimit)).text()
    expect(text).not.toContain('event:')
    expect(text).toContain('"type":"rig.connection.close"')
  })

  it('is 429 with Retry-After and Vary on long-polling', async () => {
    const response = await call('/_rig/v1/connection/longpolling', { ...STREAM, ...fromAddress }, overLimit)
    expect([response.status, response.headers.get('retry-after'), response.headers.get('vary')]).toEqual([
      429,
      '2',
      'Origin',
    ])
  })
})

function refusedByShard(): Response {
  const error = encodeURIComponent(JSON.stringify({ kind: 'too_many_connections', scope: 'user' }))
  return new Response('', { status: 429, headers: { 'rigel-error': error } })
}

describe('a permanent refusal', () => {
  it('keeps its status, also for a client that asks for a stream', async () => {
    const response = await call(`${SSE}?jwt=x`, STREAM)
    expect([response.status, response.headers.get('www-authenticate'), response.headers.get('vary')]).toEqual([
      401,
      'Bearer realm="rigel", error="invalid_token"',
      'Origin, Accept',
    ])
    expect(await response.text()).toBe('could not parse subscriptions: could not decode JWT: Could not verify token')
  })
})

describe('another origin', () => {
  it.each(['authorization', 'last-event-id', 'cache-control'])('may send %s: the preflight allows it', async (name) => {
    const asked = { origin: APP, 'access-control-request-method': 'GET', 'access-control-request-headers': name }
    const response = await call(SSE, asked, {}, 'OPTIONS')
    expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([204, '*'])
    expect(response.headers.get('access-control-allow-headers')?.split(',')).toContain(name)
  })

  it.each([
    [SSE, 'GET'],
    ['/_rig/v1/connection/ndjson', 'GET'],
    ['/_rig/v1/connection/longpolling', 'GET'],
    ['/_rig/v1/history', 'GET'],
    ['/_rig/v1/events', 'POST'],
    [`${SSE}/0.abc/subscriptions`, 'PUT'],
    [`${SSE}/0.abc/token`, 'PUT'],
    [`${SSE}/0.abc/passed`, 'PUT'],
    [`${SSE}/0.abc/metadata`, 'PUT'],
  ])('may send credentials to %s if CORS lists it, also with what is refused', async (path, method) => {
    for (const one of [method, 'OPTIONS']) {
      const response = await call(path, { origin: APP, 'content-type': 'application/json' }, { CORS: APP }, one)
      expect([
        response.headers.get('access-control-allow-origin'),
        response.headers.get('access-control-allow-credentials'),
      ]).toEqual([APP, 'true'])
      await response.body?.cancel()
    }
  })

  it('may not send credentials where CORS is "*"', async () => {
    const response = await call(SSE, { origin: APP })
    expect(response.headers.get('access-control-allow-credentials')).toBeNull()
    await response.body?.cancel()
  })
})

describe('proxies on the way', () => {
  it('are told not to buffer and not to compress the stream', async () => {
    const response = await call(SSE)
    expect([response.headers.get('x-accel-buffering'), response.headers.get('cache-control')]).toEqual([
      'no',
      'no-cache, no-transform',
    ])
    await response.body?.cancel()
  })
})

describe('the position', () => {
  const opened = async (query: string, headers: Readonly<Record<string, string>> = {}) => {
    const client = new SseClient(await call(`${SSE}${query}`, headers))
    const [created] = await client.until(1, 'rig.connection.create')
    await client.close()
    const { recovered } = (created?.data['data'] ?? {}) as { recovered?: boolean }
    return { recovered, lastEventId: client.lastEventId }
  }

  it.each(['last_event_id', 'lastEventId', 'Last-Event-ID'])('is read from the parameter %s', async (name) => {
    const { lastEventId } = await opened('')
    expect(await opened(`?${name}=${lastEventId}`)).toMatchObject({ recovered: true })
  })

  it('is read from the header before a parameter', async () => {
    const { lastEventId } = await opened('')
    expect(await opened('?last_event_id=nonsense', { 'last-event-id': lastEventId })).toMatchObject({ recovered: true })
  })

  it('counts as none if it is empty', async () => {
    expect((await opened('?last_event_id=&lastEventId=', { 'last-event-id': '' })).recovered).toBeUndefined()
    const { lastEventId } = await opened('')
    expect(await opened(`?last_event_id=&lastEventId=${lastEventId}`)).toMatchObject({ recovered: true })
  })
})

describe('the token', () => {
  const alice = () => tokenOf('a', { username: 'alice' })
  const subscriptionsOf = async (query: string, headers: Readonly<Record<string, string>> = {}, variables = {}) => {
    const client = new SseClient(await call(`${SSE}${query}`, headers, variables))
    const [set] = await client.until(1, 'rig.subscriptions_set')
    await client.close()
    return JSON.stringify(set?.data['data'])
  }

  it("may be the parameter token, Phoenix's name", async () => {
    expect(await subscriptionsOf(`?token=${await alice()}`)).toContain('alice')
  })

  it('is that of the header, then jwt, then token', async () => {
    const bob = await tokenOf('b', { username: 'bob' })
    expect(await subscriptionsOf(`?jwt=${bob}`, { authorization: `Bearer ${await alice()}` })).toContain('alice')
    expect(await subscriptionsOf(`?token=${bob}&jwt=${await alice()}`)).toContain('alice')
    expect(await subscriptionsOf(`?token=${await alice()}&jwt=`)).toContain('alice')
  })

  it.each(['Bearer', 'Bearer a b', 'eyJhbGciOiJIUzI1NiJ9.e30.x'])(
    'is refused if the header cannot be read: %s',
    async (authorization) => {
      expect((await call(SSE, { authorization })).status).toBe(401)
    },
  )

  it('is not looked for in other schemes', async () => {
    expect(await subscriptionsOf('', { authorization: 'Basic cmlnZWw6dGVzdA==' })).toBe('[]')
  })

  it('counts in a cookie unless another site caused the request', async () => {
    const cookie = `token=${await alice()}`
    const seen = (headers: Readonly<Record<string, string>>, variables = {}) =>
      subscriptionsOf('', { cookie, ...headers }, { JWT_COOKIE: 'token', ...variables })
    expect(await seen({ 'sec-fetch-site': 'same-origin' })).toContain('alice')
    expect(await seen({ 'sec-fetch-site': 'cross-site', origin: APP }, { CORS: APP })).toContain('alice')
    expect(await seen({ 'sec-fetch-site': 'cross-site' })).toBe('[]')
    expect(await seen({ 'sec-fetch-site': 'cross-site', origin: APP })).toBe('[]')
  })

  it('ends with 401 when it has expired', async () => {
    expect((await call(`${SSE}?jwt=${await sign({ sub: 'a', exp: 1 })}`, STREAM)).status).toBe(401)
  })
})
