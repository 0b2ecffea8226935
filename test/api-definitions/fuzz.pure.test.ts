// Definitions that nobody would write: good ones, with something hostile in one or several of their places.
import { describe, expect, it } from 'vitest'
import { definitionsJsonSchema, parseDefinitions } from '../../src/api-definitions/parse-definitions.ts'
import type { ApiDefinition, Problem, DefinitionEnv } from '../../src/api-definitions/api-route.ts'
import { toRequestPath } from '../../src/api-definitions/request-path.ts'
import { Router } from '../../src/api-definitions/router.ts'
import { createRandom } from '../../scripts/random.ts'

const definitionEnv: DefinitionEnv = {
  variable: (name) => (name === 'HOST' ? 'http://host.example.com' : undefined),
  hasService: (name) => name === 'BOOKS',
  hasSource: () => true,
  hasRateLimit: (name) => name === 'PROXY_RATE_LIMIT',
  canSignClaims: true,
}

const GOOD: readonly unknown[] = [
  {
    id: 'short',
    target: [{ url: 'https://a.example.com/base', weight: 2 }, { url: 'service:BOOKS' }, { url: 'env:HOST' }],
    secured: { header: 'x-token', query: 'jwt', cookie: 'session' },
    scopes: ['a'],
    claims: { '/role': ['admin', 1, true] },
    rate_limit: { by: ['address', 'user'] },
    circuit_breaker: { failures: 3, open_ms: 1_000 },
    response_headers: { set: { 'x-a': '1' }, remove: ['server'] },
    routes: { 'GET /a/{id}/{rest...}': '/v1/{rest...}/{id}', '* /b': { timeout_ms: 5, forward_claims: 'signed' } },
  },
  {
    id: 'rig',
    name: 'rig',
    auth_type: 'jwt',
    auth: { use_header: true, header_name: 'Authorization', use_query: true, query_name: 'jwt' },
    versioned: true,
    version_data: {
      default: {
        endpoints: [
          {
            id: 'x',
            method: 'GET',
            path_regex: '/x/([^/]+)/(.+)',
            path_replacement: String.raw`/\2/\1`,
            secured: true,
          },
          { id: 'y', method: 'POST', path_regex: '/y', target: 'kafka', topic: 't', response_from: 'kafka' },
        ],
        transform_request_headers: { add_headers: { host: 'a' } },
      },
      v2: { endpoints: [{ id: 'z', method: 'GET', path_regex: '/z', transform_request_headers: true }] },
    },
    proxy: { target_url: 'http://a.example.com', port: 80, use_env: false },
  },
]

/** Bad values, and names of fields that are everywhere in JavaScript. */
const HOSTILE: readonly unknown[] = [
  null,
  [],
  {},
  true,
  -1,
  1e308,
  0.5,
  '',
  ' ',
  '/',
  '//',
  '/(',
  '/[',
  '/(?<name>a)|b',
  '/\\',
  String.raw`\9`,
  '/{a}/{a}',
  '/{a...}/b',
  '/../{a}',
  'GET',
  '* *',
  'GET /{',
  'x'.repeat(2_000),
  '\u0000',
  '\ud800',
  'a\r\nb: c',
  'javascript:alert(1)',
  'file:///etc/passwd',
  'http://user:password@a.example.com',
  'http://a.example.com?x#y',
  'http://[::1',
  'env:HOST',
  'env:NOTHING',
  'env:__proto__',
  'service:constructor',
  'kafka:../x',
  '__proto__',
  'constructor',
]
const PATHS = ['/', '/a', '/a/1/2/3', '/b', '/x/1/2', '/z', '/v2/z', '//', '/%', '/a/%2e%2e', `/${'a/'.repeat(500)}`]

describe('fuzzed definitions', () => {
  it('are parsed and go nowhere else than they say, or every problem has a place, a field and a text that helps', () => {
    const complaints: string[] = []
    let accepted = 0
    for (const document of mutations(3_000)) {
      const parsed = parseDefinitions([document], definitionEnv)
      if (parsed.ok) accepted += 1
      complaints.push(...(parsed.ok ? strayings(parsed.value) : unhelpful(parsed.reason)))
    }
    expect(complaints).toEqual([])
    expect([accepted > 150, accepted < 2_850]).toEqual([true, true])
  }, 30_000)

  it('are in the JSON Schema where they are fields at all', () => {
    const schema = JSON.stringify(definitionsJsonSchema())
    const names = new Set(GOOD.flatMap((document) => [...fieldsOf(document)]).filter((name) => /^[a-z_]+$/.test(name)))
    expect([...names].filter((name) => !OWN_NAMES.has(name) && !schema.includes(`"${name}"`))).toEqual([])
  })
})

/** Chosen by whoever writes a definition. */
const OWN_NAMES = new Set(['v', 'host', 'server'])

/** Targets that are no service, and paths that are none. */
function strayings(definitions: readonly ApiDefinition[]): readonly string[] {
  const router = new Router(definitions)
  const targets = definitions.flatMap(({ routes }) => routes.map(({ target }) => target))
  const bases = targets.flatMap((target) => (target.kind === 'http' ? target.upstreams.map(({ base }) => base) : []))
  const paths = PATHS.flatMap((path) => {
    const query = { method: 'GET', path: toRequestPath(path), version: 'v2' }
    const found = router.find(query)
    if (found !== undefined) router.isAmbiguous(query, found)
    return found === undefined ? [] : [found.path]
  })
  return [
    ...bases.filter((base) => !/^https?:\/\/[^/@?#]+/.test(base)),
    ...paths.filter((path) => !path.startsWith('/')),
  ]
}

function unhelpful(problems: readonly Problem[]): readonly string[] {
  return problems
    .filter(({ message, where }) => !where || /^(Invalid|Unrecognized|Expected|.{0,5}$)/.test(message))
    .map((problem) => JSON.stringify(problem))
}

function* mutations(count: number): Generator {
  const random = createRandom(5).next
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
  for (let n = 0; n < count; n += 1) {
    const document = structuredClone(pick(GOOD))
    for (let places = 1 + Math.floor(random() * 3); places > 0; places -= 1) mutate(document, pick, random)
    yield document
  }
}

function mutate(document: unknown, pick: <T>(from: readonly T[]) => T, random: () => number): void {
  const holder = pick(holdersOf(document)) as Record<string, unknown>
  // What JSON can say, and no more.
  const others = Array.isArray(holder) ? ['0'] : ['__proto__', 'constructor', 'extra']
  const key = pick([...Object.keys(holder), ...others])
  const value = structuredClone(pick(HOSTILE))
  if (random() < 0.15) delete holder[key]
  else if (random() < 0.2 && !Array.isArray(holder) && Object.hasOwn(holder, key))
    put(holder, String(value), holder[key])
  else put(holder, key, value)
}

/** As JSON.parse does: `__proto__` too is a field like others. */
function put(holder: object, key: string, value: unknown): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true })
}

function holdersOf(value: unknown): readonly object[] {
  if (typeof value !== 'object' || value === null) return []
  return [value, ...Object.values(value).flatMap(holdersOf)]
}

function* fieldsOf(value: unknown): Generator<string> {
  for (const holder of holdersOf(value)) if (!Array.isArray(holder)) yield* Object.keys(holder)
}
