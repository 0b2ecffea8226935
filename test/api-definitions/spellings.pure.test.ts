// For random routes and random spellings: a request is never less protected than the plain spelling of its path. What
// services do to paths is written down here a second time, apart from src/, so that the two can disagree.
import { describe, expect, it } from 'vitest'
import { parseDefinitions } from '../../src/api-definitions/parse-definitions.ts'
import type { Route } from '../../src/api-definitions/api-route.ts'
import { toRequestPath } from '../../src/api-definitions/request-path.ts'
import { Router } from '../../src/api-definitions/router.ts'
import { createRandom } from '../../scripts/random.ts'

const nothing = {
  variable: () => undefined,
  hasService: () => false,
  hasRateLimit: () => false,
  hasSource: () => true,
  canSignClaims: false,
}
const random = createRandom(16).next
const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
const chance = (share: number) => random() < share

const PATHS_PER_ROUTER = 20
const NAMES = ['admin', 'me', '@me', 'items:purge', 'a+b', 'a.b', 'ü', 'x', "it's", 'a,b', '(a)', 'v1.0', '~u']
const RIGHTS = [{}, {}, { secured: true }, { secured: true, scopes: ['a'] }, { secured: { cookie: 'c' } }]

/** How a client writes a path otherwise, and how a service that is lenient in that way reads it. */
const LENIENCIES: readonly { readonly write: (path: string) => string; readonly read: (path: string) => string }[] = [
  { write: (path) => atSlash(path, '//'), read: (path) => path.replaceAll(/\/+/g, '/') },
  { write: (path) => atSlash(path, '%2f'), read: (path) => path.replaceAll(/%2f/gi, '/') },
  { write: (path) => atSlash(path, '%5C'), read: (path) => path.replaceAll(/%5c/gi, '/') },
  { write: (path) => `${path};a=1`, read: (path) => path.replaceAll(/;[^/]*/g, '') },
  { write: (path) => `${path}/`, read: (path) => path.replace(/(.)\/$/, '$1') },
  { write: (path) => `${path}%00.png`, read: (path) => path.split('%00')[0] ?? '' },
  { write: (path) => `${path}%3Fq`, read: (path) => path.split(/%3f/i)[0] ?? '' },
  { write: (path) => `${path}.`, read: (path) => path.replaceAll(/\.+(?=\/|$)/g, '') },
  { write: (path) => `${path}%20`, read: (path) => path.replaceAll(/(?:%20)+(?=\/|$)/g, '') },
  { write: (path) => atSlash(path, '/%09'), read: (path) => path.replaceAll('%09', '') },
  { write: (path) => anyCase(path), read: (path) => path.toLowerCase() },
  { write: (path) => path.replace('%C3%BC', '%C3%9C'), read: (path) => path.replaceAll('%C3%9C', '%C3%BC') },
  { write: (path) => path.replace('%C3%BC', 'u%CC%88'), read: (path) => path.replaceAll('u%CC%88', '%C3%BC') },
  { write: (path) => path.replace('i', '%C4%B1'), read: (path) => path.replaceAll('%C4%B1', 'i') },
  { write: (path) => atSlash(path, '%E2%88%95'), read: (path) => path.replaceAll('%E2%88%95', '/') },
  { write: (path) => atSlash(path, '%c0%2f'), read: (path) => path.replaceAll(/%c0%2f/gi, '/') },
  { write: (path) => `${path}+`, read: (path) => path.replaceAll('+', '%20').replace(/(?:%20)+$/, '') },
  { write: (path) => path.replaceAll('%', '%25'), read: (path) => path.replaceAll('%25', '%') },
]

const atSlash = (path: string, by: string) => {
  const slashes = [...path.matchAll(/\//g)].map(({ index }) => index).filter((index) => by === '//' || index > 0)
  const at = slashes.length === 0 ? undefined : pick(slashes)
  return at === undefined ? path : `${path.slice(0, at)}${by}${path.slice(at + 1)}`
}
const anyCase = (path: string) =>
  path.replaceAll(/%..|[a-z]/gi, (char) => (char.startsWith('%') || chance(0.5) ? char : char.toUpperCase()))

/** Any character may be escaped, in either case of the digits. */
function escapeSome(path: string): string {
  return path.replaceAll(/%..|[^/%]/g, (char) => {
    if (char.length > 1 || !chance(0.4)) return char
    const hex = (char.codePointAt(0) ?? 0).toString(16).padStart(2, '0')
    return `%${chance(0.5) ? hex : hex.toUpperCase()}`
  })
}

function randomRoutes(): Router {
  const lines = Array.from({ length: 1 + Math.floor(random() * 6) }, () => {
    const segments = Array.from({ length: 1 + Math.floor(random() * 2) }, () => (chance(0.15) ? '{id}' : pick(NAMES)))
    return `${pick(['GET', '*'])} /${segments.map((segment, n) => (segment === '{id}' ? `{id${n}}` : segment)).join('/')}${chance(0.2) ? '/{rest...}' : ''}`
  })
  const routes = Object.fromEntries([...lines, '* /{path...}'].map((line) => [line, pick(RIGHTS)]))
  const parsed = parseDefinitions([{ id: 'a', target: 'http://a.test', routes }], nothing)
  return parsed.ok ? new Router(parsed.value) : randomRoutes()
}

const plainPath = () =>
  encodeURI(`/${Array.from({ length: 1 + Math.floor(random() * 2) }, () => pick(NAMES)).join('/')}`)

function ask(router: Router, path: string): { readonly route: Route | undefined; readonly isRefused: boolean } {
  const query = { method: 'GET', path: toRequestPath(path), version: null }
  const found = router.find(query)
  return { route: found?.route, isRefused: found === undefined || router.isAmbiguous(query, found) }
}

describe('a request, however its path is written', () => {
  it('is on the same route where characters are escaped', () => {
    let router = randomRoutes()
    for (let round = 0; round < 3_000; round += 1) {
      if (round % PATHS_PER_ROUTER === 0) router = randomRoutes()
      const path = plainPath()
      const written = escapeSome(path)
      expect([path, written, ask(router, written)]).toEqual([path, written, ask(router, path)])
    }
  }, 30_000)

  it('is refused, or needs the same rights as the path that a lenient service reads', () => {
    let [refused, passed] = [0, 0]
    const unprotected: string[] = []
    let router = randomRoutes()
    for (let round = 0; round < 12_000; round += 1) {
      if (round % PATHS_PER_ROUTER === 0) router = randomRoutes()
      const used = Array.from({ length: 1 + Math.floor(random() * 2) }, () => pick(LENIENCIES))
      const written = escapeSome(used.reduce((path, { write }) => write(path), plainPath()))
      // The service decodes what is plainly escaped, and undoes what was done, last first.
      const decoded = toRequestPath(written).canonical
      const read = used.toReversed().reduce((path, leniency) => toRequestPath(leniency.read(path)).canonical, decoded)
      const needed = ask(router, read).route?.authentication ?? null
      const { isRefused, route } = ask(router, written)
      if (needed === null || read === decoded) continue
      if (isRefused) refused += 1
      else if (JSON.stringify(route?.authentication) === JSON.stringify(needed)) passed += 1
      else unprotected.push(`${written}, which may be read as ${read}`)
    }
    expect(unprotected).toEqual([])
    expect([refused > 300, passed > 100]).toEqual([true, true])
  }, 30_000)
})
