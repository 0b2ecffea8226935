// SUBSCRIPTION_CHECK and SUBMISSION_CHECK as the URL of a service, through the Worker.
import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, it, vi } from 'vitest'
import { handle } from '../../src/http/app.ts'
import { SseClient } from '../support/shard-clients.ts'
import { tokenOf } from '../support/make-tokens.ts'
import { expectLogs } from '../support/expect-logs.ts'

expectLogs(/pushed, but no events: dead letters/, /pushed again, and stored before/)

const checked = {
  ...env,
  SUBSCRIPTION_CHECK: 'https://check.test/Sub',
  SUBMISSION_CHECK: 'https://check.test/Event',
} as Env
const SUBSCRIPTIONS = [{ eventType: 'checked', oneOf: [] }]

interface Asked {
  readonly url: string
  readonly authorization: string | null
  readonly body: string
}

/** The service lets opaque tokens through, and nothing else. */
function stubService(): Asked[] {
  const asked: Asked[] = []
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    const authorization = new Headers(init.headers).get('authorization')
    asked.push({ url, authorization, body: typeof init.body === 'string' ? init.body : '' })
    return new Response(null, { status: authorization?.endsWith('opaque') ? 204 : 403 })
  })
  return asked
}

afterEach(() => vi.unstubAllGlobals())

const call = (path: string, init: RequestInit = {}) =>
  Promise.resolve(handle(new Request(`https://rigel.test${path}`, init), checked, createExecutionContext()))
const connect = (token: string) =>
  call(`/_rig/v1/connection/sse?jwt=${token}&subscriptions=${encodeURIComponent(JSON.stringify(SUBSCRIPTIONS))}`)

it('a connection with subscriptions is opened if the service says so, with a token that only it knows', async () => {
  const asked = stubService()
  const opened = await connect('opaque')
  expect(opened.status).toBe(200)
  expect(asked).toEqual([
    {
      url: 'https://check.test/Sub',
      authorization: 'Bearer opaque',
      body: JSON.stringify({ subscriptions: SUBSCRIPTIONS }),
    },
  ])
  const client = new SseClient(opened)
  const [created] = await client.until(2)
  const { connection_token: token = '' } = (created?.data['data'] ?? {}) as { connection_token?: string }
  const put = (authorization: string) =>
    call(`/_rig/v1/connection/sse/${token}/subscriptions`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', authorization },
      body: '{ "subscriptions": [] }',
    })
  expect((await put('Bearer opaque')).status).toBe(204)
  expect(asked.at(-1)).toMatchObject({ authorization: 'Bearer opaque', body: '{"subscriptions":[]}' })
  expect((await put('Bearer wrong')).status).toBe(403)
  await client.close()
})

it('a connection is refused if the service says no, whether or not Rigel can verify the token', async () => {
  stubService()
  const refused = await connect(await tokenOf('alice'))
  expect([refused.status, await refused.text()]).toEqual([400, 'Subscription denied (not authorized).'])
})

it('an event is published if the service says so, and it sees the event', async () => {
  const asked = stubService()
  const post = (authorization: string) =>
    call('/_rig/v1/events', {
      method: 'POST',
      headers: { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't', authorization },
    })
  expect((await post('Bearer opaque')).status).toBe(202)
  expect(JSON.parse(asked[0]?.body ?? '')).toEqual({ specversion: '1.0', id: '1', source: '/s', type: 't' })
  const refused = await post('Bearer other')
  expect([refused.status, await refused.text()]).toEqual([403, 'Submission denied.'])
})

it('the service is asked about what is published: one value of a member that occurs twice, one meaning of each name', async () => {
  const asked = stubService()
  const post = (body: string, path = '/_rig/v1/events') =>
    call(path, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json', authorization: 'Bearer opaque' },
      body,
    })
  const twice = '{"specversion":"1.0","id":"1","source":"/s","type":"harmless","type":"t"}'
  const once = '{"specversion":"1.0","id":"1","source":"/s","type":"t"}'
  expect([(await post(twice)).status, asked.at(-1)?.body]).toEqual([202, once])
  expect((await post(twice, '/_rig/v1/events?connector=twice')).status).toBe(202)
  expect(asked.at(-1)?.body).toBe(once)
  const twoNames = '{"cloudEventsVersion":"0.1","eventID":"1","eventType":"t","type":"harmless"}'
  expect((await post(twoNames)).status).toBe(400)
  expect(asked).toHaveLength(2)
})

it('a push is stored if the service says so, and it sees its events; also a push without any event is checked', async () => {
  const asked = stubService()
  const event = { specversion: '1.0', id: '1', source: '/s', type: 't' }
  const push = (authorization: string, body: unknown) =>
    call('/_rig/v1/events?connector=checked', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization },
      body: JSON.stringify(body),
    })
  for (const body of [[event, 'no event'], event, 'no event']) {
    expect((await push('Bearer opaque', body)).status).toBe(202)
    expect((await push('Bearer other', body)).status).toBe(403)
  }
  const seen = [[event], [event], event, event, [], []]
  expect(asked.map(({ body }) => JSON.parse(body) as unknown)).toEqual(seen)
})
