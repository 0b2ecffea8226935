// What RIG does, line by line of its description, through the Worker. README.md in this folder ties each case to its
// section; a case that is not in that table fails. Where Rigel differs on purpose, docs/migrating-from-rig.md says why.
import { expect, it } from 'vitest'
import { fetchRigel, publish } from '../support/gateway-client.ts'
import { SseClient, WsClient } from '../support/shard-clients.ts'
import { sign, tokenOf } from '../support/make-tokens.ts'
import table from './README.md?raw'

const EVENTS = '/_rig/v1/events'
const SSE = '/_rig/v1/connection/sse'
const LONGPOLLING = '/_rig/v1/connection/longpolling'
const INTERNAL = { authorization: 'Bearer an-internal-token-of-the-tests' }

/** One case; it has to stand in the table. */
function rig(section: string, name: string, run: () => Promise<void>): void {
  it(`${section}: ${name}`, async () => {
    expect(table).toContain(`| ${section} | ${name} |`)
    await run()
  })
}

async function answers(path: string, init: RequestInit, status: number, body?: string | RegExp): Promise<Response> {
  const response = await fetchRigel(path, init)
  const text = await response.clone().text()
  expect([response.status, text]).toEqual([status, body === undefined ? text : expect.stringMatching(body)])
  return response
}

const post = (body: unknown, headers: Record<string, string>): RequestInit => ({
  method: 'POST',
  headers,
  body: typeof body === 'string' ? body : JSON.stringify(body),
})
const structured = { 'content-type': 'application/cloudevents+json' }
const event02 = { specversion: '0.2', id: '1', type: 'com.rig.test' }

async function connect(query = ''): Promise<{ client: SseClient; token: string }> {
  const client = new SseClient(await fetchRigel(`${SSE}${query}`))
  const [created] = await client.until(2)
  const { connection_token: token = '' } = (created?.data['data'] ?? {}) as { connection_token?: string }
  return { client, token }
}

const put = (token: string, body: unknown, headers: Record<string, string> = {}): RequestInit & { path: string } => ({
  path: `/_rig/v1/connection/sse/${token}/subscriptions`,
  method: 'PUT',
  headers: { 'content-type': 'application/json', ...headers },
  body: typeof body === 'string' ? body : JSON.stringify(body),
})

rig('1.1', 'GET /_rig/health answers 200 text OK', async () => {
  const response = await answers('/_rig/health', {}, 200, /^OK$/)
  expect(response.headers.get('content-type')).toContain('text/plain')
})
rig('1.1', 'what nobody serves is 404 with {"message":"Not Found"}', async () => {
  await answers('/nobody/here', {}, 404, /^\{"message":"Not Found"\}$/)
})
rig('1.1', 'SSE answers as an event stream, not cached, with CORS', async () => {
  const { client } = await connect()
  expect(Object.fromEntries(client.response.headers)).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'access-control-allow-origin': '*',
  })
  await client.close()
})
rig('1.1', 'SSE refuses subscriptions that are no JSON, no list, or no subscriptions', async () => {
  const at = (text: string) => `${SSE}?subscriptions=${encodeURIComponent(text)}`
  await answers(at('{'), {}, 400, /^Failed to decode subscription list: /)
  await answers(at('{}'), {}, 400, /subscriptions is expected to be a JSON encoded list when parsing JSON: \{\}/)
  await answers(
    at('[{}]'),
    {},
    400,
    /^could not parse subscriptions: could not parse subscription from JSON: invalid subscription: event-type not found when parsing \{\}/,
  )
})
rig('1.1', 'SSE refuses a token that is malformed, foreign or expired', async () => {
  await answers(`${SSE}?jwt=x`, {}, 401, /^could not parse subscriptions: could not decode JWT: Could not verify token/)
  const foreign = `${(await tokenOf('a')).slice(0, -4)}AAAA`
  await answers(`${SSE}?jwt=${foreign}`, {}, 401, /could not decode JWT: Invalid signature$/)
  await answers(`${SSE}?jwt=${await tokenOf('a', { exp: 1 })}`, {}, 401, /could not decode JWT: token expired$/)
})
rig('1.1', 'a WebSocket gets the create event, then the subscriptions, one JSON text a frame', async () => {
  const client = new WsClient(await fetchRigel('/_rig/v1/connection/ws', { headers: { upgrade: 'websocket' } }))
  await client.until(({ received }) => received.length >= 2)
  const types = client.received.map((text) => (JSON.parse(text) as { type: string }).type)
  expect(types).toEqual(['rig.connection.create', 'rig.subscriptions_set'])
})
rig('1.1', 'long-polling opens a session with "ok" and two cookies, and polls it', async () => {
  const opened = await answers(LONGPOLLING, {}, 200, /^"ok"$/)
  const cookies = opened.headers.getSetCookie()
  expect(cookies.map((cookie) => cookie.split('=')[0])).toEqual(['connection_token', 'last_event_id'])
  expect(cookies[1]).toContain('last_event_id="first_event"')
  for (const cookie of cookies) expect(cookie).toMatch(/; path=\/; HttpOnly/)
  const cookie = cookies.map((one) => one.split(';')[0]).join('; ')
  const polled = await fetchRigel(LONGPOLLING, { headers: { cookie } })
  const body: { last_event_id: string; events: { type: string }[] } = await polled.json()
  expect(body.events.map(({ type }) => type)).toEqual(['rig.connection.create', 'rig.subscriptions_set'])
  expect(polled.headers.get('access-control-allow-credentials')).toBe('true')
})
rig('1.1', 'PUT subscriptions answers 204, and every failure its status and text', async () => {
  const { client, token } = await connect()
  const check = async ({ path, ...init }: RequestInit & { path: string }, status: number, body?: RegExp) => {
    const response = await answers(path, init, status, body)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
  }
  await check(put(token, { subscriptions: [{ eventType: 'a' }] }), 204)
  await check(put(token, {}, { accept: 'text/html' }), 406)
  await check(
    put(token, {}, { 'content-type': 'text/plain' }),
    400,
    /^Expected JSON encoded body\.\n\nTechnical info:\n/,
  )
  await check(put(token, '{'), 400, /^Expected JSON encoded body\./)
  await check(put(token, { a: 1 }), 400, /^Expected field "subscriptions" is not present\.\n\nDecoded request body:\n/)
  await check(put('garbage', { subscriptions: [] }), 400, /^Invalid connection token\.$/)
  await check(put(`0.${'0'.repeat(32)}`, { subscriptions: [] }), 410, /^Connection no longer exists\.$/)
  await check(
    put(token, { subscriptions: [] }, { authorization: 'Bearer x' }),
    400,
    /^cannot accept subscription request: invalid authorization header: could not decode JWT: /,
  )
  await check(
    put(token, { subscriptions: [{}] }),
    400,
    /^cannot accept subscription request: could not parse given subscriptions: invalid subscription: /,
  )
  await client.close()
})
rig('1.1', 'POST events takes 0.1, 0.2 and binary mode with 202, application/json as structured', async () => {
  await answers(EVENTS, post(event02, structured), 202)
  await answers(EVENTS, post({ cloudEventsVersion: '0.1', eventID: 1, eventType: 't' }, structured), 202)
  await answers(EVENTS, post(event02, { 'content-type': 'application/json' }), 202)
  const binary = { 'ce-specversion': '0.2', 'ce-id': '1', 'ce-type': 't', 'content-type': 'application/json' }
  await answers(EVENTS, post({ a: 1 }, binary), 202)
})
rig('1.1', 'POST events refuses what is no event with 400, and unknown formats with 415', async () => {
  await answers(EVENTS, post({}, structured), 400, /^The request body does not look like a CloudEvent: /)
  await answers(EVENTS, post(event02, { 'content-type': 'application/cloudevents+avro' }), 415)
  await answers(EVENTS, post([event02], { 'content-type': 'application/cloudevents-batch' }), 415)
})
rig('1.1', 'preflights are answered 204 with the methods and headers of the endpoint', async () => {
  const preflight = async (path: string) => (await answers(path, { method: 'OPTIONS' }, 204)).headers
  expect((await preflight(LONGPOLLING)).get('access-control-allow-methods')).toBe('GET')
  const subscriptions = await preflight('/_rig/v1/connection/ws/x/subscriptions')
  expect(subscriptions.get('access-control-allow-methods')).toBe('PUT')
  expect(subscriptions.get('access-control-allow-headers')).toBe('content-type,authorization')
  expect((await preflight(EVENTS)).get('access-control-allow-methods')).toBe('POST')
})
rig('1.2', 'the internal API has health, messages and session-blacklist under /v2 and /v3', async () => {
  await answers('/_rig/api/health', { headers: INTERNAL }, 200, /^OK$/)
  for (const version of ['v2', 'v3']) {
    await answers(`/_rig/api/${version}/messages`, post(event02, { ...structured, ...INTERNAL }), 202)
    const session = { sessionId: `${version}-${crypto.randomUUID()}`, validityInSeconds: 10 }
    const path = `/_rig/api/${version}/session-blacklist`
    await answers(`${path}/${session.sessionId}`, { headers: INTERNAL }, 404, /^Not found\.$/)
    await answers(path, post(session, { 'content-type': 'application/json', ...INTERNAL }), 201, /^\{\}$/)
    await answers(`${path}/${session.sessionId}`, { headers: INTERNAL }, 200, /^\{\}$/)
  }
})
rig('2.1', 'the create event carries the connection token, the set event the subscriptions with oneOf', async () => {
  const { client } = await connect(`?subscriptions=${encodeURIComponent('[{"eventType":"a"}]')}`)
  const [created, set] = client.frames
  expect(created?.data).toMatchObject({ source: 'rig', type: 'rig.connection.create' })
  expect(created?.data['data']).toHaveProperty('connection_token')
  expect(set?.data).toMatchObject({ type: 'rig.subscriptions_set', data: [{ eventType: 'a', oneOf: [] }] })
  await client.close()
})
rig('2.2', 'an SSE frame is named by the event type, and its data is the event as it came', async () => {
  const client = (await connect(`?subscriptions=${encodeURIComponent('[{"eventType":"sse.frame"}]')}`)).client
  await publish({ id: 'f', type: 'sse.frame', unknown: { b: 1, a: 2 } })
  const [frame] = await client.until(1, 'sse.frame')
  expect(frame?.data).toMatchObject({ id: 'f', unknown: { b: 1, a: 2 } })
  await client.close()
})
rig('2.3', 'a plain WebSocket that sends anything is closed, saying that it is one-way', async () => {
  const client = new WsClient(await fetchRigel('/_rig/v1/connection/ws', { headers: { upgrade: 'websocket' } }))
  await client.until(({ received }) => received.length >= 2)
  client.socket.send('hello')
  await client.until(({ closed }) => closed !== undefined)
  expect(client.closed?.reason).toMatch(/^This WebSocket endpoint cannot be used for two-way/)
})
rig('3.1', 'aliases are understood, constraints are any of clauses and all of members', async () => {
  const wanted = [{ event_type: 'greeting', one_of: [{ name: 'alice' }] }]
  const { client } = await connect(`?subscriptions=${encodeURIComponent(JSON.stringify(wanted))}`)
  expect(client.frames[1]?.data['data']).toEqual([{ eventType: 'greeting', oneOf: [{ name: 'alice' }] }])
  await publish({ id: 'g1', type: 'greeting', data: { name: 'bob' }, partitionkey: 'k' })
  await publish({ id: 'g2', type: 'greeting', data: { name: 'alice' }, partitionkey: 'k' })
  expect((await client.until(1, 'greeting')).map(({ data }) => data['id'])).toEqual(['g2'])
  await client.close()
})
rig('3.1', 'a PUT replaces the whole set, inferred subscriptions too', async () => {
  const { client, token } = await connect(`?jwt=${await tokenOf('a', { username: 'alice' })}`)
  expect(client.frames[1]?.data['data']).toEqual([{ eventType: 'greeting', oneOf: [{ name: 'alice' }] }])
  const { path, ...init } = put(token, { subscriptions: [{ eventType: 'other' }] })
  await answers(path, init, 204)
  const sets = await client.until(2, 'rig.subscriptions_set')
  expect(sets[1]?.data['data']).toEqual([{ eventType: 'other', oneOf: [] }])
  await client.close()
})
rig('6', 'a revoked session is told over SSE, closed everywhere, and its token is refused everywhere', async () => {
  const session = crypto.randomUUID()
  const jwt = await tokenOf('a', { jti: session })
  const { client, token } = await connect(`?jwt=${jwt}`)
  const revocation = { sessionId: session, validityInSeconds: 60 }
  await answers(
    '/_rig/api/v3/session-blacklist',
    post(revocation, { ...INTERNAL, 'content-type': 'application/json' }),
    201,
  )
  expect((await client.rest()).map(({ event }) => event)).toContain('rig.session_killed')
  const ignored = `Ignoring blacklisted JWT with ID "${session}"`
  await answers(`${SSE}?jwt=${jwt}`, {}, 401, new RegExp(ignored))
  await answers(`${LONGPOLLING}?jwt=${jwt}`, {}, 401, new RegExp(ignored))
  const { path, ...init } = put(token, { subscriptions: [] }, { authorization: `Bearer ${jwt}` })
  await answers(path, init, 400, new RegExp(ignored))
})
rig('6', 'a token has to have an exp that has not passed, and no session is none', async () => {
  await answers(`${SSE}?jwt=${await sign({ sub: 'a' })}`, {}, 401, /could not decode JWT: /)
  await answers(
    `${SSE}?jwt=${await sign({ sub: 'a', exp: 'soon' as unknown as number })}`,
    {},
    401,
    /could not decode JWT: /,
  )
  const { client } = await connect(`?jwt=${await tokenOf('a', { jti: '' })}`)
  await client.close()
})
