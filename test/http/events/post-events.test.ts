// Publishing CloudEvents over HTTP: which requests are events, how large they may be, who may send them, and what the
// sender learns.
import { env, exports } from 'cloudflare:workers'
import { createExecutionContext } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { handle } from '../../../src/http/app.ts'
import { modeOf, readEvents } from '../../../src/http/events/read-events.ts'
import { RequestBodies } from '../../../src/http/request/request-bodies.ts'
import { sign, tokenOf } from '../../support/make-tokens.ts'
import { expectLogs } from '../../support/expect-logs.ts'

expectLogs(
  /follower not woken|could not wake the followers/,
  /events could not be produced.*TypeError: log.append is not a function/,
)

const URL = 'https://rigel.example/_rig/v1/events'
const STRUCTURED = 'application/cloudevents+json'
const BATCH = 'application/cloudevents-batch+json'
const LIMIT_BYTES = 2_000
const BINARY = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 'a' }

function event(more: Readonly<Record<string, unknown>> = {}) {
  return { specversion: '1.0', id: '1', source: '/test', type: 'greeting', data: { name: 'alice' }, ...more }
}

function post(body: unknown, headers: Readonly<Record<string, string>> = { 'content-type': STRUCTURED }): Request {
  return new Request(URL, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) })
}

function sendWith(variables: Readonly<Record<string, unknown>>, request: Request): Promise<Response> | Response {
  return handle(request, { ...env, ...variables }, createExecutionContext())
}

async function textsOf(request: Request): Promise<readonly string[]> {
  const read = await readEvents(new RequestBodies(), request, LIMIT_BYTES)
  if (!read.ok) throw new Error(JSON.stringify(read.reason))
  return read.value.events.map(({ json }) => json)
}

describe('the mode', () => {
  it.each([
    [{ 'content-type': STRUCTURED }, 'structured'],
    [{ 'content-type': 'Application/CloudEvents+JSON; charset=utf-8' }, 'structured'],
    [{ 'content-type': 'application/json' }, 'structured'],
    [{ 'content-type': 'application/json', 'ce-specversion': '1.0' }, 'binary'],
    [{ 'content-type': STRUCTURED, 'ce-specversion': '1.0' }, 'structured'],
    [{ 'content-type': 'text/plain', 'ce-specversion': '1.0' }, 'binary'],
    [{ 'ce-specversion': '1.0' }, 'binary'],
    [{ 'content-type': BATCH }, 'batched'],
  ] as [Record<string, string>, string][])('of %j is %s', (headers, mode) => {
    expect(modeOf(new Headers(headers))).toEqual({ ok: true, value: mode })
  })

  it.each(['application/cloudevents+avro', 'application/cloudevents-batch', 'application/cloudevents-batch+xml'])(
    'of %s is none that is supported',
    async (type) => {
      const response = await exports.default.fetch(post('x', { 'content-type': type }))
      expect([response.status, await response.text()]).toEqual([415, expect.stringContaining(type)])
    },
  )

  it('must be named', async () => {
    const request = post('x')
    request.headers.delete('content-type')
    const response = await exports.default.fetch(request)
    expect([response.status, await response.text()]).toEqual([
      400,
      expect.stringContaining('A content-type is required'),
    ])
  })
})

describe('an event', () => {
  it('in structured mode is kept byte for byte', async () => {
    const text = '{ "id":"1",\n "unknown": [1.0], "type":"a", "specversion":"1.0", "source":"/s" }'
    expect(await textsOf(post(text))).toEqual([text])
  })

  it.each(['0.2', '0.1'])("of RIG's time, CloudEvents %s, is taken without a source", async (version) => {
    const old =
      version === '0.2'
        ? { specversion: '0.2', id: 1, type: 'a' }
        : { cloudEventsVersion: '0.1', eventID: '1', eventType: 'a' }
    expect(await textsOf(post(old, { 'content-type': 'application/json' }))).toHaveLength(1)
  })

  it('in binary mode has its attributes in headers, percent-decoded', async () => {
    const headers = {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': '1',
      'ce-source': '/s',
      'ce-type': 'a',
      'ce-who': 'J%C3%BCrgen',
    }
    const [json = ''] = await textsOf(post({ n: 1 }, headers))
    expect(JSON.parse(json)).toEqual({
      specversion: '1.0',
      id: '1',
      source: '/s',
      type: 'a',
      who: 'Jürgen',
      datacontenttype: 'application/json',
      data: { n: 1 },
    })
  })

  it('in a batch is one of several, in order', async () => {
    const texts = await textsOf(post([event({ id: 'a' }), event({ id: 'b' })], { 'content-type': BATCH }))
    expect(texts.map((text) => (JSON.parse(text) as { id: string }).id)).toEqual(['a', 'b'])
  })
})

describe('a body that is no event', () => {
  it.each<[string, unknown, Readonly<Record<string, string>>]>([
    ['no JSON', '{', { 'content-type': STRUCTURED }],
    ['a list in structured mode', [event()], { 'content-type': STRUCTURED }],
    ['an event without id', { ...event(), id: undefined }, { 'content-type': STRUCTURED }],
    ['an event of another version', event({ specversion: '9' }), { 'content-type': STRUCTURED }],
    ['a line break in a type', event({ type: 'a\r\ndata: injected' }), { 'content-type': STRUCTURED }],
    [
      'an encoded line break in a header',
      '{}',
      {
        'content-type': 'application/json',
        'ce-specversion': '1.0',
        'ce-id': '1',
        'ce-source': '/s',
        'ce-type': 'a%0D%0Ab',
      },
    ],
    ['a batch with one that is none', [event(), 1], { 'content-type': BATCH }],
    ['a type that only Rigel may send', event({ type: 'rig.session_killed' }), { 'content-type': STRUCTURED }],
    ['data beside data_base64', event({ data_base64: 'AA==' }), { 'content-type': STRUCTURED }],
    ['a time that is none', event({ time: 'lunchtime' }), { 'content-type': STRUCTURED }],
    ['a percent escape that is none', '', { ...BINARY, 'ce-subject': '100%' }],
    ['text without attributes', 'hello', { 'content-type': 'text/plain' }],
  ])('%s is refused with a reason', async (_, body, headers) => {
    const response = await exports.default.fetch(post(body, headers))
    expect(response.status).toBe(400)
    expect(await response.text()).toMatch(/^The request body does not look like a CloudEvent: ./)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
  })
})

describe('a body with a content coding', () => {
  const compressed = async (body: unknown, format: 'gzip' | 'deflate') => {
    const stream = new Blob([JSON.stringify(body)]).stream().pipeThrough(new CompressionStream(format))
    return new Uint8Array(await new Response(stream).arrayBuffer())
  }
  const send = (coding: string, body: Uint8Array) =>
    exports.default.fetch(
      new Request(URL, { method: 'POST', headers: { 'content-type': STRUCTURED, 'content-encoding': coding }, body }),
    )

  it.each([
    ['gzip', 'gzip'],
    ['GZIP', 'gzip'],
    ['x-gzip', 'gzip'],
    ['deflate', 'deflate'],
  ] as const)('is decoded: %s', async (coding, format) => {
    expect((await send(coding, await compressed(event(), format))).status).toBe(202)
  })

  it.each(['br', 'gzip, gzip', 'zstd'])(
    'that is not known is 415, and the answer says which are: %s',
    async (coding) => {
      const response = await send(coding, await compressed(event(), 'gzip'))
      expect([response.status, response.headers.get('accept-encoding'), await response.text()]).toEqual([
        415,
        'gzip, deflate',
        `The content-encoding ${coding} is not supported: send gzip, deflate or none.`,
      ])
    },
  )

  it('is refused if it is not what the header says', async () => {
    const response = await send('gzip', new TextEncoder().encode(JSON.stringify(event())))
    expect([response.status, await response.text()]).toEqual([
      400,
      expect.stringMatching(/^The request body is not gzip, as its content-encoding says: /),
    ])
  })

  it('is limited by what it is when it is decoded', async () => {
    const body = await compressed(event({ data: 'x'.repeat(1_000_000) }), 'gzip')
    expect(body.length).toBeLessThan(5_000)
    expect((await send('gzip', body)).status).toBe(413)
  })
})

describe('size', () => {
  it('of a batch is 100 events', async () => {
    const batch = Array.from({ length: 101 }, () => event())
    const response = await exports.default.fetch(post(batch, { 'content-type': BATCH }))
    expect([response.status, await response.text()]).toEqual([413, 'Batch too large: at most 100 events are allowed.'])
  })

  it('is limited per event, by content-length', async () => {
    const response = await exports.default.fetch(post(event({ data: 'x'.repeat(140_000) })))
    expect([response.status, await response.text()]).toEqual([413, 'Body too large: at most 131072 bytes are allowed.'])
  })

  it('is limited per event, by what is read if there is no content-length', async () => {
    let sent = 0
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1_000
        controller.enqueue(new Uint8Array(1_000))
      },
    })
    const request = new Request(URL, { method: 'POST', headers: { 'content-type': STRUCTURED }, body: endless })
    expect(await readEvents(new RequestBodies(), request, LIMIT_BYTES)).toMatchObject({
      ok: false,
      reason: { kind: 'body_too_large' },
    })
    expect(sent).toBeLessThan(10_000)
  })

  it('is limited for each event of a batch', async () => {
    const batch = post([event(), event({ data: 'x'.repeat(LIMIT_BYTES) })], { 'content-type': BATCH })
    expect(await readEvents(new RequestBodies(), batch, LIMIT_BYTES)).toMatchObject({
      ok: false,
      reason: { kind: 'event_too_large' },
    })
  })
})

describe('SUBMISSION_CHECK=jwt_validation', () => {
  const checked = { SUBMISSION_CHECK: 'JWT_VALIDATION' }

  it.each<[string, () => Promise<Record<string, string>>]>([
    ['no token', async () => ({})],
    ['an expired token', async () => ({ authorization: `Bearer ${await sign({ sub: 'a', exp: 1 })}` })],
    ['a token that is no bearer token', async () => ({ authorization: `Basic ${await tokenOf('a')}` })],
    ['a token in a cookie', async () => ({ cookie: `token=${await tokenOf('a')}` })],
  ])('denies %s', async (_, headers) => {
    const request = post(event(), { 'content-type': STRUCTURED, ...(await headers()) })
    const response = await sendWith({ ...checked, JWT_COOKIE: 'token' }, request)
    expect([response.status, await response.text()]).toEqual([403, 'Submission denied.'])
  })

  it('lets a valid token pass', async () => {
    const headers = { 'content-type': STRUCTURED, authorization: `Bearer ${await tokenOf('a')}` }
    const response = await sendWith(checked, post({}, headers))
    expect(response.status).toBe(400)
  })
})

describe('the answer', () => {
  it('has the position of the event in the log', async () => {
    const response = await exports.default.fetch(post(event()))
    expect(response.status).toBe(202)
    expect(await response.json()).toEqual({ topic: 'rig', partition: expect.any(Number), offset: expect.any(Number) })
  })

  it('is a list for a batch, in its order', async () => {
    const batch = [event({ partitionkey: 'k', id: 'a' }), event({ partitionkey: 'k', id: 'b' })]
    const response = await exports.default.fetch(post(batch, { 'content-type': BATCH }))
    expect(response.status).toBe(202)
    const [first, second] = await response.json<{ offset: number; partition: number }[]>()
    expect(second).toMatchObject({ partition: first?.partition, offset: (first?.offset ?? NaN) + 1 })
  })

  it('is an empty list for an empty batch', async () => {
    const response = await exports.default.fetch(post([], { 'content-type': BATCH }))
    expect([response.status, await response.json()]).toEqual([202, []])
  })

  it('is 503 when the log takes no events', async () => {
    const broken = { idFromName: () => '', getByName: () => ({}) }
    const response = await sendWith({ EMBEDDED_LOG: broken, EMBEDDED_BROKER: broken }, post(event()))
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2'])
  })
})

describe('a request that may be repeated', () => {
  interface Position {
    readonly offset: number
    readonly duplicate?: true
  }
  const send = async (body: unknown, query: string, headers: Readonly<Record<string, string>>, variables = {}) => {
    const type = Array.isArray(body) ? BATCH : STRUCTURED
    const init = { method: 'POST', headers: { 'content-type': type, ...headers }, body: JSON.stringify(body) }
    const response = await sendWith(variables, new Request(`${URL}${query}`, init))
    expect(response.status).toBe(202)
    const answer = await response.json<Position | Position[]>()
    return Array.isArray(answer) ? answer : [answer]
  }

  it('is stored once by its Idempotency-Key, each event of a batch', async () => {
    const key = { 'idempotency-key': `"${crypto.randomUUID()}"` }
    const batch = [event({ id: 'a' }), event({ id: 'b' })]
    const first = await send(batch, '', key)
    expect(first.map(({ duplicate }) => duplicate)).toEqual([undefined, undefined])
    const second = await send(batch, '', key)
    expect(second).toEqual(first.map((position) => ({ ...position, duplicate: true })))
  })

  it('is stored again with another key, or from another publisher', async () => {
    const key = { 'idempotency-key': crypto.randomUUID() }
    await send(event(), '', key)
    expect((await send(event(), '', { 'idempotency-key': crypto.randomUUID() }))[0]?.duplicate).toBeUndefined()
    const authorization = `Bearer ${await tokenOf('other')}`
    const checked = { SUBMISSION_CHECK: 'jwt_validation' }
    expect((await send(event(), '', { ...key, authorization }, checked))[0]?.duplicate).toBeUndefined()
  })

  it('is stored once by source and id where the URL asks for it', async () => {
    const id = crypto.randomUUID()
    const [first] = await send(event({ id }), '?dedupe=id', {})
    const [second] = await send(event({ id, data: 'other' }), '?dedupe=id', {})
    expect([first?.duplicate, second]).toEqual([undefined, { ...first, duplicate: true }])
    expect((await send(event({ id }), '', {}))[0]?.duplicate).toBeUndefined()
  })

  it.each([
    ['', { 'idempotency-key': 'x'.repeat(300) }],
    ['?dedupe=all', {}],
  ])('is refused if it asks for something else: %s %j', async (query, headers) => {
    const request = new Request(`${URL}${query}`, {
      method: 'POST',
      headers: { 'content-type': STRUCTURED, ...headers },
      body: JSON.stringify(event()),
    })
    expect((await exports.default.fetch(request)).status).toBe(400)
  })
})

it('a publisher that exceeds its budget gets 429, and others do not', async () => {
  const variables = { PUBLISH_EVENTS_PER_SECOND: '1', SUBMISSION_CHECK: 'jwt_validation' }
  const shared = { ...env, ...variables }
  const statusOf = async (user: string) => {
    const headers = { 'content-type': BATCH, authorization: `Bearer ${await tokenOf(user)}` }
    const batch = Array.from({ length: 100 }, () => event())
    const response = await handle(post(batch, headers), shared, createExecutionContext())
    return [response.status, response.headers.get('retry-after')]
  }
  expect(await statusOf('a')).toEqual([202, null])
  expect(await statusOf('a')).toEqual([429, '2'])
  expect(await statusOf('b')).toEqual([202, null])
})

it('a publisher with a token is its user where rules verify it, although SUBMISSION_CHECK demands none', async () => {
  const shared = { ...env, TYPES: JSON.stringify({ greeting: { publish: 'token', max_per_second: 1 } }) }
  const statusOf = async (user: string) => {
    const headers = { 'content-type': BATCH, authorization: `Bearer ${await tokenOf(user)}` }
    return (await handle(post([event(), event(), event()], headers), shared, createExecutionContext())).status
  }
  expect([await statusOf('a'), await statusOf('a'), await statusOf('b')]).toEqual([202, 429, 202])
})

it('a publisher without a token is its address, or the prefix of all addresses that it has', async () => {
  const shared = { ...env, PUBLISH_EVENTS_PER_SECOND: '1' }
  const statusFrom = async (address: string) => {
    const batch = Array.from({ length: 100 }, () => event())
    const request = post(batch, { 'content-type': BATCH, 'cf-connecting-ip': address })
    return (await handle(request, shared, createExecutionContext())).status
  }
  expect(await statusFrom('2001:db8:7:7::1')).toBe(202)
  expect(await statusFrom('2001:db8:7:7::2')).toBe(429)
  expect(await statusFrom('2001:db8:7:8::1')).toBe(202)
})

it('answers the handshake of web hooks, with the rate that was asked for', async () => {
  const headers = { 'webhook-request-origin': 'eventgrid.azure.net', 'webhook-request-rate': '120' }
  const response = await exports.default.fetch(
    new Request(`${URL}?connector=eventgrid`, { method: 'OPTIONS', headers }),
  )
  expect([
    response.status,
    response.headers.get('webhook-allowed-origin'),
    response.headers.get('webhook-allowed-rate'),
    response.headers.get('allow'),
  ]).toEqual([200, 'eventgrid.azure.net', '120', 'POST, OPTIONS'])
})

it('answers the preflight of an event with an extension of its own', async () => {
  const headers = { origin: 'https://app.example', 'access-control-request-headers': 'ce-tenant,Ce-Type,content-type' }
  const response = await exports.default.fetch(new Request(URL, { method: 'OPTIONS', headers }))
  const allowed = response.headers.get('access-control-allow-headers')?.split(',') ?? []
  expect(allowed).toEqual(expect.arrayContaining(['ce-tenant', 'ce-type', 'content-type']))
})

it('answers the preflight so that browsers may send tokens and attributes', async () => {
  const response = await exports.default.fetch(new Request(URL, { method: 'OPTIONS' }))
  expect([response.status, response.headers.get('access-control-allow-methods')]).toEqual([204, 'POST'])
  const allowed = response.headers.get('access-control-allow-headers')?.split(',') ?? []
  expect(allowed).toEqual(expect.arrayContaining(['content-type', 'authorization', 'ce-specversion', 'ce-type']))
})
