// Rules about publishing (TYPES) on every way by which an event is published: they are for clients, not for backends.
import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { handle } from '../../../../src/http/app.ts'
import { consumeQueue } from '../../../../src/http/queue.ts'
import { connectSse, fetchRigel } from '../../../support/gateway-client.ts'
import { tokenOf } from '../../../support/make-tokens.ts'
import { makeGateway } from '../gateway.ts'

const TYPES = JSON.stringify({
  'said.nobody': { publish: 'nobody' },
  'said.writer': { publish: { role: 'writer' }, max_bytes: 400 },
  'said.often': { max_per_second: 2 },
  'said.checked': { hook: 'https://hook.test/' },
})

const eventOf = (type: string, more: object = {}) => ({ specversion: '1.0', id: '1', source: '/client', type, ...more })

function post(body: unknown, token?: string): RequestInit {
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...authorization },
    body: JSON.stringify(body),
  }
}

/** Routes to topics of each kind, which wrap what is no event as `type`. */
function gatewayWith(type: string, options: object = {}, variables: object = {}) {
  const routes = { 'POST /say': { event_type: type, ...options } }
  return makeGateway([{ id: 'say', target: 'kafka:rig', routes }], { TYPES, ...variables })
}

const refusal = async (response: Response) => [response.status, await response.text()] as const

afterEach(() => vi.unstubAllGlobals())

describe('a request that a route publishes', () => {
  it('may bring an event only of a type that its client may publish', async () => {
    const gateway = gatewayWith('said.free')
    const refused = await refusal(await gateway.fetch('/say', post(eventOf('said.nobody'))))
    expect(refused).toEqual([403, expect.stringContaining('publish said.nobody: allowed: nobody')])
    expect((await gateway.fetch('/say', post(eventOf('said.writer')))).status).toBe(403)
    expect(
      (await gateway.fetch('/say', post(eventOf('said.writer'), await tokenOf('w', { roles: ['reader'] })))).status,
    ).toBe(403)
    const writer = await tokenOf('w', { roles: ['writer'] })
    expect((await gateway.fetch('/say', post(eventOf('said.writer'), writer))).status).toBe(202)
    expect((await gateway.fetch('/say', post(eventOf('said.writer', { data: 'x'.repeat(400) }), writer))).status).toBe(
      413,
    )
    expect((await gateway.fetch('/say', post(eventOf('other')))).status).toBe(202)
  })

  it('is wrapped in an event of the route’s type, for whose right the route stands: size, rate and hook apply', async () => {
    expect((await gatewayWith('said.nobody').fetch('/say', post('hello'))).status).toBe(202)
    expect((await gatewayWith('said.writer').fetch('/say', post('x'.repeat(400)))).status).toBe(413)
    const gateway = gatewayWith('said.often')
    const statuses: number[] = []
    for (let n = 0; n < 8; n += 1) statuses.push((await gateway.fetch('/say', post('hello'))).status)
    expect([statuses[0], statuses.at(-1)]).toEqual([202, 429])
  })

  it('is shown to a hook without what Rigel adds, and published as the hook says', async () => {
    const asked: { publisher: string | null; event: Record<string, unknown> }[] = []
    vi.stubGlobal('fetch', async (_url: string, init: RequestInit) => {
      const event = JSON.parse(init.body as string) as Record<string, unknown>
      asked.push({ publisher: new Headers(init.headers).get('rigel-publisher'), event })
      if (event['data'] === 'bad') return new Response('not so', { status: 400 })
      return Response.json({ ...event, data: `${String(event['data'])}!` })
    })
    const client = await connectSse({ subscriptions: [{ eventType: 'said.checked' }] })
    const gateway = gatewayWith('said.checked')
    const token = await tokenOf('carol')
    expect(await refusal(await gateway.fetch('/say', post('bad', token)))).toEqual([
      403,
      expect.stringContaining('not so'),
    ])
    expect((await gateway.fetch('/say', post('hello', token))).status).toBe(202)
    const [frame] = await client.until(1, 'said.checked')
    expect(frame?.data).toMatchObject({ type: 'said.checked', data: 'hello!', rig: { path: '/say' } })
    expect(asked.map(({ publisher }) => publisher)).toEqual(['user%20carol', 'user%20carol'])
    expect(asked.some(({ event }) => 'rig' in event)).toBe(false)
    expect(JSON.stringify(asked)).not.toContain(token)
    await client.close()
  })

  it('obeys the claim rig of the token of a route that asks for one, also where there are no rules', async () => {
    const gateway = gatewayWith('said.free', { secured: true }, { TYPES: undefined })
    const token = await tokenOf('n', { rig: { publish: ['narrow.*'] } })
    expect((await gateway.fetch('/say', post(eventOf('narrow.a'), token))).status).toBe(202)
    const refused = await refusal(await gateway.fetch('/say', post(eventOf('wide'), token)))
    expect(refused).toEqual([403, expect.stringContaining('narrows to other types')])
  })

  it('is judged without the members that Rigel replaces; what has no type is no event, and left to the service', async () => {
    const gateway = gatewayWith('said.free')
    const hidden = eventOf('said.nobody', { rig: [{}], traceparent: { not: 'a trace' } })
    expect((await gateway.fetch('/say', post(hidden))).status).toBe(403)
    const commands = makeGateway([{ id: 'run', target: 'kafka:commands', routes: { 'POST /run': {} } }], { TYPES })
    expect((await commands.fetch('/run', post({ specversion: '1.0', data: 1 }))).status).toBe(202)
  })
})

describe('what backends publish is not ruled', () => {
  const ruled = { ...env, TYPES } as Env
  const call = (path: string, init: RequestInit) =>
    Promise.resolve(handle(new Request(`https://rigel.test${path}`, init), ruled, createExecutionContext()))
  const structured = (event: object, authorization: string): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json', authorization },
    body: JSON.stringify(event),
  })
  const INTERNAL = 'Bearer an-internal-token-of-the-tests'

  it('by the internal API, also as a push, by Kafka’s REST endpoint, and by the queue', async () => {
    const client = await connectSse({ subscriptions: [{ eventType: 'said.nobody' }] })
    const of = (id: string) => eventOf('said.nobody', { id })
    expect((await call('/_rig/api/v3/messages', structured(of('api'), INTERNAL))).status).toBe(202)
    expect((await call('/_rig/api/v3/messages?connector=backend', structured(of('push'), INTERNAL))).status).toBe(202)
    const basic = `Basic ${btoa('rigel:test')}`
    const message = { topic: 'rig', value: JSON.stringify(of('kafka')) }
    expect((await call('/_rig/kafka/produce', structured(message, basic))).status).toBe(200)
    const acked: string[] = []
    const queued = { id: 'm', timestamp: new Date(), attempts: 1, body: of('queue') }
    const messages = [{ ...queued, ack: () => void acked.push('m'), retry: () => undefined }]
    await consumeQueue({ queue: 'events', messages } as unknown as MessageBatch, ruled)
    expect(acked).toEqual(['m'])
    const frames = await client.until(4, 'said.nobody')
    expect(frames.map(({ data }) => data['id']).toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual([
      'api',
      'kafka',
      'push',
      'queue',
    ])
    await client.close()
  })

  it('but by a client it is: POST of an event, of a batch, and a push of a connector', async () => {
    const [event, batch] = [eventOf('said.nobody'), [eventOf('other'), eventOf('said.nobody')]]
    expect((await call('/_rig/v1/events', structured(event, ''))).status).toBe(403)
    const batched = { ...structured(batch, ''), headers: { 'content-type': 'application/cloudevents-batch+json' } }
    expect((await call('/_rig/v1/events', batched)).status).toBe(403)
    expect((await call('/_rig/v1/events?connector=client', structured(event, ''))).status).toBe(403)
    expect((await fetchRigel('/_rig/v1/events', structured(event, ''))).status).toBe(202)
  })
})
