import { env } from 'cloudflare:workers'
import { describe, expect, it, vi } from 'vitest'
import { parseConfig } from '../../../../src/config/parse-config.ts'
import type { LogRecord } from '../../../../src/core/events/kafka-record.ts'
import { createKafkaLog } from '../../../../src/kafka/create-kafka-log.ts'
import { fetchRigel } from '../../../support/gateway-client.ts'
import { tokenOf } from '../../../support/make-tokens.ts'
import { makeGateway, UPSTREAM, type Gateway } from '../gateway.ts'
import { eventually } from '../../../support/eventually.ts'

const config = parseConfig(env)
if (!config.ok) throw new Error(config.reason.join('\n'))
const log = createKafkaLog(env, config.value)
const PARTITIONS = 4
const decode = (bytes: Uint8Array | null) => new TextDecoder().decode(bytes ?? new Uint8Array())
const AUTHORIZATION = { authorization: 'Bearer an-internal-token-of-the-tests' }
let topics = 0
const newTopic = () => `requests-${(topics += 1)}`

interface Published {
  readonly [name: string]: unknown
  readonly rig: Readonly<Record<string, unknown>> & {
    readonly correlation: string
    readonly headers: [string, string][]
  }
}

async function recordsOf(topic: string): Promise<readonly LogRecord[]> {
  const fetched = await Promise.all(
    Array.from({ length: PARTITIONS }, (_, partition) =>
      log.fetch({ topic, partition, offset: 0 }, { maxBytes: 1_000_000, maxWaitMs: 0 }),
    ),
  )
  return fetched.flatMap((one) => (one.kind === 'records' ? one.records : []))
}

async function published(topic: string): Promise<{ record: LogRecord; event: Published }> {
  const record = await eventually(async () => {
    const [first] = await recordsOf(topic)
    if (first === undefined) throw new Error('nothing yet')
    return first
  })
  return { record, event: JSON.parse(decode(record.value)) as Published }
}

function toKafka(options: Readonly<Record<string, unknown>> = {}): { gateway: Gateway; topic: string } {
  const topic = newTopic()
  const api = { id: 'orders api', target: `kafka:${topic}`, routes: { '* /orders/{id}': '/v1/{id}' }, ...options }
  return { topic, gateway: makeGateway([api]) }
}

/** RIG's own form, which takes CloudEvents only. */
function asRig(topic: string): Gateway {
  const endpoints = [{ id: 'publish', method: 'POST', path_regex: '/publish', target: 'kafka', topic }]
  return makeGateway([
    { id: 'rig', name: 'rig', version_data: { default: { endpoints } }, proxy: { target_url: 'x', port: 1 } },
  ])
}

const json = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: typeof body === 'string' ? body : JSON.stringify(body),
})

describe('a request as an event', () => {
  it('is the CloudEvent that it brought, with RIG’s extension, when Kafka has it', async () => {
    const topic = newTopic()
    const event = {
      specversion: '0.2',
      type: 't',
      source: '/s',
      id: '1',
      data: { n: 1 },
      rig: { target_partition: 'key 1', host: 'mine' },
    }
    const response = await asRig(topic).fetch(
      '/publish?a=1&b=2',
      json(event, { 'cf-connecting-ip': '192.0.2.1', 'x-rigel-user': 'admin' }),
    )
    expect([response.status, await response.text(), response.headers.get('access-control-allow-origin')]).toEqual([
      202,
      'Accepted.',
      '*',
    ])
    const { event: sent, record } = await published(topic)
    expect(sent).toMatchObject({ specversion: '0.2', type: 't', source: '/s', id: '1', data: { n: 1 } })
    expect(sent.rig).toMatchObject({
      remoteip: '192.0.2.1',
      host: 'rigel.test',
      port: 443,
      scheme: 'https',
      method: 'POST',
      path: '/publish',
      query: 'a=1&b=2',
    })
    expect(sent.rig.headers).toContainEqual(['content-type', 'application/json'])
    expect(sent.rig.headers).toContainEqual(['host', 'rigel.test'])
    expect(sent.rig.headers.map(([name]) => name)).not.toContain('x-rigel-user')
    expect([decode(record.key), sent['traceparent']]).toEqual(['key 1', expect.stringMatching(/^00-/)])
    expect(sent.rig.correlation).toMatch(/^\d+\.[0-9a-f]{32}$/)
  })

  it('keeps numbers digit by digit', async () => {
    const topic = newTopic()
    await asRig(topic).fetch(
      '/publish',
      json('{"specversion":"1.0","id":"1","data":{"account":12345678901234567890,"price":1.10}}'),
    )
    const { record } = await published(topic)
    expect(decode(record.value)).toContain('"data":{"account":12345678901234567890,"price":1.10}')
  })

  it.each(['{"no":"event"}', 'garbage', '', '[]', '"specversion"'])(
    'that is none is refused, as by RIG: %s',
    async (body) => {
      const topic = newTopic()
      const response = await asRig(topic).fetch('/publish', json(body))
      expect([response.status, await response.text()]).toEqual([
        400,
        'Bad request: the body does not look like a CloudEvent.',
      ])
      expect(await recordsOf(topic)).toEqual([])
    },
  )

  it.each([
    ['application/json', '{"a":12345678901234567890}', '"data":{"a":12345678901234567890}'],
    ['application/vnd.api+json', '[1]', '"data":[1]'],
    ['text/plain', 'plain', '"data":"plain"'],
    ['image/png', '\u0000\u0001', '"data_base64":"AAE="'],
  ])('wraps a body of %s where the route is of the short form', async (type, body, expected) => {
    const { gateway, topic } = toKafka({ event_type: 'com.example.order' })
    expect((await gateway.fetch('/orders/7', json(body, { 'content-type': type }))).status).toBe(202)
    const { event, record } = await published(topic)
    expect(event).toMatchObject({
      specversion: '1.0',
      type: 'com.example.order',
      source: '/orders%20api',
      datacontenttype: type,
    })
    expect([event.rig['path'], event.rig['method']]).toEqual(['/v1/7', 'POST'])
    expect(decode(record.value)).toContain(expected)
  })

  it('wraps bytes, and nothing', async () => {
    const { gateway, topic } = toKafka()
    await gateway.fetch('/orders/1', {
      method: 'PUT',
      body: new Uint8Array([255, 254]),
      headers: { 'content-type': 'x/y' },
    })
    expect((await published(topic)).event).toMatchObject({ type: 'com.rig.proxy.request', data_base64: '//4=' })
    const other = toKafka()
    await other.gateway.fetch('/orders/1')
    expect((await published(other.topic)).event).not.toHaveProperty('data')
  })

  it('says who asked, where the route is secured and forwards claims', async () => {
    const { gateway, topic } = toKafka({ secured: true, forward_claims: 'plain' })
    expect((await gateway.fetch('/orders/1')).status).toBe(401)
    await gateway.fetch('/orders/1', { headers: { authorization: `Bearer ${await tokenOf('alice')}` } })
    expect((await published(topic)).event.rig.headers).toContainEqual(['x-rigel-user', 'alice'])
  })

  it('answers its preflight', async () => {
    const response = await toKafka().gateway.fetch('/orders/1', {
      method: 'OPTIONS',
      headers: {
        origin: 'https://a.example',
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'authorization,x-own',
      },
    })
    expect([
      response.status,
      response.headers.get('access-control-allow-methods'),
      response.headers.get('access-control-allow-headers'),
    ]).toEqual([204, 'PUT', 'authorization,x-own'])
  })

  it('is refused if it is larger than an event may be', async () => {
    const { gateway } = toKafka({ max_body_bytes: 10 })
    expect((await gateway.fetch('/orders/1', json('"0123456789"'))).status).toBe(413)
  })
})

describe('an answer that comes otherwise', () => {
  const answerByKafka = (correlation: string, status: string, body: string, headers: Record<string, string> = {}) =>
    log.produce([
      {
        topic: 'rig-proxy-response',
        key: null,
        value: new TextEncoder().encode(body),
        headers: Object.entries({ 'rig-correlation': correlation, 'rig-response-code': status, ...headers }).map(
          ([key, value]) => ({ key, value: new TextEncoder().encode(value) }),
        ),
      },
    ])
  const answerByHttp = (headers: Record<string, string>, body: BodyInit, version = 'v3') =>
    fetchRigel(`/_rig/api/${version}/responses`, { method: 'POST', headers: { ...AUTHORIZATION, ...headers }, body })

  it('through Kafka: status, headers and body of the record', async () => {
    const { gateway, topic } = toKafka({ response_from: 'kafka' })
    const waiting = gateway.fetch('/orders/1', json({ a: 1 }))
    const { correlation } = (await published(topic)).event.rig
    await answerByKafka(correlation, '201', '{"done":true}', {
      'content-type': 'application/json',
      'x-own': '1',
      connection: 'close',
    })
    const response = await waiting
    expect([response.status, await response.json()]).toEqual([201, { done: true }])
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/json',
      'x-own': '1',
      'access-control-allow-origin': '*',
    })
    expect(response.headers.has('connection')).toBe(false)
  })

  it('through Kafka, as an event of RIG 2: the event is the answer', async () => {
    const { gateway, topic } = toKafka({ response_from: 'kafka' })
    const waiting = gateway.fetch('/orders/1', json({ a: 1 }))
    const { correlation } = (await published(topic)).event.rig
    const event = { specversion: '0.2', id: 'x', type: 'answer', source: '/s', rig: { correlation } }
    await log.produce([
      { topic: 'rig-proxy-response', key: null, headers: [], value: new TextEncoder().encode(JSON.stringify(event)) },
    ])
    const response = await waiting
    expect([response.status, await response.json()]).toEqual([200, event])
  })

  it('over HTTP, with nothing of the service’s own headers', async () => {
    const { gateway, topic } = toKafka({ response_from: 'http_async' })
    const waiting = gateway.fetch('/orders/1', json({ a: 1 }))
    const { correlation } = (await published(topic)).event.rig
    const posted = await answerByHttp(
      {
        'rig-correlation': correlation,
        'rig-response-code': '404',
        'content-type': 'text/x',
        'x-own': '1',
        cookie: 'c=1',
      },
      'not here',
    )
    expect([posted.status, await posted.text()]).toEqual([202, 'message sent to correlated reverse proxy request'])
    const response = await waiting
    expect([response.status, await response.text(), response.headers.get('x-own')]).toEqual([404, 'not here', '1'])
    expect(
      ['authorization', 'cookie', 'host', 'user-agent', 'rig-correlation'].filter((name) => response.headers.has(name)),
    ).toEqual([])
  })

  it('over HTTP as RIG 2’s event', async () => {
    const { gateway, topic } = toKafka({ response_from: 'http_async' })
    const waiting = gateway.fetch('/orders/1', json({ a: 1 }))
    const { correlation } = (await published(topic)).event.rig
    const event = { specversion: '0.2', id: 'x', type: 'answer', source: '/s', rig: { correlation } }
    expect((await answerByHttp({ 'content-type': 'application/json' }, JSON.stringify(event), 'v2')).status).toBe(202)
    expect(await (await waiting).json()).toEqual(event)
  })

  it('once: what comes again, or too late, or for nobody, is dropped', async () => {
    const { gateway, topic } = toKafka({ response_from: 'http_async' })
    const waiting = gateway.fetch('/orders/1', json({ a: 1 }))
    const { correlation } = (await published(topic)).event.rig
    for (const body of ['first', 'second'])
      await answerByHttp({ 'rig-correlation': correlation, 'rig-response-code': '200' }, body)
    expect(await (await waiting).text()).toBe('first')
    const [shard = ''] = correlation.split('.')
    expect(
      (await answerByHttp({ 'rig-correlation': `${shard}.${'0'.repeat(32)}`, 'rig-response-code': '200' }, 'x')).status,
    ).toBe(202)
  })

  it('to the one that asked, of many at once', async () => {
    const { gateway, topic } = toKafka({ response_from: 'http_async' })
    const waiting = Array.from({ length: 30 }, (_, n) => gateway.fetch(`/orders/${n}`, json({ n })))
    const records = await eventually(async () => {
      const found = await recordsOf(topic)
      if (found.length < 30) throw new Error(`${found.length}`)
      return found
    })
    for (const { value } of records) {
      const { rig } = JSON.parse(decode(value)) as Published
      await answerByHttp({ 'rig-correlation': rig.correlation, 'rig-response-code': '200' }, String(rig['path']))
    }
    const answers = await Promise.all(waiting.map(async (response) => (await response).text()))
    expect(answers).toEqual(Array.from({ length: 30 }, (_, n) => `/v1/${n}`))
    expect(new Set(records.map(({ value }) => (JSON.parse(decode(value)) as Published).rig.correlation)).size).toBe(30)
  })

  it('never: 504 after the time there is', async () => {
    const { topic } = toKafka()
    const api = { id: 'a', target: `kafka:${topic}`, response_from: 'kafka', routes: { 'POST /': {} } }
    const hasty = makeGateway([api], { PROXY_KAFKA_RESPONSE_TIMEOUT: '50' })
    const response = await hasty.fetch('/', json({}))
    expect([response.status, await response.json()]).toEqual([504, { message: 'No response came within 50 ms.' }])
  })

  it('after a service’s 202, which got its correlation; another status is the answer at once', async () => {
    const api = { id: 'a', target: UPSTREAM, response_from: 'http_async', routes: { '* /{path...}': {} } }
    const gateway = makeGateway([api], { PROXY_HTTP_ASYNC_RESPONSE_TIMEOUT: '100' })
    const direct = await gateway.echo('/x?a=1&correlation=mine&%63orrelation=too')
    expect(direct.url).toMatch(/^\/x\?a=1&correlation=\d+\.[0-9a-f]{32}$/)
    expect((await gateway.fetch('/x', { headers: { 'x-answer-status': '202' } })).status).toBe(504)
  })

  it.each([
    [{}, 'Failed to parse request body: the header rig-correlation must be present'],
    [
      { 'rig-correlation': 'x', 'rig-response-code': '200' },
      'Failed to parse request body: rig-correlation must be what came with the request',
    ],
    [
      { 'rig-correlation': `1.${'0'.repeat(32)}`, 'rig-response-code': 'abc201' },
      'Failed to parse request body: the header rig-response-code must be an integer from 200 to 599, got "abc201"',
    ],
  ])('is refused where it is none: %j', async (headers, expected) => {
    const response = await answerByHttp(headers, '')
    expect([response.status, await response.text()]).toEqual([400, expected])
  })

  it('is taken of those with the token only', async () => {
    expect((await fetchRigel('/_rig/api/v3/responses', { method: 'POST', body: '' })).status).toBe(401)
  })
})

describe('the request log', () => {
  it('has the endpoint, status, duration and user, and never a token', async () => {
    const topic = newTopic()
    const token = await tokenOf('alice')
    const gateway = makeGateway(
      [
        {
          id: 'a',
          target: UPSTREAM,
          secured: { header: 'authorization', query: 'jwt' },
          request_headers: { 'x-key': token },
          routes: { '* /x/{path...}': { timeout_ms: 4_000 } },
        },
      ],
      {
        REQUEST_LOG: 'console,kafka',
        KAFKA_LOG_TOPIC: topic,
      },
    )
    const info = vi.spyOn(console, 'info').mockReturnValue()
    await gateway.fetch(`/x/y?jwt=${token}`, {
      headers: { authorization: `Bearer ${token}`, 'cf-connecting-ip': '192.0.2.1' },
    })
    await gateway.fetch('/x/z')
    await gateway.settled()
    const records = await recordsOf(topic)
    const events = records.map(
      ({ value }) => JSON.parse(decode(value)) as { type: string; data: Record<string, unknown> },
    )
    expect(
      events.map(({ type, data }) => [type, data['status'], data['user'], data['request_path'], data['remote_ip']]),
    ).toEqual([
      ['com.rig.proxy.api.call', 200, 'alice', '/x/y', '192.0.2.1'],
      ['com.rig.proxy.api.call', 401, null, '/x/z', null],
    ])
    expect(events.map(({ data }) => typeof data['duration_ms'])).toEqual(['number', 'number'])
    // As in RIG, the endpoint as it is defined; without the headers that it sets.
    expect(events[0]?.data['endpoint']).toEqual({
      api: 'a',
      id: '* /x/{path...}',
      method: '*',
      path_regex: '/x/{path...}',
      secured: true,
      target: UPSTREAM,
      timeout_ms: 4_000,
    })
    expect(records.map(({ key }) => decode(key))).toEqual(['partition', 'partition'])
    const lines = JSON.stringify(info.mock.calls)
    expect(lines).toContain('CALL: [* /x/{path...}] GET /x/{path...} => ')
    expect([lines, ...records.map(({ value }) => decode(value))].filter((text) => text.includes(token))).toEqual([])
    info.mockRestore()
  })
})
