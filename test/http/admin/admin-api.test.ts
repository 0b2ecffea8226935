import { env, exports } from 'cloudflare:workers'
import { createExecutionContext, evictDurableObject, runInDurableObject, waitOnExecutionContext } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../src/config/parse-config.ts'
import { handle } from '../../../src/http/app.ts'
import { createKafkaLog } from '../../../src/kafka/create-kafka-log.ts'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import type { RigelApi } from '../../../src/http/admin/rigel-api.ts'
import { sessionRegistryStub } from '../../../src/rpc/session-registry.ts'
import { expectLogs } from '../../support/expect-logs.ts'
import { fetchRigel } from '../../support/gateway-client.ts'
import { PhoenixClient } from '../../support/phoenix-client.ts'
import { SseClient, WsClient } from '../../support/shard-clients.ts'
import { tokenOf } from '../../support/make-tokens.ts'
import { eventually } from '../../support/eventually.ts'

const API = '/_rig/api'
const AUTHORIZATION = { authorization: 'Bearer an-internal-token-of-the-tests' }
const SHARDS = 3
/** Figures are reported each second in tests. */
const WITHIN = { interval: 100 }

const call = (path: string, init: RequestInit = {}) =>
  fetchRigel(`${API}${path}`, { ...init, headers: { ...AUTHORIZATION, ...(init.headers as Record<string, string>) } })
const post = (path: string, body: unknown, type = 'application/json') =>
  call(path, { method: 'POST', headers: { 'content-type': type }, body: JSON.stringify(body) })
const name = () => crypto.randomUUID()

interface Listed {
  readonly transport: string
  readonly user: string
  readonly sessions: readonly string[]
  readonly connectionToken: string
}

async function sse(token: string): Promise<SseClient> {
  return new SseClient(await fetchRigel(`/_rig/v1/connection/sse?jwt=${token}`))
}

async function ws(token: string): Promise<WsClient> {
  const headers = { upgrade: 'websocket' }
  const client = new WsClient(await fetchRigel(`/_rig/v1/connection/ws?jwt=${token}`, { headers }))
  return client.until(({ received, closed }) => received.length >= 2 || closed !== undefined)
}

describe('the internal API', () => {
  it.each([
    [undefined, 401],
    ['Bearer wrong', 401],
    ['Basic cmlnZWw6dGVzdA==', 400],
    ['Bearer ', 400],
  ])('is closed to %j', async (authorization, status) => {
    const headers: HeadersInit = authorization === undefined ? {} : { authorization }
    expect((await fetchRigel(`${API}/v3/users`, { headers })).status).toBe(status)
  })

  it('is open to the new and to the old token while they are rotated, and to no other', async () => {
    const variables = { INTERNAL_TOKEN: 'the-new-token-of-the-tests, the-old-token-of-the-tests' }
    const statuses = ['the-new-token-of-the-tests', 'the-old-token-of-the-tests', 'the-other-token-of-tests'].map(
      async (token) => {
        const headers = { authorization: `Bearer ${token}` }
        const request = new Request(`https://rigel.test${API}/v3/users`, { headers })
        return (await handle(request, { ...env, ...variables }, createExecutionContext())).status
      },
    )
    expect(await Promise.all(statuses)).toEqual([200, 200, 401])
  })

  it('is closed to everybody where no token is set', async () => {
    const request = new Request(`https://rigel.test${API}/v3/users`, { headers: AUTHORIZATION })
    const response = await handle(request, { ...env, INTERNAL_TOKEN: '' } as Env, createExecutionContext())
    expect(response.status).toBe(403)
  })

  it('describes itself', async () => {
    const document: { openapi: string; paths: object } = await (await fetchRigel(`${API}/openapi.json`)).json()
    expect(document.openapi).toBe('3.1.0')
    expect(Object.keys(document.paths)).toContain('/v3/session-blacklist')
    expect(JSON.stringify(document)).not.toContain('undefined')
  })

  it('describes the endpoints of clients, all of which are there', async () => {
    const document: { paths: Record<string, object> } = await (await fetchRigel(`${API}/openapi.json`)).json()
    const described = Object.entries(document.paths).filter(([path]) => path.startsWith('/_rig/'))
    const answers = described.flatMap(([path, item]) =>
      Object.keys(item)
        .filter((key) => key === 'get' || key === 'put' || key === 'post')
        .map(async (method) => {
          const url = path.replace('{transport}', 'ws').replace('{token}', 'none')
          // Neither a subscription nor an event: nothing is opened, and nothing published.
          const init = method === 'get' ? {} : { method: method.toUpperCase(), body: '{}' }
          const response = await fetchRigel(`${url}?subscriptions=none`, init)
          await response.body?.cancel()
          return `${method} ${path} ${response.status}`
        }),
    )
    expect(await Promise.all(answers)).toEqual([
      'get /_rig/v1/connection/sse 400',
      'get /_rig/v1/connection/ndjson 400',
      'get /_rig/v1/connection/ws 426',
      'get /_rig/v1/connection/longpolling 400',
      'put /_rig/v1/connection/{transport}/{token}/subscriptions 400',
      'put /_rig/v1/connection/{transport}/{token}/metadata 400',
      'put /_rig/v1/connection/{transport}/{token}/passed 400',
      'put /_rig/v1/connection/{transport}/{token}/token 400',
      'get /_rig/v1/history 400',
      'post /_rig/v1/events 400',
      'get /_rig/health 200',
    ])
  })

  it('answers 404 to what is not there, and OK of its health', async () => {
    expect((await call('/v3/nothing')).status).toBe(404)
    expect(await (await call('/health')).text()).toBe('OK')
  })
})

describe('POST session-blacklist', () => {
  it('closes the connections of the session on every transport, tells why, and refuses its token', async () => {
    const [user, session] = [name(), name()]
    const token = await tokenOf(user, { jti: session })
    const [stream, socket, phoenix] = [await sse(token), await ws(token), await PhoenixClient.open(token)]
    const other = await ws(await tokenOf(user, { jti: name() }))
    const revoked = await post('/v3/session-blacklist', { sessionId: session, validityInSeconds: 60 })
    expect(revoked.status).toBe(201)
    expect(await revoked.json()).toEqual({})
    expect(revoked.headers.get('location')).toBe(`${API}/v3/session-blacklist/${session}`)
    const frames = await stream.rest()
    expect(frames.slice(-2).map(({ event }) => event)).toEqual(['rig.session_killed', 'rig.connection.close'])
    await socket.until(({ closed }) => closed !== undefined)
    expect(socket.closed).toEqual({ code: 4501, reason: 'Session killed.' })
    expect((await phoenix.untilClosed()).code).toBe(4501)
    expect(other.closed).toBeUndefined()
    const refused = await fetchRigel(`/_rig/v1/connection/sse?jwt=${token}`)
    expect(refused.status).toBe(401)
    expect(await refused.text()).toBe(
      `could not parse subscriptions: could not decode JWT: Ignoring blacklisted JWT with ID "${session}"`,
    )
    const late = await ws(token)
    expect(late.closed?.code).toBe(4501)
  })

  it('is known by GET, also after the registry slept, until it has expired', async () => {
    const session = name()
    expect((await call(`/v3/session-blacklist/${session}`)).status).toBe(404)
    await post('/v2/session-blacklist', { sessionId: session, validityInSeconds: '60' })
    await evictDurableObject(sessionRegistryStub(env, session))
    expect(await (await call(`/v2/session-blacklist/${session}`)).json()).toEqual({})
    await runInDurableObject(sessionRegistryStub(env, session), (_registry, { storage }) => {
      storage.sql.exec('UPDATE revoked SET expires_ms = 1')
    })
    const gone = await call(`/v3/session-blacklist/${session}`)
    expect([gone.status, await gone.text()]).toEqual([404, 'Not found.'])
  })

  it('refuses a connection at the shard, even if the edge did not know yet', async () => {
    const [user, session] = [name(), name()]
    const shard = env.USER_SHARD.getByName(`shard-${shardOf(user, SHARDS)}`)
    await shard.answer({ kind: 'revoke_session', session, expiresMs: Date.now() + 60_000 }, [], 1)
    expect((await ws(await tokenOf(user, { jti: session }))).closed?.code).toBe(4501)
  })

  it('closes a connection that only used a token of the session to subscribe', async () => {
    const [user, session] = [name(), name()]
    const client = await ws(await tokenOf(user))
    const [created] = client.ofType('rig.connection.create')
    const { connection_token: connectionToken } = (created?.event['data'] ?? {}) as { connection_token?: string }
    const put = await fetchRigel(`/_rig/v1/connection/ws/${connectionToken}/subscriptions`, {
      method: 'PUT',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${await tokenOf(user, { jti: session })}`,
      },
      body: '{"subscriptions":[]}',
    })
    expect(put.status).toBe(204)
    await post('/v3/session-blacklist', { sessionId: session, validityInSeconds: 60 })
    await client.until(({ closed }) => closed !== undefined)
    expect(client.closed?.code).toBe(4501)
  })

  it.each([
    [{ validityInSeconds: 1 }, 'Missing value for "sessionId"'],
    [{ sessionId: '', validityInSeconds: 1 }, 'Expected non-empty string, got ""'],
    [{ sessionId: 7, validityInSeconds: 1 }, 'Expected non-empty string, got 7'],
    [
      { sessionId: 'a\ud800', validityInSeconds: 1 },
      'Expected non-empty string, without half a surrogate pair, got "a\\ud800"',
    ],
    [{ sessionId: 'a' }, 'Missing value for "validityInSeconds"'],
    [{ sessionId: 'a', validityInSeconds: 'soon' }, 'Expected a number, got "soon"'],
    [{ sessionId: 'a', validityInSeconds: -1 }, 'Expected a positive number, got -1'],
    ['text', 'Expected a JSON object.'],
    [null, 'Expected a JSON object.'],
  ])('%j is refused: %s', async (body, message) => {
    const response = await post('/v3/session-blacklist', body)
    expect([response.status, await response.text()]).toEqual([400, message])
  })
})

describe('who is connected', () => {
  it('is told by user and by session, and can be closed', async () => {
    const [user, session] = [name(), name()]
    const [first, second] = [await ws(await tokenOf(user, { jti: session })), await ws(await tokenOf(user))]
    const { connections }: { connections: Listed[] } = await (await call(`/v3/connections?user=${user}`)).json()
    expect(connections.map(({ transport, user: of }) => [transport, of])).toEqual([
      ['ws', user],
      ['ws', user],
    ])
    const { users }: { users: Record<string, number> } = await (await call('/v3/users')).json()
    expect(users[user]).toBe(2)
    expect(await (await call(`/v3/connections?session=${session}`, { method: 'DELETE' })).json()).toEqual({ closed: 1 })
    await first.until(({ closed }) => closed !== undefined)
    expect(first.closed?.code).toBe(4507)
    const token = connections.find(({ sessions }) => !sessions.includes(session))?.connectionToken ?? ''
    expect((await call(`/v3/connections/${token}`, { method: 'DELETE' })).status).toBe(200)
    await second.until(({ closed }) => closed !== undefined)
    expect((await call(`/v3/connections/${token}`, { method: 'DELETE' })).status).toBe(410)
    expect((await call('/v3/connections', { method: 'DELETE' })).status).toBe(400)
    expect((await call('/v3/connections/garbage', { method: 'DELETE' })).status).toBe(410)
    expect((await call('/v3/connections?field=app', { method: 'DELETE' })).status).toBe(400)
    expect((await call('/v3/connections?limit=no')).status).toBe(400)
    expect((await call('/v3/connections?after=no')).status).toBe(400)
  })

  it('is listed by pages and counted, whichever shard it is at', async () => {
    const prefix = name()
    const names = Array.from({ length: 9 }, (_, index) => `${prefix}-${index}`)
    for (const user of [...names, names[4] ?? '']) await ws(await tokenOf(user))
    const seen = new Map<string, number>()
    let next: string | null = ''
    while (next !== null) {
      const after: string = next === '' ? '' : `&after=${encodeURIComponent(next)}`
      const page: { users: Record<string, number>; next: string | null } = await (
        await call(`/v3/users?limit=2${after}`)
      ).json()
      expect(Object.keys(page.users).length).toBeLessThanOrEqual(2)
      for (const [user, count] of Object.entries(page.users)) {
        expect(seen.has(user)).toBe(false)
        seen.set(user, count)
      }
      next = page.next
    }
    expect(names.map((user) => seen.get(user))).toEqual([1, 1, 1, 1, 2, 1, 1, 1, 1])
    const counted: object = await (await call(`/v3/connections/count?user=${names[4]}`)).json()
    const topUsers = [{ user: names[4], connections: 2 }]
    expect(counted).toEqual({ connections: 2, users: 1, byTransport: { ws: 2 }, topUsers })
    const all: { connections: number; users: number } = await (await call('/v3/connections/count')).json()
    expect(all.connections).toBeGreaterThanOrEqual(10)
    expect(all.users).toBe(seen.size)
  })
})

it('all given filters of connections hold at once, for listing and for closing', async () => {
  const [user, one, other] = [name(), name(), name()]
  const [first, second] = [await ws(await tokenOf(user, { jti: one })), await ws(await tokenOf(user, { jti: other }))]
  const listed = async (query: string) => {
    const { connections } = await (await call(`/v3/connections?${query}`)).json<{ connections: object[] }>()
    return connections.length
  }
  expect(await listed(`user=${user}&session=${one}`)).toBe(1)
  expect(await listed(`user=${user}&field=device&value=phone`)).toBe(0)
  const path = `/v3/connections?user=${user}&session=${one}`
  expect(await (await call(path, { method: 'DELETE' })).json()).toEqual({ closed: 1 })
  await first.until(({ closed }) => closed !== undefined)
  expect([await listed(`user=${user}`), second.closed]).toEqual([1, undefined])
})

it('connections are found by what their clients say of them, if it is indexed', async () => {
  const device = name()
  const client = await ws(await tokenOf(name()))
  const [created] = client.ofType('rig.connection.create')
  const { connection_token: token } = (created?.event['data'] ?? {}) as { connection_token?: string }
  const put = (body: unknown, headers: HeadersInit = {}) =>
    fetchRigel(`/_rig/v1/connection/ws/${token}/metadata`, { method: 'PUT', headers, body: JSON.stringify(body) })
  expect((await put({ metadata: { device, app: 7 } })).status).toBe(204)
  expect((await client.untilType('rig.metadata_set', 1))[0]?.event['data']).toEqual({ device, app: 7 })
  const found: { connections: { metadata: object }[] } = await (
    await call(`/v3/connections?field=device&value=${device}`)
  ).json()
  expect(found.connections.map(({ metadata }) => metadata)).toEqual([{ device, app: 7 }])
  const notIndexed = await call('/v3/connections?field=app&value=7')
  expect([notIndexed.status, await notIndexed.text()]).toEqual([
    400,
    '"app" is not indexed: METADATA_INDEXES names device',
  ])
  for (const wrong of [{}, { metadata: [] }, { metadata: { a: {} } }, { metadata: { a: 'x'.repeat(5_000) } }]) {
    expect((await put(wrong)).status).toBe(400)
  }
  const other = { authorization: `Bearer ${await tokenOf('somebody else')}` }
  expect((await put({ metadata: {} }, other)).status).toBe(403)
})

it('closes only connections for which user, session and metadata all hold', async () => {
  const [user, session] = [name(), name()]
  const kept = [
    await ws(await tokenOf(user, { jti: name() })),
    await ws(await tokenOf(name(), { jti: session })),
    await ws(await tokenOf(user, { jti: session })),
  ]
  const closed = await ws(await tokenOf(user, { jti: session }))
  const [created] = closed.ofType('rig.connection.create')
  const { connection_token: token } = (created?.event['data'] ?? {}) as { connection_token?: string }
  await fetchRigel(`/_rig/v1/connection/ws/${token}/metadata`, { method: 'PUT', body: '{"metadata":{"device":"one"}}' })
  const query = `?user=${user}&session=${session}&field=device&value=one`
  expect(await (await call(`/v3/connections${query}`)).json()).toMatchObject({ connections: [{ user }] })
  expect(await (await call(`/v3/connections${query}`, { method: 'DELETE' })).json()).toEqual({ closed: 1 })
  await closed.until((client) => client.closed !== undefined)
  expect(kept.map((client) => client.closed)).toEqual([undefined, undefined, undefined])
})

it('POST messages publishes without a check, and metrics tell of it', async () => {
  const event = { specversion: '1.0', id: 'm1', source: '/test', type: 'internal' }
  const response = await post('/v3/messages', event, 'application/cloudevents+json')
  expect(response.status).toBe(202)
  const metrics = async () => (await call('/metrics')).text()
  expect(await metrics()).toContain('rigel_shards 3')
  const { partition } = await response.json<{ partition: number }>()
  await eventually(async () => {
    const text = await metrics()
    expect(text).toMatch(new RegExp(`rigel_follower_lag\\{topic="rig",partition="${partition}"\\} 0`))
    expect(text).toMatch(/rig_produced_events_total\{target="kafka",topic="rig"\} \d+/)
    expect(text).toMatch(/rigel_produce_to_receive_seconds_count\{topic="rig"\} \d+/)
    expect(text).toMatch(new RegExp(`rigel_report_age_seconds\\{source="rig/${partition}"\\} \\d`))
  }, WITHIN)
})

it('a service binding has the same verbs, typed', async () => {
  // The types of `exports` do not reach through promises of read-only lists.
  const api = exports.RigelApi as unknown as Pick<
    RigelApi,
    'publish' | 'closeConnections' | 'connections' | 'revokeSession' | 'isSessionRevoked'
  >
  const published = await api.publish({ specversion: '1.0', id: 'b1', source: '/test', type: 'bound' })
  expect(published).toMatchObject({ ok: true, places: [{ topic: 'rig' }] })
  expect(await api.publish({ id: 'b2' })).toMatchObject({ ok: false, status: 400 })
  const session = name()
  const client = await ws(await tokenOf(name(), { jti: session }))
  expect((await api.connections({ session })).connections).toHaveLength(1)
  expect(await api.revokeSession(session, 60)).toBe(1)
  expect(await api.isSessionRevoked(session)).toBe(true)
  await client.until(({ closed }) => closed !== undefined)
})

it('a service binding closes connections by metadata', async () => {
  const api = exports.RigelApi as unknown as Pick<RigelApi, 'closeConnections'>
  const device = name()
  const client = await ws(await tokenOf(name()))
  const [created] = client.ofType('rig.connection.create')
  const { connection_token: token } = (created?.event['data'] ?? {}) as { connection_token?: string }
  const metadata = JSON.stringify({ metadata: { device } })
  await fetchRigel(`/_rig/v1/connection/ws/${token}/metadata`, { method: 'PUT', body: metadata })
  expect(await api.closeConnections({ metadata: { field: 'device', value: device } })).toBe(1)
  await client.until(({ closed }) => closed !== undefined)
})

describe('erasing a user', () => {
  it('closes connections, revokes sessions, and empties the log of what is for the user only', async () => {
    const [user, session] = [name(), name()]
    const token = await tokenOf(user, { jti: session })
    const first = await ws(token)
    const post3 = (recipients: readonly string[]) =>
      post('/v3/messages', { specversion: '1.0', id: name(), source: '/test', type: 'secret', data: { recipients } })
    expect((await post3([user])).status).toBe(202)
    await first.until(({ received }) => received.length >= 3)
    const answer = await call(`/v1/users/${user}?revoke_seconds=60`, { method: 'DELETE' })
    const erased: { closed: number; revoked: number; erased: number; shared: number; remaining: { where: string }[] } =
      await answer.json()
    expect(erased).toMatchObject({ user, closed: 1, revoked: 1, erased: 1, shared: 0 })
    expect(erased.remaining.map(({ where }) => where)).toContain('topic rig')
    await first.until(({ closed }) => closed !== undefined)
    expect((await fetchRigel(`/_rig/v1/connection/sse?jwt=${token}`)).status).toBe(401)
    const again: object = await (await call(`/v1/users/${user}`, { method: 'DELETE' })).json()
    expect(again).toMatchObject({ closed: 0, revoked: 0, erased: 0, shared: 0 })
  })

  it('refuses a time that is none', async () => {
    const response = await call('/v1/users/alice?revoke_seconds=no', { method: 'DELETE' })
    expect([response.status, await response.text()]).toEqual([
      400,
      'revoke_seconds: must be a whole number from 1 to 31536000',
    ])
  })
})

it('what is done is written to the audit log, on the console or in a topic', async () => {
  expectLogs(/audit: DELETE/)
  const session = name()
  const context = createExecutionContext()
  const request = new Request(`https://rigel.test${API}/v3/connections?session=${session}`, {
    method: 'DELETE',
    headers: { ...AUTHORIZATION, 'cf-connecting-ip': '192.0.2.1' },
  })
  const topic = `audit-${session}`
  const variables = { AUDIT_LOG: 'console,kafka', AUDIT_LOG_TOPIC: topic }
  expect((await handle(request, { ...env, ...variables }, context)).status).toBe(200)
  await waitOnExecutionContext(context)
  const config = parseConfig(env)
  if (!config.ok) throw new Error(config.reason.join())
  const log = createKafkaLog(env, config.value)
  const entries: unknown[] = []
  for (const partition of await log.partitions(topic)) {
    const fetched = await log.fetch({ topic, partition, offset: 0 }, { maxWaitMs: 0, maxBytes: 10_000 })
    if (fetched.kind === 'records')
      entries.push(
        ...fetched.records.map(({ value }) => JSON.parse(new TextDecoder().decode(value ?? new Uint8Array()))),
      )
  }
  expect(entries).toEqual([
    expect.objectContaining({
      type: 'com.rigel.audit',
      data: {
        action: 'DELETE /v3/connections',
        target: { session },
        by: expect.stringMatching(/^token [\da-f]{8}$/),
        address: '192.0.2.1',
        status: 200,
      },
    }),
  ])
})
