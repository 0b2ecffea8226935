import { describe, expect, it } from 'vitest'
import { parseDefinitions } from '../../src/api-definitions/parse-definitions.ts'
import { applyPattern } from '../../src/api-definitions/path-pattern.ts'
import type { ApiDefinition, DefinitionEnv } from '../../src/api-definitions/api-route.ts'
import { Router } from '../../src/api-definitions/router.ts'
import { dice } from './random.ts'

const nothing: DefinitionEnv = {
  variable: () => undefined,
  hasService: () => false,
  hasRateLimit: () => false,
  canSignClaims: false,
}

function short(routes: Readonly<Record<string, unknown>>, id = 'api') {
  return { id, target: 'https://books.example.com', routes }
}

function rig(endpoints: readonly (readonly [method: string, path: string, replacement?: string])[], changes = {}) {
  return {
    id: 'rig',
    name: 'rig',
    proxy: { target_url: 'books.example.com', port: 80 },
    version_data: {
      default: {
        endpoints: endpoints.map(([method, path_regex, path_replacement], n) => ({
          id: `${n}`,
          method,
          path_regex,
          path_replacement,
        })),
      },
    },
    ...changes,
  }
}

function parse(...documents: readonly unknown[]): readonly ApiDefinition[] {
  const parsed = parseDefinitions(documents, nothing)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  return parsed.value
}

function find(definitions: readonly ApiDefinition[], line: string, version: string | null = null): string | undefined {
  const [method = '', path = ''] = line.split(' ')
  const found = new Router(definitions).find({ method, path, version })
  return found && `${found.route.id} → ${found.path}`
}

describe('templates', () => {
  const definitions = parse(
    short({
      'GET /books': {},
      'GET /books/new': {},
      'GET /books/{id}': '/v1/books/{id}',
      'GET /books/{id}/pages/{page...}': '/p/{page...}/of/{id}',
      '* /any/{rest...}': {},
      'GET /dots.and+(odd)': {},
    }),
  )

  it.each([
    ['GET /books', 'GET /books → /books'],
    ['HEAD /books', 'GET /books → /books'],
    ['GET /books/new', 'GET /books/new → /books/new'],
    ['GET /books/7', 'GET /books/{id} → /v1/books/7'],
    ['GET /books/a%2Fb', 'GET /books/{id} → /v1/books/a%2Fb'],
    ['GET /books/7/pages/1/2', 'GET /books/{id}/pages/{page...} → /p/1/2/of/7'],
    ['PATCH /any/', '* /any/{rest...} → /any/'],
    ['PATCH /any/a//b/', '* /any/{rest...} → /any/a//b/'],
    ['GET /dots.and+(odd)', 'GET /dots.and+(odd) → /dots.and+(odd)'],
    ['GET /dotsXand+(odd)', undefined],
    ['POST /books', undefined],
    ['GET /Books', undefined],
    ['GET /books/', undefined],
    ['GET /books/7/', undefined],
    ['GET /any', undefined],
    ['GET //books', undefined],
  ])('%s is %s', (line, expected) => expect(find(definitions, line)).toBe(expected))

  it.each([
    ['GET books', 'must be a line such as "GET /books/{id}"'],
    ['GET /a{b}', '"a{b}" must be text, {name}, or at the end {name...}'],
    ['GET /{a...}/b', '{a...} must be at the end'],
    ['GET /{a}/{a}', '{a} must stand once'],
  ])('refuses %s', (line, message) => {
    const parsed = parseDefinitions([short({ [line]: {} })], nothing)
    expect(parsed).toMatchObject({ ok: false, reason: [{ message }] })
  })
})

describe('regular expressions', () => {
  it.each([
    ['/foo/([^/]+)/bar/([^/]+)', String.raw`/bar/\1/foo/\2`, '/foo/1/bar/2', '/bar/1/foo/2'],
    ['/foo/([^/]+)', undefined, '/FOO/x', '/FOO/x'],
    ['/foo/(.+)', String.raw`/\1`, '/foo/a/b', '/a/b'],
    ['^/foo$', undefined, '/foo', '/foo'],
    ['/foo|/bar', undefined, '/bar', '/bar'],
    ['/foo(/bar)?', undefined, '/foo', '/foo'],
    ['/foo/?', undefined, '/foo', '/foo'],
    [String.raw`\/foo\/\d+`, undefined, '/foo/12', '/foo/12'],
    ['/foo/[^/]+/?.*', undefined, '/foo/a', '/foo/a'],
    ['.*', undefined, '/anything/at/all', '/anything/at/all'],
    ['/x', 'y', '/x', '/y'],
  ])('%s with %s takes %s as %s', (pattern, replacement, path, expected) => {
    expect(find(parse(rig([['GET', pattern, replacement]])), `GET ${path}`)).toBe(`0 → ${expected}`)
  })

  it.each([
    ['/foo', '/foo/bar'],
    ['/foo', '/xfoo'],
    ['/foo/([^/]+)', '/foo/a/b'],
    ['/foo/.+', '/foo/'],
    ['/foo/(.+)', '/foo'],
  ])('%s does not take %s', (pattern, path) =>
    expect(find(parse(rig([['GET', pattern]])), `GET ${path}`)).toBeUndefined(),
  )

  it('are tried in their order', () => {
    const definitions = parse(
      rig([
        ['GET', '/a/x'],
        ['GET', '/a/.+'],
        ['GET', '/.+'],
      ]),
    )
    expect(['/a/x', '/a/y', '/b'].map((path) => find(definitions, `GET ${path}`))).toEqual([
      '0 → /a/x',
      '1 → /a/y',
      '2 → /b',
    ])
  })
})

describe('regular expressions that could take for ever', () => {
  it.each([
    '/(a+)+b',
    '/a/(.+)/(.*)/(.+)/x',
    String.raw`/\S+/\S+/[\s\S]*/x`,
    '/[^x]+[^y]+[^z]{1,}x',
    '/(/a)*(/b)*(/[ab])*x',
  ])('are refused: %s', (pattern) => {
    expect(parseDefinitions([rig([['GET', pattern]])], nothing)).toMatchObject({
      ok: false,
      reason: [{ where: 'rig/0', field: 'path_regex' }],
    })
  })

  it.each(['/a/(.+)/b/(.+)', String.raw`/(\d+)/([^/]+)/([\w-]+)/(.{1,9})/(.*)/[a.*+]x`, String.raw`/a\.*b\.+c\.*/.+`])(
    'are not such: %s',
    (pattern) => expect(parseDefinitions([rig([['GET', pattern]])], nothing)).toMatchObject({ ok: true }),
  )

  it('are not asked of paths that are longer than any', () => {
    const definitions = parse(rig([['GET', '/a/(.+)/(.+)/x']]), short({ 'GET /a/{rest...}': {} }, 'rest'))
    const path = (repeated: number) => `/a${'/b'.repeat(repeated)}/x`
    expect(find(definitions, `GET ${path(1_000)}`)).toMatch(/^0/)
    expect(find(definitions, `GET ${path(5_000)}`)).toMatch(/^GET /)
  })
})

describe('versions', () => {
  const endpoints = (path: string) => ({ endpoints: [{ id: path, method: 'GET', path_regex: path }] })
  const versioned = parse({
    ...rig([]),
    versioned: true,
    version_data: { default: endpoints('/books'), v2: endpoints('/books') },
  })

  it('are found by path and by header, else the default', () => {
    const router = new Router(versioned)
    const versionOf = (path: string, version: string | null) => {
      const found = router.find({ method: 'GET', path, version })
      return found && [found.route.version, found.path]
    }
    expect(versionOf('/books', null)).toEqual([null, '/books'])
    expect(versionOf('/books', 'v2')).toEqual(['v2', '/books'])
    expect(versionOf('/books', 'v9')).toEqual([null, '/books'])
    expect(versionOf('/v2/books', null)?.[0]).toBe(null)
    expect(versionOf('/v3/books', null)).toBeUndefined()
  })
})

describe('routes that can never win', () => {
  it.each([
    [{ 'GET /a/{x}': {}, 'GET /a/{y}': {} }],
    [{ '* /a/{x...}': {}, 'GET /a/b': {} }],
    [{ 'GET /{x}/b': {}, 'GET /a/b': {} }],
  ])('are refused: %j', (routes) => {
    const [, last = ''] = Object.keys(routes)
    const parsed = parseDefinitions([short(routes)], nothing)
    expect(parsed).toMatchObject({
      ok: false,
      reason: [
        { where: `api/${last}`, field: 'path', message: expect.stringContaining('is never reached') as unknown },
      ],
    })
  })

  it.each([
    [{ 'GET /a/b': {}, 'GET /a/{y}': {} }],
    [{ 'GET /a/{x...}': {}, 'POST /a/b': {} }],
    [{ 'GET /a/b': {}, 'GET /A/b': {} }],
    [{ 'GET /a/{x}': {}, 'GET /a/{x...}': {} }],
  ])('are not these: %j', (routes) => expect(parseDefinitions([short(routes)], nothing).ok).toBe(true))

  it('are found between the forms too: RIG’s has no case', () => {
    const first = rig([['GET', '/a/([^/]+)']])
    expect(parseDefinitions([first, short({ 'GET /A/b': {} })], nothing).ok).toBe(false)
    expect(parseDefinitions([short({ 'GET /a/{b}': {} }), first], nothing).ok).toBe(true)
  })
})

describe('the index', () => {
  const pieces = [
    'a',
    'b',
    'A',
    '([^/]+)',
    '[a-c]+',
    String.raw`\d+`,
    '.*',
    '(.+)',
    'a|b',
    '(a|b/c)',
    'a?',
    '',
    'a.b',
    String.raw`a\.b`,
    'x{2}',
    'a+',
    '[^b]',
    '%20',
  ]
  const texts = ['a', 'b', 'A', 'c', '1', '22', 'xx', '', 'a.b', 'aXb', '%20', 'aa', 'b/c']

  it('finds what a loop over all patterns finds, for any patterns and paths', () => {
    const random = dice(7)
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
    const join = (from: readonly string[]) =>
      `/${Array.from({ length: 1 + Math.floor(random() * 4) }, () => pick(from)).join('/')}`
    let taken = 0
    for (let round = 0; round < 300; round += 1) {
      const endpoints = Array.from(
        { length: 1 + Math.floor(random() * 12) },
        () => [pick(['GET', 'POST', '*']), join(pieces)] as const,
      )
      // One at a time, for one that hides another would be refused.
      const routes = endpoints.flatMap((endpoint) => {
        const parsed = parseDefinitions([rig([endpoint])], nothing)
        return parsed.ok ? parsed.value.flatMap((api) => api.routes) : []
      })
      const router = new Router([{ id: 'rig', routes }])
      for (let n = 0; n < 40; n += 1) {
        const path = join(texts)
        const expected = routes.find(
          (route) => route.method !== 'POST' && applyPattern(route.pattern, path) !== undefined,
        )
        expect([path, router.find({ method: 'GET', path, version: null })?.route]).toEqual([path, expected])
        if (expected !== undefined) taken += 1
      }
    }
    expect(taken).toBeGreaterThan(1_000)
  })

  it('hides nothing that could win: whatever is refused as never reached, no path reaches', () => {
    const random = dice(11)
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
    const join = (from: readonly string[]) =>
      `/${Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(from)).join('/')}`
    let hidden = 0
    const wrong: (readonly string[])[] = []
    for (let round = 0; round < 2_000; round += 1) {
      const [first, second] = [join(pieces), join(pieces)]
      const [one, two, both] = [
        rig([['GET', first]]),
        rig([['GET', second]]),
        rig([
          ['GET', first],
          ['GET', second],
        ]),
      ]
      const [a, b, together] = [one, two, both].map((document) => parseDefinitions([document], nothing))
      if (a?.ok !== true || b?.ok !== true || together?.ok !== false) continue
      hidden += 1
      for (let n = 0; n < 50; n += 1) {
        const path = join(texts)
        const takes = [a.value, b.value].map(
          (api) => new Router(api).find({ method: 'GET', path, version: null }) !== undefined,
        )
        if (takes[1] === true && takes[0] === false) wrong.push([first, second, path])
      }
    }
    expect(wrong).toEqual([])
    expect(hidden).toBeGreaterThan(20)
  })
})
