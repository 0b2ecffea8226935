import { describe, expect, it } from 'vitest'
import { parseDefinitions } from '../../src/api-definitions/parse-definitions.ts'
import { hidesDotSegments, lenientPaths, plainPath } from '../../src/api-definitions/request-path.ts'
import { Router, type Asked } from '../../src/api-definitions/router.ts'

describe('a path', () => {
  it.each([
    ['/a/b', '/a/b'],
    ['/%61dmin/%7Euser', '/admin/~user'],
    ['/a%2fb%c3%bc', '/a%2Fb%C3%BC'],
    ['/%zz/%', '/%zz/%'],
    ['/%2561', '/%2561'],
  ])('is found in its normal form: %s is %s', (path, plain) => expect(plainPath(path)).toBe(plain))

  it.each([
    ['/a/b', []],
    ['/', []],
    ['//a///b', ['/a/b']],
    ['/a%2Fb', ['/a/b']],
    ['/a%5cb', ['/a/b']],
    ['/A/b', ['/a/b']],
    ['/a;x=1/b;y', ['/a/b']],
    ['/a/', ['/a/', '/a']],
    ['//', ['/']],
  ])('is for lenient services: %s is %j', (path, lenient) => expect(lenientPaths(path)).toEqual(lenient))

  it.each(['/a/..%2Fb', '/a/%2e%2e%5cb', '/a/..;/b', '/a/..;x=1', '/a/%2e%2e%3b/b', '/.', '/a/.%2F'])(
    'hides dots: %s',
    (path) => expect(hidesDotSegments(path)).toBe(true),
  )

  it.each(['/a/..b/c', '/a/b..', '/a/.well-known/b', '/a/...', '/a;../b'])('hides none: %s', (path) =>
    expect(hidesDotSegments(path)).toBe(false),
  )
})

describe('a route that needs a token', () => {
  const api = (routes: Readonly<Record<string, unknown>>) => {
    const nothing = {
      variable: () => undefined,
      hasService: () => false,
      hasRateLimit: () => false,
      canSignClaims: false,
    }
    const parsed = parseDefinitions([{ id: 'a', target: 'http://a.test', routes }], nothing)
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
    return new Router(parsed.value)
  }
  const strictOf = (router: Router, path: string, method = 'GET') => {
    const asked: Asked = { method, path, version: null }
    const found = router.find(asked)
    return found && (router.findStricter(asked, found.route)?.id ?? null)
  }
  const router = api({
    'GET /admin/login': {},
    '* /admin/{rest...}': { secured: true },
    'GET /me': { secured: true },
    'GET /b%C3%BCcher/{id}': { secured: true },
    '* /{path...}': {},
  })

  it.each(['//admin/x', '/admin%2fx', '/ADMIN/x', '/admin;a=1/x', '/admin%5Cx', '//admin/', '/me/', '/mE'])(
    'is not got round by %s',
    (path) => expect(strictOf(router, path)).toMatch(/admin|me/),
  )

  it.each(['/%61dmin/x', '/b%c3%bccher/1'])('is found by %s', (path) => {
    expect(router.find({ method: 'GET', path, version: null })?.route.authentication).not.toBeNull()
  })

  it.each(['/x//y', '/X', '/x/', '/ADMIN/login', '/admin//x', '/x;admin/y'])('is not meant by %s', (path) => {
    expect(strictOf(router, path)).toBeNull()
  })

  it('is not meant by a route of its own that is before it', () => {
    const own = api({ 'GET /Me': {}, 'GET /me': { secured: true }, '* /{path...}': {} })
    expect([strictOf(own, '/Me'), strictOf(own, '/me')]).toEqual([null, null])
  })

  it('is not meant by what asks for the same', () => {
    const same = api({ 'GET /a': { secured: true }, 'GET /{path...}': { secured: true } })
    const more = api({ 'GET /a': { secured: true, scopes: ['a'] }, 'GET /{path...}': { secured: true } })
    expect([strictOf(same, '/a/'), strictOf(more, '/a/')]).toEqual([null, 'GET /a'])
  })

  it('counts for its own method only, HEAD as GET', () => {
    const one = api({ 'GET /a': { secured: true }, '* /{path...}': {} })
    expect([strictOf(one, '/A', 'POST'), strictOf(one, '/A', 'HEAD')]).toEqual([null, 'GET /a'])
  })
})

describe('templates', () => {
  it('may be written as people write', () => {
    const parsed = parseDefinitions([{ id: 'a', target: 'http://a.test', routes: { 'GET /bücher/{id}/%7e': {} } }], {
      variable: () => undefined,
      hasService: () => false,
      hasRateLimit: () => false,
      canSignClaims: false,
    })
    const found = parsed.ok
      ? new Router(parsed.value).find({ method: 'GET', path: '/b%c3%bccher/1/~', version: null })
      : undefined
    expect(found?.path).toBe('/b%c3%bccher/1/~')
  })
})
