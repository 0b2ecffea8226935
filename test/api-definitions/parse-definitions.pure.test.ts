// What is refused, and how it is told: by API and route, field, and what would be right.
import { describe, expect, it } from 'vitest'
import { parseDefinition, parseDefinitions } from '../../src/api-definitions/parse-definitions.ts'

const nothing = {
  variable: () => undefined,
  hasService: () => false,
  hasRateLimit: () => false,
  hasSource: () => true,
  canSignClaims: false,
}

function problemsOf(document: unknown): readonly string[] {
  const parsed = parseDefinitions([document], nothing)
  return parsed.ok ? [] : parsed.reason.map(({ field, message, where }) => `${where}: ${field} ${message}`)
}

const withRoute = (route: unknown, shared = {}) => ({
  id: 'a',
  target: 'http://a.test',
  routes: { 'GET /x': route },
  ...shared,
})
const withEndpoint = (endpoint: object, api = {}) => ({
  id: 'a',
  version_data: { default: { endpoints: [{ id: 'x', method: 'GET', path_regex: '/x', ...endpoint }] } },
  proxy: { target_url: 'a.test', port: 80 },
  ...api,
})

it('names a definition of proxy.json by its number, from one, and its id', () => {
  const list = [withRoute({}), { routes: {} }, withRoute({}, { id: 'b', target: 5 })]
  const parsed = parseDefinitions(list, nothing, true)
  expect(parsed).toMatchObject({ ok: false, reason: [{ where: 'definition 2' }, { where: 'definition 3 (b)' }] })
})

it.each<[string, unknown, string]>([
  ['its id', withRoute({}, { id: 'a\ud800' }), 'api: id'],
  [
    'a line of routes',
    { id: 'a', target: 'http://a.test', routes: { 'GET /\ud800': {} } },
    'a/GET /\ud800: GET /\ud800',
  ],
  ['the id of an endpoint', withEndpoint({ id: '\ud800' }), 'a/\ud800: id'],
  ['a version', withEndpoint({}, { versioned: true, version_data: { '\ud800': { endpoints: [] } } }), 'api: \ud800'],
])('a definition is refused if half of a surrogate pair is in %s', (_what, document, field) => {
  expect(problemsOf(document)).toEqual([`${field} must be Unicode, without half a surrogate pair`])
})

describe('a definition in the short form', () => {
  it.each<[unknown, readonly string[]]>([
    [withRoute({}), []],
    [withRoute('/y'), []],
    [withRoute(5), ['a/GET /x: GET /x must be string, or object']],
    [
      withRoute({ timout_ms: 1, y: 2 }),
      ['a/GET /x: timout_ms there is no such field: did you mean "timeout_ms"?', 'a/GET /x: y there is no such field'],
    ],
    [withRoute({ cors: 'true' }), ['a/GET /x: cors must be boolean']],
    [withRoute({ timeout_ms: 1.5 }), ['a/GET /x: timeout_ms must be integer']],
    [withRoute({ retries: 9 }), ['a/GET /x: retries must be at most 5']],
    [withRoute({ rate_limit: { by: ['ip'] } }), ['a/GET /x: rate_limit.by must be one of ["address","user","route"]']],
    [withRoute({ circuit_breaker: true }), ['a/GET /x: circuit_breaker must be one of [false], or object']],
    [
      withRoute({ circuit_breaker: { failures: 0, open_ms: 100 } }),
      ['a/GET /x: circuit_breaker.failures must be at least 1'],
    ],
    [
      withRoute({ response_from: 'kafak' }),
      ['a/GET /x: response_from must be one of ["http","kafka","http_async","nats"]'],
    ],
    [withRoute({ request_headers: { 'a b': '1' } }), ['a/GET /x: request_headers.a b must be a header name']],
    [
      withRoute({ request_headers: { a: '1\r\nb: 2' } }),
      ['a/GET /x: request_headers.a must be a header value: one line'],
    ],
    [
      withRoute({ claims: { '/role': null } }),
      ['a/GET /x: claims./role must be string, or a number, or boolean, or list'],
    ],
    [withRoute({ secured: {} }), ['a/GET /x: secured must name a header, a query parameter or a cookie']],
    [withRoute({ secured: { header: 'x token' } }), ['a/GET /x: secured.header must be a header name']],
    [withRoute({ secured: { cookie: 'a;b' } }), ['a/GET /x: secured.cookie must be a cookie name']],
    [withRoute({ secured: { header: 'x-key', cooky: 'x' } }), ['a/GET /x: secured.cooky there is no such field']],
    [withRoute({ host: 'a.test:99999' }), ['a/GET /x: host must be the name of a host, and a port up to 65535']],
    [
      withRoute({ request_headers: { Upgrade: 'websocket', te: 'x' } }),
      [
        'a/GET /x: request_headers.upgrade is set by the runtime for each connection',
        'a/GET /x: request_headers.te is set by the runtime for each connection',
      ],
    ],
    [withRoute({}, { target: 5 }), ['api: target must be string, or list']],
    [withRoute({}, { target: [{ url: 'http://a.test', weight: 0 }] }), ['api: weight must be at least 1']],
    [withRoute({}, { target: undefined }), ['a/GET /x: target must be present, here or beside routes']],
    [withRoute({}, { route: {} }), ['api: route there is no such field: did you mean "routes"?']],
    [withRoute({}, { routes: [] }), ['api: routes must be object']],
    [
      { id: 'a', target: 'http://a.test', route: { 'GET /x': {} } },
      ['api: routes must be present', 'api: route there is no such field: did you mean "routes"?'],
    ],
    [{ routes: {} }, ['api: id must be present']],
    [5, ['api: api must be object']],
  ])('%j: %j', (document, problems) => expect(problemsOf(document)).toEqual(problems))
})

describe('a route that no request could reach', () => {
  const method = 'must be a method that a Worker can send, such as GET, or *'
  const dots = 'must have no segment "." or "..", escaped or not: they are resolved'

  it.each([
    ['GTE /x', `method ${method}`],
    ['TRACE /x', `method ${method}`],
    ['GET /a\\b', 'path must have no "\\": in a URL it is "/"'],
    ['GET /a/../b', 'path must have no segment "." or "..": clients resolve them'],
    ['GET /%2E%2e/b', `path ${dots}`],
    ['GET /a/..%2fb', `path ${dots}`],
    ['GET /a/..;/b', `path ${dots}`],
  ])('is refused: %s', (line, problem) =>
    expect(problemsOf({ id: 'a', target: 'http://a.test', routes: { [line]: {} } })).toEqual([`a/${line}: ${problem}`]),
  )

  it('is refused in RIG’s format', () => {
    expect(problemsOf(withEndpoint({ method: 'connect' }))).toEqual([`a/x: method ${method}`])
  })

  it('does not take its API away where it was stored before there was the rule', () => {
    const routes = { 'GTE /x': {}, 'GET /%2e/y': {} }
    const stored = withRoute({}, { request_headers: { te: 'x' }, secured: {}, routes })
    expect(parseDefinition(stored, nothing)).toMatchObject({ ok: true })
  })
})

describe('a definition in RIG’s format', () => {
  it('says in which option a field is, and of which API', () => {
    const endpoints = [{ id: 'x', method: 'GET', path_regex: '/x' }]
    const version_data = { default: { endpoints, transform_request_headers: { add_headers: { 'x-key': 5 } } } }
    expect(problemsOf(withEndpoint({}, { version_data }))).toEqual(['api: add_headers.x-key must be string'])
  })

  it('may name the Host that RIG’s documentation does, without an effect, and no other header of a connection', () => {
    const endpoints = [{ id: 'x', method: 'GET', path_regex: '/x', transform_request_headers: true }]
    const adding = (add_headers: object) =>
      problemsOf(
        withEndpoint({}, { version_data: { default: { endpoints, transform_request_headers: { add_headers } } } }),
      )
    expect(adding({ host: 'b' })).toEqual([])
    expect(adding({ Connection: 'close' })).toEqual([
      'a/x: request_headers.connection is set by the runtime for each connection',
    ])
  })

  it('names headers and cookies that can be', () => {
    const auth = { use_header: true, header_name: 'x token', use_cookie: true, cookie_name: 'a b' }
    expect(problemsOf(withEndpoint({}, { auth_type: 'jwt', auth }))).toEqual([
      'a: header_name must be a header name',
      'a: cookie_name must be a cookie name',
    ])
  })

  it.each<[unknown, readonly string[]]>([
    [withEndpoint({ secure: true }), ['a/x: secure there is no such field: did you mean "secured"?']],
    [withEndpoint({}, { prxoy: {} }), ['api: prxoy there is no such field: did you mean "proxy"?']],
    [withEndpoint({ path: '/y' }), ['a/x: path there is no such field: did you mean "path_regex"?']],
    [withEndpoint({ id: undefined }), ['a/endpoint 1: id must be present']],
    [withEndpoint({ unknown: 1 }), ['a/x: unknown there is no such field']],
  ])('names fields that do not exist, and what is near: %j', (document, problems) =>
    expect(problemsOf(document)).toEqual(problems),
  )

  it('may have RIG’s metadata, and the type of older versions', () => {
    const meta = { node_name: 'rig@a', phx_ref: 'x', ref_number: 3, timestamp: '2020-01-01T00:00:00Z', name: 'a' }
    expect(problemsOf(withEndpoint({ type: 'http' }, meta))).toEqual([])
  })
})

describe('a route where Rigel’s own paths are', () => {
  const refusal = 'path must not be below /_rig/: these paths are Rigel’s own'
  const withPath = (path: string) => ({ id: 'a', target: 'http://a.test', routes: { [`GET ${path}`]: {} } })

  it.each(['/_rig', '/_rig/x', '/%5frig/{rest...}'])('is refused: %s', (path) =>
    expect(problemsOf(withPath(path))).toEqual([`a/GET ${path}: ${refusal}`]),
  )

  it('is refused in RIG’s format', () => {
    expect(problemsOf(withEndpoint({ path_regex: '/_rig/.+' }))).toEqual([`a/x: ${refusal}`])
  })

  it.each(['/_rigel', '/x/_rig', '/_RIG/x', '/{any}/x'])('is not meant by %s', (path) =>
    expect(problemsOf(withPath(path))).toEqual([]),
  )
})

describe('a route that asks for scopes or claims', () => {
  it.each<[unknown, readonly string[]]>([
    [withRoute({ scopes: ['a'] }), ['a/GET /x: scopes needs secured: true']],
    [
      withRoute({ client_headers: ['x-user', 'X-Forwarded-For', 'te', 'x-own', 'X_Rigel_User'] }),
      [
        'a/GET /x: client_headers x-forwarded-for is written by Rigel',
        'a/GET /x: client_headers te ends at Rigel, because it is for one hop',
        'a/GET /x: client_headers x-own is not removed: clients may send it anyway',
        'a/GET /x: client_headers x_rigel_user is written by Rigel',
      ],
    ],
    [withRoute({ claims: { '/role': 'a' } }), ['a/GET /x: claims needs secured: true']],
    [withRoute({}, { scopes: ['a'] }), ['a/GET /x: scopes needs secured: true']],
    [withRoute({ secured: false, scopes: ['a'] }, { secured: true }), ['a/GET /x: scopes needs secured: true']],
    [
      withEndpoint({ scopes: ['a'], claims: { '/b': 1 } }),
      ['a/x: scopes needs secured: true', 'a/x: claims needs secured: true'],
    ],
  ])('is never open to all: %j', (document, problems) => expect(problemsOf(document)).toEqual(problems))

  it.each([
    withRoute({ scopes: ['a'] }, { secured: true }),
    withRoute({ secured: true }, { scopes: ['a'] }),
    withRoute({ secured: false }, { secured: true, scopes: ['a'] }),
    withEndpoint({ secured: true, scopes: ['a'] }, { auth_type: 'jwt' }),
  ])('is taken where a token is asked for, or where it is said to be open: %j', (document) =>
    expect(problemsOf(document)).toEqual([]),
  )
})
