import { describe, expect, it } from 'vitest'
import { CALLER_ENDINGS, CALLER_HEADERS } from '../../../src/api-definitions/caller-headers.ts'
import gatewayPage from '../../../docs/gateway.md?raw'
import { tokenOf } from '../../support/make-tokens.ts'
import { makeGateway, passThrough, UPSTREAM } from './gateway.ts'

const gateway = makeGateway(passThrough())
const namesOf = (rawHeaders: readonly string[]) => rawHeaders.filter((_, index) => index % 2 === 0)

describe('headers on their way to a service', () => {
  it('are the client’s, but for what belongs to one hop', async () => {
    const { headers } = await gateway.echo('/', {
      headers: {
        accept: 'text/x',
        'x-own': 'kept',
        connection: 'keep-alive, X-Private, transfer-encoding, x-"broken',
        'x-private': 'for this hop',
        'keep-alive': 'timeout=5',
        'proxy-authorization': 'Basic c2VjcmV0',
        'proxy-connection': 'close',
        te: 'trailers',
        trailer: 'x-later',
        'http2-settings': 'AAMAAABk',
        expect: '100-continue',
      },
    })
    expect(headers).toMatchObject({ accept: 'text/x', 'x-own': 'kept' })
    const hop = [
      'x-private',
      'keep-alive',
      'proxy-authorization',
      'proxy-connection',
      'te',
      'trailer',
      'http2-settings',
      'expect',
    ]
    expect(hop.filter((name) => name in headers)).toEqual([])
  })

  it('say who asked, whatever the client said before', async () => {
    const { headers } = await gateway.echo('/', {
      headers: {
        'cf-connecting-ip': '2001:db8::7',
        forwarded: 'for=10.0.0.1;proto=gopher',
        'x-forwarded-for': '10.0.0.1',
        'x-forwarded-host': 'evil.example.com',
        'x-forwarded-proto': 'gopher',
        'x-forwarded-port': '1',
        'x-real-ip': '10.0.0.1',
      },
    })
    expect(headers).toMatchObject({
      forwarded: 'for="[2001:db8::7]";host="rigel.test";proto=https',
      'x-forwarded-for': '2001:db8::7',
      'x-forwarded-host': 'rigel.test',
      'x-forwarded-proto': 'https',
      via: '1.1 rigel',
    })
    expect(['x-forwarded-port', 'x-real-ip'].filter((name) => name in headers)).toEqual([])
  })

  it.each([
    'x_forwarded_for',
    'X-Forwarded-User',
    'X-Forwarded-Prefix',
    'True-Client-IP',
    'X-Client-IP',
    'X-Original-URL',
    'X-Original-Host',
    'X-Rewrite-URL',
    'X-HTTP-Method-Override',
    'X-Method-Override',
  ])('say nothing else of the request than what the route was found by: not %s', async (name) => {
    const { rawHeaders } = await gateway.echo('/', { headers: { [name]: 'forged' } })
    expect(rawHeaders).not.toContain('forged')
  })

  const spellings = (name: string) => [name, name.replaceAll('-', '_'), name.replaceAll('-', '.'), name.toUpperCase()]

  it.each(
    [
      ...CALLER_HEADERS.map((name) => name.replace('*', 'any')),
      ...CALLER_ENDINGS.flatMap((word) => [`x-${word}`, `x-any-${word}`, `auth-${word}`]),
    ].flatMap(spellings),
  )('say nothing of the caller by %s', async (name) => {
    const { rawHeaders } = await gateway.echo('/', { headers: { [name]: 'forged' } })
    expect(rawHeaders).not.toContain('forged')
  })

  // What products that authenticate before a service say, by their documentation.
  it.each([
    // PHP's usual function for the address of a client, request-ip, python-ipware; CDNs of DigitalOcean and Alibaba.
    'Forwarded-For',
    'Forwarded-For-IP',
    'Client-IP',
    'True-Client-IP',
    'Real-IP',
    'CF-Pseudo-IPv4',
    'DO-Connecting-IP',
    'Ali-CDN-Real-IP',
    'X-Forwarded-Preferred-Username',
    'X-Forwarded-Access-Token',
    'X-Auth-Request-Email',
    'Remote-Groups',
    'X-authentik-entitlements',
    'X-Pomerium-Claim-Email',
    'Cf-Access-Authenticated-User-Email',
    'X-Goog-IAP-JWT-Assertion',
    'X-Amzn-Oidc-Data',
    'X-MS-CLIENT-PRINCIPAL-NAME',
    'X-MS-TOKEN-AAD-ID-TOKEN',
    'X-Consumer-Custom-ID',
    'X-Anonymous-Consumer',
    'X-Forwarded-Tls-Client-Cert-Info',
    'X-Envoy-External-Address',
    'Tailscale-User-Login',
    'X-Vouch-IdP-Claims-Groups',
    'SSL_CLIENT_S_DN',
    'X-SSL-Client-Verify',
    'X-Client-Cert',
    'X-Okta-User',
    'SM_USER',
    '$WSRU',
    'WL-Proxy-Client-Cert',
    'X-User',
    'X-User-Id',
    'X-Auth-User',
    'X-Rh-Identity',
    'X-Proxy-Roles',
    'X-Jwt-Claim-Sub',
    'Php-Auth-User',
    'kubeflow-userid',
  ])('say nothing of the caller as a product does by %s', async (name) => {
    const { rawHeaders } = await gateway.echo('/', { headers: { [name]: 'forged' } })
    expect(rawHeaders).not.toContain('forged')
  })

  it.each([
    'authorization',
    'cookie',
    'sec-fetch-user',
    'x-user-agent',
    'x-grpc-web',
    'x-requested-with',
    'x-request-id',
    'x-correlation-id',
    'x-csrf-token',
    'x-api-key',
    'x-auth-token',
    'x-access-token',
    'x-amz-content-sha256',
    'x-goog-api-key',
    'x-goog-user-project',
    'x-hub-signature-256',
    'x-client-version',
    'x-hasura-role',
    'x-tenant-id',
    'cf-access-jwt-assertion',
  ])('keep what a service checks itself, or says nothing of the caller: %s', async (name) => {
    const { rawHeaders } = await gateway.echo('/', { headers: { [name]: 'sent' } })
    expect(rawHeaders).toContain('sent')
  })

  it('say who asks where a route lets its clients, in the one spelling that it names', async () => {
    const routes = { 'GET /open': { client_headers: ['X-User', 'SM_USER'] }, '* /{path...}': {} }
    const letting = makeGateway(passThrough({ routes }))
    const headers = { 'x-user': 'a', x_user: 'b', 'x-user-id': 'c', sm_user: 'd', 'sm-user': 'e' }
    const said = (raw: readonly string[]) => raw.filter((_, index) => 'abcde'.includes(raw[index] ?? 'none'))
    expect(said((await letting.echo('/open', { headers })).rawHeaders).toSorted()).toEqual(['a', 'd'])
    expect(said((await letting.echo('/other', { headers })).rawHeaders)).toEqual([])
  })

  it('that say something of the caller are all in the documentation', () => {
    expect([...CALLER_HEADERS, ...CALLER_ENDINGS].filter((name) => !gatewayPage.includes(`\`${name}\``))).toEqual([])
  })

  it.each([
    ['content_length', {}],
    ['Accept.Encoding', {}],
    ['x_key', { request_headers: { 'X-Key': 'set' } }],
    ['x.token', { secured: { header: 'x-token' } }],
    ['x_own', {}],
  ])('come in one spelling: not %s beside what it may be taken for', async (name, options) => {
    const spelled = makeGateway(passThrough(options))
    const headers = { [name]: 'forged', 'x-own': 'kept', 'x-token': await tokenOf('alice') }
    expect((await spelled.echo('/', { headers })).rawHeaders).not.toContain('forged')
  })

  it('keep a spelling of the client’s own where nothing else has it', async () => {
    expect((await gateway.echo('/', { headers: { x_custom: 'a', 'x.other': 'b' } })).rawHeaders).toEqual(
      expect.arrayContaining(['x_custom', 'a', 'x.other', 'b']),
    )
  })

  it.each(['x-rigel-user', 'X-Rigel-Claims', 'x_rigel_user', 'x-rigel_jwt', 'x-rigel-anything'])(
    'never hold a claim that the client made: %s',
    async (name) => {
      const { rawHeaders } = await gateway.echo('/', { headers: { [name]: 'admin' } })
      expect(namesOf(rawHeaders).filter((sent) => /x[-_]rigel/i.test(sent))).toEqual([])
    },
  )

  it('have one content-length, the body’s own', async () => {
    const { body, rawHeaders } = await gateway.echo('/', {
      method: 'POST',
      body: 'GET /admin HTTP/1.1\r\nhost: x\r\n\r\n',
      headers: { 'content-length': '3', 'transfer-encoding': 'chunked, identity' },
    })
    const lengths = rawHeaders.filter((_, index) => rawHeaders[index - 1]?.toLowerCase() === 'content-length')
    const codings = namesOf(rawHeaders).filter((name) => name.toLowerCase() === 'transfer-encoding')
    expect(body).toMatch(/^GET \/admin/)
    expect([[String(body.length)], ['Transfer-Encoding']]).toContainEqual([...lengths, ...codings])
  })

  it('name the service as Host', async () => {
    expect((await gateway.echo('/')).headers['host']).toBe(new URL(UPSTREAM).host)
  })

  it.each([
    [undefined, 'books'],
    ['client', 'rigel.test'],
    ['books.internal', 'books.internal'],
  ])('name to a service binding as Host, by `host: %s`, %s', async (host, expected) => {
    const BOOKS = { fetch: async (request: Request) => Response.json({ url: request.url }) }
    const bound = makeGateway(passThrough({ target: 'service:BOOKS', ...(host === undefined ? {} : { host }) }), {
      BOOKS,
    })
    expect((await bound.echo('/a?b=c')).url).toBe(`http://${expected}/a?b=c`)
  })

  it('are set and removed as the route says, in requests and answers', async () => {
    const changing = makeGateway(
      passThrough({
        request_headers: { 'X-Key': 'of the service', accept: 'application/json' },
        response_headers: { set: { 'x-frame-options': 'DENY' }, remove: ['X-Echo'] },
      }),
    )
    const response = await changing.fetch('/', { headers: { 'x-key': 'of a client' } })
    expect([response.headers.get('x-frame-options'), response.headers.get('x-echo')]).toEqual(['DENY', null])
    expect(await response.json()).toMatchObject({ headers: { 'x-key': 'of the service', accept: 'application/json' } })
  })
})

describe('the offsets of a state', () => {
  const STATE = { 'rigel-as-of': 'orders/0@1, orders/1@2' }
  const ANY = { 'access-control-allow-origin': '*' }

  it.each([
    ['that the service answers', { ...STATE, ...ANY, 'access-control-expose-headers': 'X-A' }, {}, 'X-A, Rigel-As-Of'],
    ['that the route answers', STATE, { set: ANY }, 'Rigel-As-Of'],
    ['and its own, that the route answers', {}, { set: { ...STATE, ...ANY } }, 'Rigel-As-Of'],
    ['that the route takes away', { ...STATE, ...ANY }, { remove: ['Access-Control-Allow-Origin'] }, null],
    ['without offsets', ANY, {}, null],
  ])('may be read by pages of other origins: %s', async (_title, headers, response_headers, exposed) => {
    const route = makeGateway(passThrough({ response_headers }))
    const response = await route.fetch(`/cacheable?headers=${encodeURIComponent(JSON.stringify(headers))}`)
    expect(response.headers.get('access-control-expose-headers')).toBe(exposed)
  })
})

describe('the trace', () => {
  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
  const traced = async (headers: Record<string, string>) => (await gateway.echo('/', { headers })).headers

  it('goes on with a span of its own', async () => {
    const headers = await traced({ traceparent: `00-${TRACE}-00f067aa0ba902b7-00`, tracestate: 'a=1' })
    expect(headers['traceparent']).toMatch(new RegExp(`^00-${TRACE}-(?!00f067aa0ba902b7)[0-9a-f]{16}-00$`))
    expect(headers['tracestate']).toBe('a=1')
  })

  it.each([
    [`01-${TRACE}-00f067aa0ba902b7-03`, '01'],
    [`cc-${TRACE}-00f067aa0ba902b7-02-what-comes-later`, '00'],
  ])('is read as version 00 where its version is higher: %s', async (traceparent, flags) => {
    const headers = await traced({ traceparent, tracestate: 'a=1' })
    expect(headers['traceparent']).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-${flags}$`))
    expect(headers['tracestate']).toBe('a=1')
  })

  it.each([
    undefined,
    'garbage',
    `00-${TRACE}-00f067aa0ba902b7-01-more`,
    `01-${TRACE}-00f067aa0ba902b7-01more`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `ff-${TRACE}-00f067aa0ba902b7-01`,
  ])('begins anew where there is none: %s', async (traceparent) => {
    const headers = await traced({ tracestate: 'a=1', ...(traceparent === undefined ? {} : { traceparent }) })
    expect(headers['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    expect(headers['traceparent']).not.toContain(TRACE)
    expect(headers).not.toHaveProperty('tracestate')
  })
})

describe('where a request can go', () => {
  const narrow = makeGateway(
    passThrough({ routes: { 'GET /public/{path...}': '/v1/public/{path...}', 'GET /user/{id}': '/u/{id}/show' } }),
  )

  it.each([
    '/public/..%2fadmin',
    '/public/%2e%2e%2Fadmin',
    '/public/a%5c..%5c..%5cadmin',
    '/user/..%2f..',
    '/user/.%2e%2fx',
    '/public/%2E%2f',
    '/public/..;/admin',
    '/public/..%3bx=1/admin',
  ])('not out of its path by encoding: %s', async (path) => {
    expect((await narrow.fetch(path)).status).toBe(400)
  })

  it.each([
    ['/%61dmin/x', 401],
    ['/admin/', 401],
    ['//admin/x', 400],
    ['/admin%2fx', 400],
    ['/ADMIN/x', 400],
    ['/admin;a=1/x', 400],
    ['//admin', 400],
  ])('not past a route that needs a token, by writing its path otherwise: %s', async (path, status) => {
    const routes = { 'GET /admin': { secured: true }, 'GET /admin/{rest...}': { secured: true }, '* /{path...}': {} }
    expect((await makeGateway(passThrough({ routes })).fetch(path)).status).toBe(status)
  })

  it('not out of its path by dots: the path is what they come to', async () => {
    expect((await narrow.fetch('/public/../admin')).status).toBe(404)
    expect((await narrow.echo('/public/a/%2e%2e/b')).url).toBe('/v1/public/b')
  })

  it.each(['/public//evil.example.com/x', '/public/@evil.example.com', '/public/http://evil.example.com/'])(
    'to its own service only: %s',
    async (path) => {
      expect((await narrow.echo(path)).url).toBe(`/v1${path}`)
    },
  )

  it('never where Rigel’s own paths are', async () => {
    for (const path of ['/_rig', '/_rig/', '/_rig/nothing', '/_rig/v1/nothing', '/%5Frig/nothing', '/_rig?a']) {
      expect((await gateway.fetch(path)).status).toBe(404)
    }
    expect((await gateway.echo('/_rigel')).url).toBe('/_rigel')
  })

  it('not round and round: 508 when it has come by several times', async () => {
    const passed = (times: number) =>
      gateway.fetch('/', { headers: { via: Array(times).fill('1.1 rigel').join(', ') } })
    expect([(await passed(2)).status, (await passed(5)).status]).toEqual([200, 508])
  })

  it('nowhere, without a definition', async () => {
    const response = await makeGateway([]).fetch('/anything')
    expect([response.status, await response.json()]).toEqual([404, { message: 'Not Found' }])
  })
})
