// What a path is, whatever it is written like, and which spellings are refused because a service may read another path.
import { describe, expect, it } from 'vitest'
import { parseDefinitions } from '../../src/api-definitions/parse-definitions.ts'
import {
  canonicalPath,
  hasHiddenDotSegments,
  readingsOf,
  toRequestPath,
} from '../../src/api-definitions/request-path.ts'
import { Router } from '../../src/api-definitions/router.ts'
import { cpuMs } from '../support/cpu-ms.ts'

const nothing = {
  variable: () => undefined,
  hasService: () => false,
  hasSource: () => true,
  hasRateLimit: () => false,
  canSignClaims: false,
}

function routerOf(routes: Readonly<Record<string, unknown>>): Router {
  const parsed = parseDefinitions([{ id: 'a', target: 'http://a.test', routes }], nothing)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  return new Router(parsed.value)
}

/** What becomes of a request: the route's id, `ambiguous`, or `none`. */
function outcomeOf(router: Router, path: string, method = 'GET'): string {
  const query = { method, path: toRequestPath(path), version: null }
  const found = router.find(query)
  if (found === undefined) return 'none'
  return router.isAmbiguous(query, found) ? 'ambiguous' : found.route.id
}

describe('the canonical form of a path', () => {
  it.each([
    ['/a/b', '/a/b'],
    ['/%61dmin/%7Euser', '/admin/~user'],
    ['/users/%40me', '/users/@me'],
    ['/items%3Apurge', '/items:purge'],
    ['/a%2Bb%21%24%26%27%28%29%2a%2c%3b%3d', "/a+b!$&'()*,;="],
    ['/%7b%7c%7d%22%3c%3e%5b%5d%5e%60', '/{|}"<>[]^`'],
    ['/a%2fb%c3%bc', '/a%2Fb%C3%BC'],
    ['/a%5cb%3f%23%00%20%7f', '/a%5Cb%3F%23%00%20%7F'],
    ['/%zz/%', '/%25zz/%25'],
    ['/%2561', '/%2561'],
  ])('of %s is %s', (path, canonical) => {
    expect(canonicalPath(path)).toBe(canonical)
    expect(canonicalPath(canonical)).toBe(canonical)
  })
})

describe('the readings of a path by lenient services', () => {
  const readings = (path: string) => readingsOf(toRequestPath(path))?.map(({ canonical }) => canonical)

  it.each([
    ['/a/b', []],
    ['/', []],
    ['/A/b.c', []],
    ['//a///b', ['/a/b']],
    ['/a%2Fb', ['/a/b']],
    ['/a%5cb', ['/a/b']],
    ['/a%3bx=1/b', ['/a/b']],
    ['/a/', ['/a']],
    ['/a%00.png', ['/a', '/a.png']],
    ['/a%09b', ['/ab']],
    ['/a%3fb', ['/a']],
    ['/a%20', ['/a']],
    ['/a./b', ['/a/b']],
    ['/%2561', ['/a']],
    ['/%25252561', ['/a']],
    ['/%u0061', ['/a']],
    ['/%c0%afa', ['//a', '/%2Fa', '/a']],
    ['/%E0%80%AFa', ['//a', '/%2Fa', '/a']],
    ['/%E0%81%81', ['/A']],
    ['/%F0%80%81%81', ['/A']],
    ['/%F8%80%80%81%81', ['/A']],
    ['/%FC%80%80%80%81%81', ['/A']],
    ['/%E0%A4%85', []],
    ['/%EF%BC%A1', ['/A']],
    ['/a%E2%88%95b', ['/a/b', '/a%2Fb']],
    ['/%c4%b1', ['/i']],
    ['/%C0%2Fa', ['/%C0/a', '//a', '/%2Fa', '/a']],
    ['/%C1!', ['/a']],
    ['/u%CC%88', ['/%C3%BC']],
    ['/a+b', ['/a%20b']],
    ['/a%E2%80%8B', ['/a']],
    ['/%C2%ADa%EF%B8%8F', ['/a']],
    ['/a::$DATA', ['/a']],
    ['/a%3a:%24data/b', ['/a/b']],
    ['/a:$I30:$INDEX_ALLOCATION/b', ['/a/b']],
    ['/a:$b', []],
  ])('%s is also %j', (path, others) => {
    expect(readings(path)?.slice(1).toSorted()).toEqual(others.toSorted())
  })

  it('are not listed where they are more than anybody writes', () => {
    expect(readings('//a%2fb%5c;c%00d%09e%2500f%3fg./h.%20/')).toBeUndefined()
  })

  it('are found in time linear in the path', () => {
    for (const text of ['.', '%', '%25', '/', ';', '%00', '%2e', '%c0%af', '%f0%80%80%af', '::$', '%20', './']) {
      // The best of three: a collection of garbage only adds to it.
      const tookMs = [1, 2, 3].map(() => {
        const startedMs = cpuMs()
        readings(`/${text.repeat(16_000 / text.length)}x`)
        return cpuMs() - startedMs
      })
      expect([text, Math.min(...tookMs) < 250]).toEqual([text, true])
    }
  })

  it.each([
    '/a/..%2Fb',
    '/a/%2e%2e%5cb',
    '/a/..;/b',
    '/a/..;x=1',
    '/a/%2e%2e%3b/b',
    '/a/.%2F',
    '/a/..%00',
    '/a/..%20/b',
    '/a/%252e%252e/b',
    '/a/.%09./b',
    '/a/%c0%ae%c0%ae/b',
    '/a/%e0%80%ae%f0%80%80%ae/b',
    '/a/%EF%BC%8E%EF%BC%8E/b',
  ])('show the dots that %s hides', (path) =>
    expect(hasHiddenDotSegments(readingsOf(toRequestPath(path)) ?? [])).toBe(true),
  )

  it.each(['/a/..b/c', '/a/b..', '/a/.well-known/b', '/a/...', '/a;../b'])('show no dots in %s', (path) =>
    expect(hasHiddenDotSegments(readingsOf(toRequestPath(path)) ?? [])).toBe(false),
  )
})

describe('a route that needs a token', () => {
  const router = routerOf({
    'GET /admin/login': {},
    '* /admin/{rest...}': { secured: true },
    'GET /me': { secured: true },
    'GET /users/@me': { secured: true },
    'GET /b%C3%BCcher/{id}': { secured: true },
    '* /{path...}': {},
  })

  it.each([
    '//admin/x',
    '/admin%2fx',
    '/ADMIN/x',
    '/admin;a=1/x',
    '/admin%5Cx',
    '//admin/',
    '/me/',
    '/mE',
    '/me%00',
    '/me.',
    '/me%20',
    '/me%3fx',
    '/m%09e',
    '/%256de',
    '/m%EF%BD%85',
    '/m%e0%81%a5',
    '/me%e2%80%8b',
    '/me::$DATA',
  ])('is not passed by %s', (path) => {
    expect(outcomeOf(router, path)).toBe('ambiguous')
  })

  it.each([
    ['/%61dmin/x', '* /admin/{rest...}'],
    ['/b%c3%bccher/1', 'GET /b%C3%BCcher/{id}'],
    ['/users/%40me', 'GET /users/@me'],
    ['/users/@me', 'GET /users/@me'],
  ])('is found by %s', (path, route) => expect(outcomeOf(router, path)).toBe(route))

  it.each(['/x//y', '/X', '/x/', '/ADMIN/login', '/x;admin/y', '/a%2Fb', '/a%20b', '/style.css'])(
    'does not get in the way of %s',
    (path) => expect(outcomeOf(router, path)).toBe('* /{path...}'),
  )

  it('is the route of what it matches in any reading', () => {
    expect(outcomeOf(router, '/admin//x')).toBe('* /admin/{rest...}')
  })

  it('is not meant where a route of the same spelling comes before it', () => {
    const own = routerOf({ 'GET /Me': {}, 'GET /me': { secured: true }, '* /{path...}': {} })
    expect([outcomeOf(own, '/Me'), outcomeOf(own, '/me')]).toEqual(['GET /Me', 'GET /me'])
    expect(outcomeOf(own, '//me')).toBe('ambiguous')
  })

  it('is not passed by a service that is lenient in one way only', () => {
    const own = routerOf({ 'GET /me': {}, 'GET /Me': { secured: true }, '* /{path...}': {} })
    expect(outcomeOf(own, '//Me')).toBe('ambiguous')
  })

  it('counts where it asks for more than the route that was found', () => {
    const same = routerOf({ 'GET /a': { secured: true }, 'GET /{path...}': { secured: true } })
    const more = routerOf({ 'GET /a': { secured: true, scopes: ['a'] }, 'GET /{path...}': { secured: true } })
    expect([outcomeOf(same, '/a/'), outcomeOf(more, '/a/')]).toEqual(['GET /{path...}', 'ambiguous'])
  })

  it('counts for its own method, in any case, and HEAD as GET', () => {
    const one = routerOf({ 'GET /a': { secured: true }, 'PATCH /p': { secured: true }, '* /{path...}': {} })
    expect(
      ['POST /A', 'HEAD /A', 'patch /p', 'HEAD /a'].map((line) =>
        outcomeOf(one, line.split(' ')[1] ?? '', line.split(' ')[0]),
      ),
    ).toEqual(['* /{path...}', 'ambiguous', 'PATCH /p', 'GET /a'])
  })
})

describe('templates', () => {
  it('may be written as people write, and the service gets the client’s own spelling', () => {
    const router = routerOf({ 'GET /bücher/{id}/%7e': {}, 'GET /x/{a}/{rest...}': '/{rest...}/{a}' })
    const pathOf = (path: string) => router.find({ method: 'GET', path: toRequestPath(path), version: null })?.path
    expect(pathOf('/b%c3%bccher/1/~')).toBe('/b%c3%bccher/1/~')
    expect(pathOf('/x/%40%3Ba/b%2fc/%64')).toBe('/b%2fc/%64/%40%3Ba')
  })
})
