import { describe, expect, it } from 'vitest'
import { importOpenApi } from '../../src/api-definitions/import/import-openapi.ts'
import { parseDefinitions } from '../../src/api-definitions/parse-definitions.ts'

const nothing = {
  variable: () => undefined,
  hasService: () => false,
  hasSource: () => true,
  hasRateLimit: () => false,
  canSignClaims: false,
}
const BY_DEFAULT = { id: null, target: null }
const document = (more: object = {}) => ({
  openapi: '3.1.0',
  info: { title: 'Book Store', version: '1' },
  servers: [{ url: 'https://{region}.example.com/v1/', variables: { region: { default: 'eu' } } }],
  paths: { '/books': { get: {} } },
  components: {
    securitySchemes: {
      bearer: { type: 'http', scheme: 'Bearer' },
      oauth: { type: 'oauth2', flows: {} },
      key: { type: 'apiKey', in: 'header', name: 'x-key' },
    },
  },
  ...more,
})

function imported(more: object = {}, options = BY_DEFAULT) {
  const result = importOpenApi(document(more), options)
  if (!result.ok) throw new Error(result.reason)
  expect(parseDefinitions([result.value.definition], nothing)).toMatchObject({ ok: true })
  return { ...result.value, routes: result.value.definition['routes'] as Record<string, unknown> }
}

describe('an OpenAPI document', () => {
  it('becomes a definition with its title, first server, paths and methods', () => {
    const paths = { '/books/{book-id}': { get: {}, delete: {} }, '/books/new': { get: {} }, '/books': { post: {} } }
    const { definition, routes, unmapped } = imported({ paths })
    expect(definition).toMatchObject({ id: 'book-store', name: 'Book Store', target: 'https://eu.example.com/v1' })
    // Concrete paths first, because the first route that matches wins.
    expect(Object.keys(routes)).toEqual([
      'GET /books/new',
      'POST /books',
      'GET /books/{book_id}',
      'DELETE /books/{book_id}',
    ])
    expect(unmapped).toEqual([])
  })

  it('may be given another id and target', () => {
    const { definition } = imported({ servers: [] }, { id: 'books', target: 'http://127.0.0.1:9' } as never)
    expect(definition).toMatchObject({ id: 'books', target: 'http://127.0.0.1:9' })
  })

  it.each([
    [undefined, undefined, {}],
    [[{ bearer: [] }], undefined, { secured: true }],
    [[{ bearer: [] }], [], {}],
    [undefined, [{ oauth: ['books:read', 'books:write'] }], { secured: true, scopes: ['books:read', 'books:write'] }],
    [undefined, [{ key: [] }], { secured: true }],
    [undefined, [{ unknown: [] }], { secured: true }],
    [undefined, [{}, { bearer: [] }], { secured: true }],
  ])('with the security %j and %j of an operation has a route with %j', (shared, own, expected) => {
    const get = own === undefined ? {} : { security: own }
    const { routes } = imported({ ...(shared === undefined ? {} : { security: shared }), paths: { '/books': { get } } })
    expect(routes['GET /books']).toEqual(expected)
  })

  it.each([{ bearer: [] }, ['bearer'], [null], 'bearer', 1])(
    'is never open where it says something of security that cannot be read: %j',
    (security) => {
      const { routes, unmapped } = imported({ security })
      expect(routes['GET /books']).toEqual({ secured: true })
      expect(unmapped).toEqual(['GET /books: its security is not a list of objects, so a bearer token is required'])
    },
  )

  it.each(['3.0.3', '3.1.0', '3.0', 3, 3.1])('may be of version %s, as YAML reads it', (openapi) => {
    expect(imported({ openapi }).unmapped).toEqual([])
  })

  const secured = { security: [{ oauth: ['a'] }] }
  it.each([
    ['a suffix', '/books/{id}.json', { get: secured }, '/books/{id}'],
    ['a suffix, where another route is the first one', '/books/{id}.json', { get: secured }, '/{kind}/{id}'],
    ['a method after a colon', '/books/{id}:read', { get: secured }, '/books/{id}'],
    ['a query', '/books?kind=all', { get: secured }, '/books'],
    ['a wildcard', '/books/*', { get: secured }, '/books/{id}/pages'],
    ['the same path with another name', '/books/{isbn}', { get: secured }, '/books/{id}'],
    ['a name twice', '/books/{a-b}/{a_b}', { get: secured }, '/books/{id}/{page}'],
    ['no slash', 'books', { get: secured }, '/books'],
  ])('secures a route that gets requests for a secured path with %s', (_name, path, item, open) => {
    const { routes, unmapped } = imported({ paths: { [open]: { get: {}, post: {} }, [path]: item } })
    expect(routes).toEqual({ [`GET ${open}`]: { secured: true, scopes: ['a'] }, [`POST ${open}`]: {} })
    expect(unmapped.at(-1)).toBe(`GET ${open}: may get requests for GET ${path}, so it needs the security of both`)
  })

  it.each([
    ['a path in another document', { $ref: 'me.yaml' }],
    ['an operation in another document', { get: { $ref: 'me.yaml#/get' } }],
    ['an operation without content', { get: null }],
  ])('does not leave requests that it says nothing about to an open route: %s', (_name, item) => {
    const { routes } = imported({ paths: { '/users/{id}': { get: {} }, '/users/me': item } })
    expect(routes).toEqual({ 'GET /users/{id}': { secured: true } })
  })

  it.each([
    ['beside a reference', { $ref: '#/x-me', get: secured }],
    ['where a percent-encoded reference leads', { $ref: '#/x%2Dme' }],
  ])('has the operations of a path %s', (_name, item) => {
    const { routes } = imported({
      'x-me': 'get' in item ? { put: {} } : { get: secured },
      paths: { '/users/{id}': { get: {} }, '/users/me': item },
    })
    expect(routes['GET /users/me']).toEqual({ secured: true, scopes: ['a'] })
  })

  it('leaves routes as they are that get no requests for another path', () => {
    const open = Object.fromEntries(
      ['/books/a.json', '/books/{id}/{page}', '/books/{id}', '/pages/{id}', '/{kind}/{id}'].map((path) => [
        path,
        { get: {} },
      ]),
    )
    const { routes } = imported({ paths: { ...open, '/books/{id}.json': { get: secured } } })
    expect(Object.keys(routes).filter((line) => 'secured' in (routes[line] as object))).toEqual(['GET /books/{id}'])
  })

  it('secures the later route too where an earlier one gets some of the requests, or is for another method', () => {
    const get = { get: {} }
    const { routes } = imported({
      paths: {
        '/books/a.json': get,
        '/Books/{id}': get,
        '/books/{id}': { head: {} },
        '/{kind}/{id}': get,
        '/books/{id}.json': { get: secured },
      },
    })
    const needed = { secured: true, scopes: ['a'] }
    expect(Object.values(routes)).toEqual([{}, needed, needed, needed])
  })

  it('needs the scopes of both where two operations are one route', () => {
    const other = { security: [{ oauth: ['b'] }] }
    const { routes } = imported({ paths: { '/books/{id}': { get: secured }, '/books/{isbn}': { get: other } } })
    expect(routes).toEqual({ 'GET /books/{id}': { secured: true, scopes: ['a', 'b'] } })
  })

  it.each([['books:read'], [7], [['books:read']], [[7]]])('needs the scopes that are written as %j', (scopes) => {
    const { routes } = imported({ security: [{ oauth: scopes }] })
    expect(routes['GET /books']).toEqual({ secured: true, scopes: [String(scopes)] })
  })

  it.each([
    ['https://a.test:{port}/v1', { port: { default: 8443 } }, 'https://a.test:8443/v1'],
    ['https://a.test/{base}', { base: { default: '/prod' } }, 'https://a.test/prod'],
    ['https://{host}/v1', {}, undefined],
    ['https://{host}/v1', { host: { default: '' } }, undefined],
    ['https://a.test/{base}', { base: { enum: ['x'] } }, undefined],
  ])('with the server %s and the variables %j has the target %s', (url, variables, target) => {
    const result = importOpenApi(document({ servers: [{ url, variables }] }), BY_DEFAULT)
    expect(result.ok ? result.value.definition['target'] : undefined).toBe(target)
  })

  it('lists a limit that is none', () => {
    const { routes, unmapped } = imported({ paths: { '/books': { post: { 'x-max-body-bytes': '10MB' } } } })
    expect(routes).toEqual({ 'POST /books': {} })
    expect(unmapped).toEqual(['POST /books: x-max-body-bytes must be a number of bytes, got "10MB"'])
  })

  it('has limits of bodies', () => {
    const schema = { type: 'string', format: 'binary', maxLength: 5_000 }
    const requestBody = { content: { 'image/png': { schema: { $ref: '#/components/schemas/Cover' } } } }
    const { routes } = imported({
      paths: { '/covers': { post: { requestBody }, put: { 'x-max-body-bytes': 10 } } },
      components: { schemas: { Cover: schema } },
    })
    expect(routes).toEqual({ 'POST /covers': { max_body_bytes: 5_000 }, 'PUT /covers': { max_body_bytes: 10 } })
  })

  it('lists what cannot be mapped', () => {
    const { unmapped } = imported({
      servers: [{ url: 'https://a.example.com' }, { url: '/relative' }],
      webhooks: {},
      paths: {
        '/books': { get: { security: [{ key: [] }], callbacks: {} }, trace: {} },
        '/books/{id}.json': { get: {} },
        '/elsewhere': { $ref: 'https://b.example.com/paths.json' },
      },
    })
    expect(unmapped).toEqual([
      'the document: the server /relative is not used',
      'TRACE /books: a Worker cannot send it',
      'GET /books: callbacks are not routed',
      'GET /books: the security scheme key is not a bearer token, which is required instead',
      '/books/{id}.json: "{id}.json" must be text, {name}, or at the end {name...}',
      '/elsewhere: its $ref is not in the document',
      'webhooks: Rigel has no routes for them',
    ])
  })

  it.each([
    [{ openapi: '2.0' }, 'must be an OpenAPI document of version 3.0 or 3.1'],
    [
      { servers: [{ url: '/v1' }] },
      'has no server with an absolute URL: give the target, with the path of its server /v1',
    ],
    [{ paths: {} }, 'has no path that can be mapped'],
  ])('is refused with %j', (more, reason) => {
    expect(importOpenApi(document(more), BY_DEFAULT)).toEqual({ ok: false, reason })
  })

  it.each([null, [], 'openapi', 7])('is not %j', (value) => expect(importOpenApi(value, BY_DEFAULT).ok).toBe(false))
})
