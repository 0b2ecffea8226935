import { describe, expect, it } from 'vitest'
import { parseDefinitions } from '../../src/api-definitions/parse-definitions.ts'
import { matchesPattern } from '../../src/api-definitions/path-pattern.ts'
import { toRequestPath } from '../../src/api-definitions/request-path.ts'
import type { ApiDefinition, DefinitionEnv } from '../../src/api-definitions/api-route.ts'
import { Router } from '../../src/api-definitions/router.ts'
import { createRandom } from '../../scripts/random.ts'
import { cpuMs } from '../support/cpu-ms.ts'

const nothing: DefinitionEnv = {
  variable: () => undefined,
  hasService: () => false,
  hasSource: () => true,
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
  const found = new Router(definitions).find({ method, path: toRequestPath(path), version })
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
    ['GET /{a}/{a}', '{a} must occur once'],
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
    ['/users/%40([a-z]+)', String.raw`/u/\1`, '/users/@me', '/u/me'],
    ['/users/@me', undefined, '/users/%40me', '/users/%40me'],
    ['/b%c3%bccher/(.+)', String.raw`/\1`, '/b%C3%BCcher/a%40b', '/a%40b'],
    ['/a/(x-[^/]+)', String.raw`/\1`, '/a/x-%7e%2fy', '/x-%7e%2fy'],
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

describe('regular expressions', () => {
  const problemOf = (pattern: string) => {
    const parsed = parseDefinitions([rig([['GET', pattern]])], nothing)
    return parsed.ok ? undefined : parsed.reason.map(({ field, message }) => `${field} ${message}`).join('\n')
  }

  it.each([
    ['/a/(?=b)b', 'path_regex must not look ahead or behind: (?=…) cannot be matched in linear time'],
    ['/a/(?!b).+', 'path_regex must not look ahead or behind: (?!…) cannot be matched in linear time'],
    ['/a/(?<=/)b', 'path_regex must not look ahead or behind: (?<=…) cannot be matched in linear time'],
    [
      String.raw`/([a-z]+)/\1`,
      String.raw`path_regex must not refer back to a group: \1 cannot be matched in linear time`,
    ],
  ])('that need more than linear time are refused by name: %s', (pattern, message) => {
    expect(problemOf(pattern)).toBe(message)
  })

  it.each([
    ['books', 'a path begins with "/"'],
    ['https?://books', 'a path begins with "/", and has no anchors inside'],
    ['[a-z]+/x', 'a path begins with "/", and has no anchors inside'],
    [String.raw`/books\?id=\d+`, 'a path has no query and no fragment'],
    ['/a b', 'paths are percent-encoded: write %20 for a space'],
    ['/bücher', 'paths are percent-encoded: write %C3%BC'],
    [String.raw`/books\?`, 'a path has no query and no fragment'],
    ['/a^/b', 'a path begins with "/", and has no anchors inside'],
    ['/a$/b|x', 'a path begins with "/", and has no anchors inside'],
  ])('that can never match are refused: %s', (pattern, why) => {
    expect(problemOf(pattern)).toBe(`path_regex can never match: ${why}`)
  })

  it.each([
    '(/a|b)',
    '(b|)/x',
    '^/x$',
    '(?:^/x$)',
    '.*',
    '/?x?',
    '[^a]b',
    '/[^ü]',
    '/a/?',
    '(?i)/X',
    '/x{0,2}',
    '[/]x',
  ])('that can match are accepted: %s', (pattern) => expect(problemOf(pattern)).toBeUndefined())

  it('that are too large are refused', () => {
    expect(problemOf('/(a{1,1000}){1,5}')).toMatch(/must be (smaller|a regular expression)/)
    expect(problemOf('/[^/]{1,1000}/[^/]{1,1000}/[^/]{1,1000}')).toMatch(/must be smaller/)
  })

  // Backtracking engines take the square, the cube, or an exponential of the path for these.
  it.each([
    ['/rx/([^/]+)-([^/]+)-([^/]+)/x', '-'],
    ['/rx/(?:[a-z]|[a-z0-9])+/x', 'a'],
    ['/rx/(a+)+b', 'a'],
    ['/rx/(.+)/(.*)/(.+)/x', '/'],
  ])('take time linear in the path: %s', (pattern, repeated) => {
    const router = new Router(parse(rig([['GET', pattern]])))
    /** The least of several runs: a collection of garbage only adds to it. */
    const leastMs = (length: number) => {
      const path = toRequestPath(`/rx/${repeated.repeat(length)}!`)
      const runs = Array.from({ length: 12 }, () => {
        const startedMs = cpuMs()
        router.find({ method: 'GET', path, version: null })
        return cpuMs() - startedMs
      })
      return Math.min(...runs)
    }
    // Four times the path takes about four times as long; the square would be 16 times, the cube 64 times.
    expect(leastMs(16_000)).toBeLessThan(leastMs(4_000) * 12 + 10)
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
      const found = router.find({ method: 'GET', path: toRequestPath(path), version })
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
    const random = createRandom(7).next
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
    const join = (from: readonly string[]) =>
      `/${Array.from({ length: 1 + Math.floor(random() * 4) }, () => pick(from)).join('/')}`
    let taken = 0
    for (let round = 0; round < 150; round += 1) {
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
          (route) => route.method !== 'POST' && matchesPattern(route.pattern, toRequestPath(path)),
        )
        expect([path, router.find({ method: 'GET', path: toRequestPath(path), version: null })?.route]).toEqual([
          path,
          expected,
        ])
        if (expected !== undefined) taken += 1
      }
    }
    expect(taken).toBeGreaterThan(500)
  }, 30_000)

  it('hides nothing that could win: whatever is refused as never reached, no path reaches', () => {
    const random = createRandom(11).next
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
    const join = (from: readonly string[]) =>
      `/${Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(from)).join('/')}`
    let hidden = 0
    const wrong: (readonly string[])[] = []
    for (let round = 0; round < 800; round += 1) {
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
          (api) => new Router(api).find({ method: 'GET', path: toRequestPath(path), version: null }) !== undefined,
        )
        if (takes[1] === true && takes[0] === false) wrong.push([first, second, path])
      }
    }
    expect(wrong).toEqual([])
    expect(hidden).toBeGreaterThan(8)
  }, 30_000)
})
