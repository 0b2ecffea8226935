import { describe, expect, it } from 'vitest'
import { makeGateway, passThrough, UPSTREAM } from './gateway.ts'
import { expectLogs } from '../../support/expect-logs.ts'
import { eventually } from '../../support/eventually.ts'

expectLogs(/a service could not be reached/)

const gateway = makeGateway(passThrough({ timeout_ms: 10_000, retries: 0, circuit_breaker: false }))
let keys = 0
const newKey = () => `forward-${(keys += 1)}`
const messageOf = async (response: Response) => (await response.json<{ message: string }>()).message

describe('a request on its way to a service', () => {
  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])('keeps the method %s', async (method) => {
    expect((await gateway.echo('/things', { method })).method).toBe(method)
  })

  it('passes HEAD, with the headers of the answer and no body', async () => {
    const response = await gateway.fetch('/things', { method: 'HEAD' })
    expect([response.status, response.headers.get('x-echo'), await response.text()]).toEqual([200, 'yes', ''])
  })

  it.each(['TRACE', 'CONNECT', 'TRACK'])('refuses %s, which a Worker cannot send on', async (method) => {
    const { handle } = await import('../../../src/http/app.ts')
    const { createExecutionContext } = await import('cloudflare:test')
    const request = new Proxy(new Request('https://rigel.test/things'), {
      get: (target, name) => (name === 'method' ? method : Reflect.get(target, name, target)),
    })
    const response = await handle(request, gateway.env, createExecutionContext())
    expect([response.status, await response.text()]).toEqual([405, 'Method not allowed.'])
  })

  it.each([
    '/a?b=2&a=1&b=1',
    '/a?q=a+b%20c&x[y]=z&empty=&flag',
    '/a%2Fb/c%20d?e=%26',
    '/a//b/',
    '/%E4%BD%A0?%E5%A5%BD=1',
    '/a?',
    '/%40%3ba?b=?',
  ])('leaves path and query as they are: %s', async (path) => {
    expect((await gateway.echo(path)).url).toBe(path)
  })

  it.each(['POST', 'DELETE', 'OPTIONS', 'PATCH'])('brings the body of a %s', async (method) => {
    expect((await gateway.echo('/things', { method, body: 'a body' })).body).toBe('a body')
  })

  it('is refused if it is a GET with a body, which a Worker cannot send on', async () => {
    const { handle } = await import('../../../src/http/app.ts')
    const { createExecutionContext } = await import('cloudflare:test')
    const request = new Proxy(new Request('https://rigel.test/things', { method: 'POST', body: 'a body' }), {
      get: (target, name) => (name === 'method' ? 'GET' : (Reflect.get(target, name, target) as unknown)),
    })
    expect((await handle(request, gateway.env, createExecutionContext())).status).toBe(400)
  })

  it('streams the body: the service answers before it has ended', async () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const writer = writable.getWriter()
    const answered = gateway.fetch('/first-chunk', { method: 'POST', body: readable })
    await writer.write(new TextEncoder().encode('the first'))
    expect(await (await answered).text()).toBe('the first')
    await writer.close().catch(() => undefined)
  })

  it('brings 100 MB up, every byte', async () => {
    const chunk = new Uint8Array(1_000_000).fill(120)
    let left = 100
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => (left-- > 0 ? controller.enqueue(chunk) : controller.close()),
    })
    const patient = makeGateway(passThrough({ timeout_ms: 60_000 }))
    const answer = await (await patient.fetch('/upload', { method: 'POST', body })).json()
    expect(answer).toMatchObject({ bytes: 100_000_000 })
  })
})

describe('the time that a service has', () => {
  const hasty = makeGateway(passThrough({ timeout_ms: 1_000, circuit_breaker: false }))
  const untilOver = () => new Promise((resolve) => setTimeout(resolve, 1_300))

  /** More than the service's time lies between its halves. */
  const slowBody = () => {
    const halves = ['the first half, ', 'the second']
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
      const half = halves.shift()
      if (half === undefined) return controller.close()
      if (halves.length === 0) await untilOver()
      controller.enqueue(new TextEncoder().encode(half))
    }
    return new ReadableStream<Uint8Array>({ pull }, { highWaterMark: 0 })
  }

  it('stands while it waits for the client', async () => {
    expect((await hasty.echo('/things', { method: 'POST', body: slowBody() })).body).toBe('the first half, the second')
  })

  it('is over when its answer has begun, whatever is still to come', async () => {
    const response = await hasty.fetch('/answer-first', { method: 'POST', body: slowBody() })
    expect(await response.text()).toBe('26')
  })

  it('runs out for a service that takes a body and says nothing, and for one that takes none', async () => {
    const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) })
    expect((await hasty.fetch('/hang', { method: 'POST', body: endless })).status).toBe(504)
    expect((await hasty.fetch('/hang', { method: 'POST', body: 'all of it' })).status).toBe(504)
  })
})

describe('the answer on its way back', () => {
  it('streams: the first event is there before the service sends the second', async () => {
    const key = newKey()
    const response = await gateway.fetch(`/events?key=${key}`)
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader?.read())?.value).toBe('data: first\n\n')
    await gateway.fetch(`/release?key=${key}`)
    expect((await reader?.read())?.value).toBe('data: second\n\n')
    expect((await reader?.read())?.done).toBe(true)
  })

  it('ends at the service when the client leaves', async () => {
    const key = newKey()
    const response = await gateway.fetch(`/events?key=${key}`)
    await response.body?.cancel()
    await eventually(async () => {
      expect(await (await gateway.fetch(`/count?key=${encodeURIComponent(`closed ${key}`)}`)).text()).toBe('1')
    })
  })

  it('brings 100 MB down, every byte, and takes as long as it takes', async () => {
    const response = await gateway.fetch('/big?bytes=100000000')
    let bytes = 0
    for await (const chunk of response.body as ReadableStream<Uint8Array>) bytes += chunk.byteLength
    expect(bytes).toBe(100_000_000)
  })

  it.each([200, 201, 204, 205, 304, 400, 404, 418, 500, 503])('keeps status %i', async (code) => {
    expect((await gateway.fetch(`/status?code=${code}`)).status).toBe(code)
  })

  it.each([
    ['/early-hints', 'after the hints'],
    ['/continue', 'after 100 and 102'],
  ])('comes after what comes before it: %s', async (path, text) => {
    const response = await gateway.fetch(path)
    expect([response.status, await response.text()]).toEqual([200, text])
  })

  it('keeps each cookie, and loses what belongs to one hop', async () => {
    const { headers } = await gateway.fetch('/cookies')
    expect(headers.getSetCookie()).toEqual(['a=1; Path=/', 'b=2; Path=/'])
    expect(['x-hop', 'connection', 'proxy-authenticate'].filter((name) => headers.has(name))).toEqual([])
  })

  it('stays coded as the client accepts it', async () => {
    const headers = { 'accept-encoding': 'zstd, gzip;q=0.5' }
    const known = await gateway.fetch('/coded', { headers })
    expect([known.headers.get('content-encoding'), known.headers.get('x-accepted')]).toEqual([
      'gzip',
      'zstd, gzip;q=0.5',
    ])
    expect(await known.text()).toBe('compressed text')
    const unknown = await gateway.fetch('/coded?coding=zstd', { headers })
    expect([unknown.headers.get('content-encoding'), await unknown.text()]).toEqual([
      'zstd',
      'what only the client can read',
    ])
  })

  it.each([
    {},
    { headers: { 'accept-encoding': 'br' } },
    { headers: { 'accept-encoding': 'gzip' }, cf: { clientAcceptEncoding: '' } },
    { headers: { 'accept-encoding': 'gzip;q=0, br' } },
  ])('is decoded for a client that could not: %j', async (init) => {
    const response = await gateway.fetch('/coded', init)
    expect([response.headers.get('content-encoding'), await response.text()]).toEqual([null, 'compressed text'])
  })

  it.each(['GZIP', 'x-gzip', 'Gzip'])('has codings without case: %s', async (name) => {
    const path = `/coded?name=${name}`
    const accepted = await gateway.fetch(path, { headers: { 'accept-encoding': 'GZIP' } })
    const decoded = await new Response(accepted.body?.pipeThrough(new DecompressionStream('gzip'))).text()
    expect([accepted.headers.get('content-encoding'), decoded]).toEqual([name, 'compressed text'])
    const plain = await gateway.fetch(path)
    expect([plain.headers.get('content-encoding'), await plain.text()]).toEqual([null, 'compressed text'])
  })

  it.each([
    [`${UPSTREAM}/v1/books/7?a=1#b`, 'https://rigel.test/books/7?a=1#b'],
    [`${UPSTREAM.replace('http:', 'https:')}/v1`, 'https://rigel.test/'],
    ['/v1/books/7', 'https://rigel.test/books/7'],
    [`${UPSTREAM}/v12/books`, `${UPSTREAM}/v12/books`],
    ['http://elsewhere.example.com/v1/books', 'http://elsewhere.example.com/v1/books'],
    ['books/7', 'books/7'],
  ])('with the location %s leads to %s where the route rewrites it', async (location, expected) => {
    const rewriting = makeGateway(passThrough({ target: `${UPSTREAM}/v1`, rewrite_location: true }))
    const plain = makeGateway(passThrough({ target: `${UPSTREAM}/v1` }))
    const path = `/redirect?to=${encodeURIComponent(location)}`
    expect((await rewriting.fetch(path)).headers.get('location')).toBe(expected)
    expect((await plain.fetch(path)).headers.get('location')).toBe(location)
  })

  it('of a redirect is the redirect: nothing is followed', async () => {
    const response = await gateway.fetch('/redirect', { headers: { authorization: 'Bearer secret' } })
    expect([response.status, response.headers.get('location')]).toEqual([302, 'http://elsewhere.example.com/stolen'])
  })
})

describe('a service that fails', () => {
  it('by a reset is 502, as JSON a page may read', async () => {
    const response = await gateway.fetch('/reset', { headers: { origin: 'https://app.example.com' } })
    expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([502, '*'])
    expect(await messageOf(response)).toBe('Bad gateway: the service could not be reached.')
  })

  it('by not being there is 502', async () => {
    const closed = makeGateway([{ id: 'a', target: 'http://127.0.0.1:1', routes: { 'GET /': {} } }])
    expect((await closed.fetch('/')).status).toBe(502)
  })

  it('by garbage is 502', async () => {
    expect((await gateway.fetch('/lie-garbage')).status).toBe(502)
  })

  it('by silence is 504 after the route’s time', async () => {
    const impatient = makeGateway(passThrough({ timeout_ms: 300, retries: 0 }))
    const response = await impatient.fetch('/hang')
    expect([response.status, await messageOf(response)]).toEqual([504, 'The service did not answer within 300 ms.'])
  })

  it('may take its time once it has begun', async () => {
    const response = await gateway.fetch('/hang-after-head')
    const reader = response.body?.getReader()
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('head')
    await reader?.cancel()
  })

  it.each(['/reset-midway', '/lie-long', '/lie-chunked'])(
    'in the midst of a body ends that body as broken, never as whole: %s',
    async (path) => {
      const response = await gateway.fetch(path)
      await expect(response.text()).rejects.toThrow(/lost|premature|disconnected/i)
    },
  )

  it('by switching to a protocol that nobody asked for is 502', async () => {
    expect((await gateway.fetch('/switch')).status).toBe(502)
  })

  it('by sending more than it said is cut at what it said', async () => {
    expect(await (await gateway.fetch('/lie-short')).text()).toBe('four')
  })

  it('by two framings at once smuggles nothing into the next answer', async () => {
    const first = await gateway.fetch('/smuggle')
    expect([`${first.status} ${await first.text()}`]).toEqual([expect.stringMatching(/^(200 hello|200 5\r\n|502 .*)$/)])
    // The service has closed the connection: whoever is to use it next tries again.
    expect((await makeGateway(passThrough()).echo('/next')).url).toBe('/next')
  })
})

describe('WebSockets', () => {
  const open = async (path: string, headers: Record<string, string> = {}) => {
    const response = await gateway.fetch(path, { headers: { upgrade: 'websocket', ...headers } })
    const socket = response.webSocket
    if (!socket) throw new Error(`${response.status}: ${await response.text()}`)
    const messages: (string | Blob)[] = []
    socket.addEventListener('message', ({ data }) => void messages.push(data as string | Blob))
    socket.accept()
    return { response, socket, messages }
  }

  it('pass both ways, text and bytes, with path, query and subprotocol', async () => {
    const { messages, response, socket } = await open('/chat?room=1', { 'sec-websocket-protocol': 'one, two' })
    expect([response.status, response.headers.get('sec-websocket-protocol')]).toEqual([101, 'two'])
    await eventually(() => expect(messages).toHaveLength(1))
    expect(JSON.parse(messages[0] as string)).toMatchObject({
      url: '/chat?room=1',
      headers: { 'x-forwarded-proto': 'https' },
    })
    socket.send('hello')
    await eventually(() => expect(messages[1]).toBe('hello'))
    socket.send(new Uint8Array([1, 2, 3]))
    await eventually(() => expect(messages).toHaveLength(3))
    expect(new Uint8Array(await new Response(messages[2]).arrayBuffer())).toEqual(new Uint8Array([1, 2, 3]))
    socket.close(4321, 'enough')
    const closed = encodeURIComponent('closed /chat?room=1 4321')
    await eventually(async () => expect(await (await gateway.fetch(`/count?key=${closed}`)).text()).toBe('1'))
  })

  it('are refused as the service refuses them', async () => {
    const response = await gateway.fetch('/refused', { headers: { upgrade: 'websocket' } })
    expect([response.status, response.webSocket, await response.text()]).toEqual([403, null, 'no'])
  })
})

describe('retries and rests', () => {
  const failing = (options: Readonly<Record<string, unknown>>) =>
    makeGateway(passThrough({ circuit_breaker: false, ...options }))
  const ask = (how: string, failures: number, key: string) => `/flaky?how=${how}&failures=${failures}&key=${key}`
  const countOf = async (key: string) => (await gateway.fetch(`/count?key=${key}`)).text()

  it.each(['reset', '503'])('asks again for what is idempotent, after %s', async (how) => {
    const response = await failing({}).fetch(ask(how, 1, newKey()))
    expect([response.status, await response.text()]).toEqual([200, '2'])
  })

  it('never repeats a POST, nor a request with a body', async () => {
    const [posted, put] = [newKey(), newKey()]
    expect((await failing({}).fetch(ask('503', 1, posted), { method: 'POST' })).status).toBe(503)
    expect((await failing({}).fetch(ask('503', 1, put), { method: 'PUT', body: 'x' })).status).toBe(503)
    expect([await countOf(posted), await countOf(put)]).toEqual(['1', '1'])
  })

  it('gives up after as many as the route allows, with the service’s own answer', async () => {
    const key = newKey()
    const response = await failing({ retries: 2 }).fetch(ask('503', 10, key))
    expect([response.status, await response.text(), await countOf(key)]).toEqual([503, 'not now', '3'])
  })

  it('has a budget: where everything fails, most is not asked twice', async () => {
    const key = newKey()
    const broken = failing({})
    for (let n = 0; n < 40; n += 1) await (await broken.fetch(ask('503', 1_000, key))).text()
    const asked = Number(await countOf(key))
    expect([asked > 40, asked < 65]).toEqual([true, true])
  })

  it('gives a service that fails in a row a rest, and lets one request find out whether it is back', async () => {
    const key = newKey()
    const resting = makeGateway(passThrough({ retries: 0, circuit_breaker: { failures: 2, open_ms: 2_000 } }))
    // A POST, because the runtime itself repeats a GET when a connection that was kept open is closed.
    const post = async (client: number) =>
      (
        await resting.fetch(ask('reset', 2, key), {
          method: 'POST',
          headers: { 'cf-connecting-ip': `192.0.2.${client}` },
        })
      ).status
    expect([await post(1), await post(2), await post(3), await post(4)]).toEqual([502, 502, 503, 503])
    expect(await countOf(key)).toBe('2')
    await eventually(async () => expect(await post(5)).toBe(200), { interval: 50 })
    expect(await post(6)).toBe(200)
  })

  it('lets a health check find out whether a service is back, where the route has one', async () => {
    const key = newKey()
    const breaker = { failures: 2, open_ms: 2_000, health_check: `/cacheable?key=${key}` }
    const checked = makeGateway(passThrough({ retries: 0, circuit_breaker: breaker }))
    const statusFor = async (client: number) => {
      const init = { method: 'POST', headers: { 'cf-connecting-ip': `192.0.2.${client}` } }
      return (await checked.fetch(client > 2 ? '/things' : '/reset', init)).status
    }
    expect([await statusFor(1), await statusFor(2), await statusFor(3)]).toEqual([502, 502, 503])
    expect(await countOf(key)).toBe('0')
    await eventually(async () => expect(await statusFor(4)).toBe(200), { interval: 50 })
    expect(await countOf(key)).toBe('1')
    await checked.settled()
  })

  it('takes nothing from others for one client, one route, or a route that is slow', async () => {
    const routes = { '* /hang': { timeout_ms: 50 }, '* /reset': {}, '* /{path...}': {} }
    const shared = makeGateway(passThrough({ routes, retries: 0, circuit_breaker: { failures: 4, open_ms: 600_000 } }))
    const statusOf = async (path: string, client: number) => {
      const init = { method: 'POST', headers: { 'cf-connecting-ip': `192.0.2.${client}` } }
      return (await shared.fetch(path, init)).status
    }
    const hung: number[] = []
    for (let client = 0; client < 6; client += 1) hung.push(await statusOf('/hang', client))
    expect(hung).toEqual([504, 504, 504, 504, 504, 504])
    const reset: number[] = []
    for (let n = 0; n < 6; n += 1) reset.push(await statusOf('/reset', 1))
    expect([...reset, await statusOf('/reset', 2)]).toEqual([502, 502, 502, 502, 502, 502, 502])
    expect([await statusOf('/reset', 2), await statusOf('/reset', 3)]).toEqual([502, 503])
    expect(await statusOf('/things', 1)).toBe(200)
  })

  it('takes nothing from others for one client that has many IPv6 networks', async () => {
    const routes = { '* /reset': {}, '* /{path...}': {} }
    const shared = makeGateway(passThrough({ routes, retries: 0, circuit_breaker: { failures: 4, open_ms: 600_000 } }))
    const statusOf = async (address: string) =>
      (await shared.fetch('/reset', { method: 'POST', headers: { 'cf-connecting-ip': address } })).status
    const reset: number[] = []
    for (let n = 0; n < 6; n += 1) reset.push(await statusOf(`2001:db8:1:${n}::1`))
    expect(reset).toEqual([502, 502, 502, 502, 502, 502])
    expect(await statusOf('192.0.2.1')).toBe(502)
  })

  it('uses the other of two targets when one is down, and then no longer asks it', async () => {
    const target = [
      { url: 'http://127.0.0.1:1', weight: 1_000 },
      { url: UPSTREAM, weight: 1 },
    ]
    const pair = makeGateway(passThrough({ target, circuit_breaker: { failures: 1, open_ms: 600_000 } }))
    for (let n = 0; n < 5; n += 1) expect((await pair.fetch('/things')).status).toBe(200)
  })
})

describe('a body that is not whole', () => {
  const seen = async (key: string) => (await gateway.fetch(`/count?key=${encodeURIComponent(key)}`)).text()
  const arrives = (what: string) => eventually(async () => expect(await seen(what)).toBe('1'))
  type Controller = ReadableStreamDefaultController<Uint8Array>
  /** `between` is awaited after the first chunk. */
  const chunks = (count: number, last: (controller: Controller) => void, between = async () => {}) => {
    let sent = 0
    const pull = async (controller: Controller) => {
      if (sent === 1) await between()
      sent += 1
      if (sent > count) last(controller)
      else controller.enqueue(new Uint8Array(600))
    }
    return new ReadableStream<Uint8Array>({ pull }, { highWaterMark: 0 })
  }

  it('reaches the service as broken when the client breaks it off', async () => {
    const key = newKey()
    const goAway = (controller: Controller) => controller.error(new Error('the client went away'))
    const body = chunks(3, goAway, () => arrives(`begun ${key}`))
    await gateway.fetch(`/whole?key=${key}`, { method: 'POST', body })
    await arrives(`broken ${key}`)
    expect(await seen(`complete ${key}`)).toBe('0')
  })

  it('reaches the service as broken when it passes the limit on the way', async () => {
    const key = newKey()
    const narrow = makeGateway(passThrough({ max_body_bytes: 1_000 }))
    const body = chunks(
      20,
      (controller) => controller.close(),
      () => arrives(`begun ${key}`),
    )
    expect((await narrow.fetch(`/whole?key=${key}`, { method: 'POST', body })).status).toBe(413)
    await arrives(`broken ${key}`)
    expect(await seen(`complete ${key}`)).toBe('0')
  })

  it('is whole when it is', async () => {
    const key = newKey()
    const body = chunks(3, (controller) => controller.close())
    expect(await (await gateway.fetch(`/whole?key=${key}`, { method: 'POST', body })).text()).toBe('1800')
    await arrives(`complete ${key}`)
  })
})

describe('the size of a body', () => {
  const narrow = makeGateway(passThrough({ max_body_bytes: 10 }))

  it('is refused by what it says', async () => {
    const response = await narrow.fetch('/things', { method: 'POST', body: 'x'.repeat(11) })
    expect([response.status, await messageOf(response)]).toEqual([413, 'Body too large: at most 10 bytes are allowed.'])
  })

  it('is refused by what comes, if it says nothing', async () => {
    const body = new Blob(['x'.repeat(11)]).stream()
    expect((await narrow.fetch('/things', { method: 'POST', body })).status).toBe(413)
  })

  it('may be just so', async () => {
    expect((await narrow.echo('/things', { method: 'POST', body: 'x'.repeat(10) })).body).toHaveLength(10)
  })
})
