import { describe, expect, it } from 'vitest'
import { tokenOf } from '../../support/make-tokens.ts'
import { makeGateway, passThrough, UPSTREAM } from './gateway.ts'

const bearer = async (user: string) => ({ authorization: `Bearer ${await tokenOf(user)}` })

/** A binding of the platform's shape; how it counts is the platform's. */
function limiter(limit: number) {
  const counts = new Map<string, number>()
  return {
    limit: async ({ key }: { key: string }) => {
      counts.set(key, (counts.get(key) ?? 0) + 1)
      return { success: (counts.get(key) ?? 0) <= limit }
    },
  }
}

describe('rate limits', () => {
  const from = (address: string) => ({ headers: { 'cf-connecting-ip': address } })
  const limited = (by: readonly string[], options = {}) =>
    makeGateway(passThrough({ rate_limit: { binding: 'LIMIT', by }, ...options }), { LIMIT: limiter(2) })

  it('by address: 429, with Retry-After and CORS', async () => {
    const gateway = limited(['address'])
    const responses = [
      await gateway.fetch('/', from('192.0.2.1')),
      await gateway.fetch('/', from('192.0.2.1')),
      await gateway.fetch('/', from('192.0.2.1')),
      await gateway.fetch('/', from('192.0.2.2')),
    ]
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 429, 200])
    expect([
      responses[2]?.headers.get('retry-after'),
      responses[2]?.headers.get('access-control-allow-origin'),
    ]).toEqual(['2', '*'])
  })

  it('by address come before the token is looked at', async () => {
    const gateway = limited(['address'], { secured: true })
    const statuses: number[] = []
    for (let n = 0; n < 3; n += 1) statuses.push((await gateway.fetch('/', from('192.0.2.1'))).status)
    expect(statuses).toEqual([401, 401, 429])
  })

  it('by user', async () => {
    const gateway = limited(['user'], { secured: true })
    const statuses: number[] = []
    for (const user of ['alice', 'alice', 'alice', 'bob'])
      statuses.push((await gateway.fetch('/', { headers: await bearer(user) })).status)
    expect(statuses).toEqual([200, 200, 429, 200])
  })

  it('by route: one does not use up another’s', async () => {
    const gateway = limited(['route'], { routes: { 'GET /a': {}, 'GET /b': {} } })
    const statuses: number[] = []
    for (const path of ['/a', '/a', '/a', '/b']) statuses.push((await gateway.fetch(path)).status)
    expect(statuses).toEqual([200, 200, 429, 200])
  })

  it('by route: a version of an endpoint has one count, by path and by header, and no other version’s', async () => {
    const limit = { binding: 'LIMIT', by: ['route'] }
    const endpoints = [{ id: 'one', method: 'GET', path_regex: '/a', rate_limit: limit }]
    const { hostname, port } = new URL(UPSTREAM)
    const version_data = { v1: { endpoints }, v2: { endpoints } }
    const proxy = { target_url: hostname, port: Number(port) }
    const gateway = makeGateway([{ id: 'a', versioned: true, version_data, proxy }], { LIMIT: limiter(2) })
    const ask = async (path: string, version = '') =>
      (await gateway.fetch(path, { headers: { 'accept-version': version } })).status
    expect([await ask('/v2/a'), await ask('/a', 'v2'), await ask('/a', 'v2'), await ask('/v2/a')]).toEqual([
      200, 200, 429, 429,
    ])
    expect([await ask('/a', 'v1'), await ask('/v1/a'), await ask('/a', 'v1')]).toEqual([200, 200, 429])
  })

  it('by the platform’s own binding, where the route names none', async () => {
    const gateway = makeGateway(passThrough({ rate_limit: {} }))
    expect((await gateway.fetch('/', from('192.0.2.9'))).status).toBe(200)
  })
})

describe('CORS', () => {
  const origin = 'https://app.example.com'
  const preflight = {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-own' },
  }

  it('is the service’s own where the route says nothing', async () => {
    const gateway = makeGateway(passThrough())
    expect((await gateway.echo('/', preflight)).method).toBe('OPTIONS')
    expect((await gateway.fetch('/', { headers: { origin } })).headers.has('access-control-allow-origin')).toBe(false)
  })

  it('is the service’s where the path has an endpoint for OPTIONS, as in RIG', async () => {
    const { hostname, port } = new URL(UPSTREAM)
    const endpoints = [
      { id: 'get', method: 'GET', path_regex: '/x' },
      { id: 'preflight', method: 'OPTIONS', path_regex: '/x' },
      { id: 'post', method: 'POST', path_regex: '/x', target: 'kafka', topic: 'preflights' },
    ]
    const proxy = { target_url: hostname, port: Number(port) }
    const declared = makeGateway([{ id: 'rig', name: 'rig', version_data: { default: { endpoints } }, proxy }])
    expect((await declared.echo('/x', preflight)).method).toBe('OPTIONS')
    const [get, , post] = endpoints
    const own = makeGateway([{ id: 'rig', name: 'rig', version_data: { default: { endpoints: [get, post] } }, proxy }])
    expect((await own.fetch('/x', preflight)).headers.get('access-control-allow-methods')).toBe('POST')
  })

  it('is Rigel’s where it says so: preflights, answers and refusals', async () => {
    const gateway = makeGateway(passThrough({ cors: true, routes: { 'GET /a': {}, 'PUT /a': {}, 'GET /b': {} } }), {
      CORS: `${origin},https://b.example`,
    })
    const answered = await gateway.fetch('/a', preflight)
    expect(Object.fromEntries(answered.headers)).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET, HEAD, PUT',
      'access-control-allow-headers': 'x-own',
      vary: 'Origin',
    })
    for (const path of ['/a', '/nowhere']) {
      expect((await gateway.fetch(path, { headers: { origin } })).headers.get('access-control-allow-origin')).toBe(
        origin,
      )
    }
    const stranger = await gateway.fetch('/a', { headers: { origin: 'https://evil.example' } })
    expect(stranger.headers.get('access-control-allow-origin')).toBe(origin)
  })
})

describe('the cache', () => {
  let keys = 0
  const gateway = makeGateway(passThrough({ cache: true, routes: { 'GET /{path...}': {} } }))
  const newPath = (control: string, headers: object = {}) =>
    `/cacheable?key=cache-${(keys += 1)}&control=${encodeURIComponent(control)}&headers=${encodeURIComponent(JSON.stringify(headers))}`
  /** Asked twice: what both answers were. */
  const twice = async (path: string, init: RequestInit = {}) => {
    const answers: string[] = []
    for (let n = 0; n < 2; n += 1) {
      answers.push(await (await gateway.fetch(path, init)).text())
      await gateway.settled()
    }
    return answers
  }

  it.each(['max-age=60', 'public, max-age=60', 'max-age=0, s-maxage=60'])(
    'keeps what may be shared: %s',
    async (control) => {
      expect(await twice(newPath(control))).toEqual(['1', '1'])
    },
  )

  it.each([
    '',
    'no-store',
    'private, max-age=60',
    'no-cache, max-age=60',
    'max-age=0',
    's-maxage=0, max-age=60',
    'must-revalidate',
    'x-max-age=60',
  ])('keeps nothing else: %j', async (control) => expect(await twice(newPath(control))).toEqual(['1', '2']))

  it.each([{ 'set-cookie': 'a=1' }, { vary: 'origin' }, { vary: '*' }, { vary: 'Accept-Encoding, Accept' }])(
    'keeps nothing that is one client’s: %j',
    async (headers) => expect(await twice(newPath('max-age=60', headers))).toEqual(['1', '2']),
  )

  it.each<Record<string, string>>([{ authorization: 'Bearer x' }, { cookie: 'a=1' }, { 'cache-control': 'no-cache' }])(
    'is not asked for %j, and keeps no answer to it',
    async (headers) => {
      const path = newPath('max-age=60')
      expect(await twice(path, { headers })).toEqual(['1', '2'])
      expect(await (await gateway.fetch(path)).text()).toBe('3')
    },
  )

  it('keeps what is compressed readable for all, and nothing that it cannot read', async () => {
    const compressed = '/coded?key=compressed'
    const headers = { 'accept-encoding': 'gzip' }
    expect(await twice(compressed, { headers })).toEqual(['compressed text', 'compressed text'])
    const plain = await gateway.fetch(compressed)
    expect([plain.headers.get('cache-status'), plain.headers.get('content-encoding'), await plain.text()]).toEqual([
      'rigel; hit',
      null,
      'compressed text',
    ])
    await twice('/coded?coding=zstd', { headers })
    expect((await gateway.fetch('/coded?coding=zstd')).headers.get('cache-status')).toBeNull()
  })

  it('says what it did', async () => {
    const path = newPath('max-age=60')
    const first = await gateway.fetch(path)
    await first.text()
    await gateway.settled()
    const second = await gateway.fetch(path)
    expect([first.headers.get('cache-status'), second.headers.get('cache-status')]).toEqual([
      'rigel; fwd=miss; stored',
      'rigel; hit',
    ])
    await second.text()
  })

  it('keeps nothing that the client did not read to its end', async () => {
    const path = newPath('max-age=60')
    await (await gateway.fetch(path)).body?.cancel()
    await gateway.settled()
    expect(await (await gateway.fetch(path)).text()).toBe('2')
  })

  it('tells routes apart that ask the same address', async () => {
    const path = newPath('max-age=60')
    await twice(path)
    const other = makeGateway(passThrough({ id: 'other', cache: true, routes: { 'GET /{path...}': {} } }))
    expect(await (await other.fetch(path)).text()).toBe('2')
  })

  it('tells versions of an endpoint apart that have one id and one path', async () => {
    const endpoints = [{ id: 'all', method: 'GET', path_regex: '/.*', cache: true }]
    const { hostname, port } = new URL(UPSTREAM)
    const versioned = makeGateway([
      {
        id: 'versioned',
        versioned: true,
        version_data: { v1: { endpoints }, v2: { endpoints } },
        proxy: { target_url: hostname, port: Number(port) },
      },
    ])
    const path = newPath('max-age=60')
    const ask = async (version: string) => {
      const text = await (await versioned.fetch(path, { headers: { 'accept-version': version } })).text()
      await versioned.settled()
      return text
    }
    expect([await ask('v1'), await ask('v1'), await ask('v2'), await ask('v2')]).toEqual(['1', '1', '2', '2'])
  })
})
