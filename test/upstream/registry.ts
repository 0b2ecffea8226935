// A schema registry for tests, a process of its own: what Rigel asks of Confluent's REST, by its documentation. No real one
// can be had here. Below `/<name>` is a registry for each test; `PUT /<name>/ways` says how it behaves. Prints its port.
// Run: node test/upstream/registry.ts
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** A connection that is closed for having been idle (after 5 s by default) just when it is used again would fail a POST. */
const UNUSED_MS = 3_600_000

interface Registered {
  readonly id: number
  readonly subject: string
  readonly version: number
  readonly schema: string
  readonly schemaType?: string
  readonly guid?: string
  readonly references?: readonly { readonly name: string; readonly subject: string; readonly version: number }[]
  /** What `format=serialized` answers; a real registry makes it of the schema. */
  readonly descriptor?: string
}

interface Ways {
  /** What `authorization` must be. */
  readonly authorization?: string
  /** Of every question: hang, garbage, huge, redirect, reset, or a status. */
  readonly fault?: string | number
  /** Of `format=serialized`: `unknown` (Redpanda before 25.2) or `fails` (Karapace, with references). */
  readonly serialized?: 'unknown' | 'fails'
}

interface Registry {
  readonly schemas: Registered[]
  readonly asked: string[]
  ways: Ways
}

const registries = new Map<string, Registry>()

function registryOf(name: string): Registry {
  const registry = registries.get(name) ?? { schemas: [], asked: [], ways: {} }
  registries.set(name, registry)
  return registry
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' }).end(JSON.stringify(body))
}

const notFound = (response: ServerResponse, code: number, message: string) =>
  answer(response, 404, { error_code: code, message })

function register(registry: Registry, subject: string, body: object): number {
  const ofSubject = registry.schemas.filter((schema) => schema.subject === subject)
  const id = registry.schemas.length + 1
  registry.schemas.push({ ...(body as Registered), id, subject, version: ofSubject.length + 1 })
  return id
}

function find(registry: Registry, path: string): Registered | number {
  const [, guid] = /^\/schemas\/guids\/([0-9a-f-]{36})$/.exec(path) ?? []
  if (guid !== undefined) return registry.schemas.find((schema) => schema.guid === guid) ?? 40_403
  const [, id] = /^\/schemas\/ids\/(\d+)$/.exec(path) ?? []
  if (id !== undefined) return registry.schemas.find((schema) => schema.id === Number(id)) ?? 40_403
  const [, subject, version] = /^\/subjects\/([^/]+)\/versions\/(\d+|latest)$/.exec(path) ?? []
  if (subject === undefined) return 404
  const ofSubject = registry.schemas.filter((schema) => schema.subject === decodeURIComponent(subject))
  if (ofSubject.length === 0) return 40_401
  const found = version === 'latest' ? ofSubject.at(-1) : ofSubject.find((one) => one.version === Number(version))
  return found ?? 40_402
}

function answerSchema(registry: Registry, url: URL, response: ServerResponse): void {
  const found = find(registry, url.pathname)
  if (typeof found === 'number') return notFound(response, found, 'not found')
  const { descriptor, schema, schemaType, ...others } = found
  const asked = url.searchParams.get('format') === 'serialized' && schemaType === 'PROTOBUF'
  if (asked && registry.ways.serialized === 'fails') return answer(response, 500, { error_code: 500, message: 'oops' })
  const written = asked && registry.ways.serialized !== 'unknown' ? descriptor : schema
  // Confluent's leaves `schemaType` out of Avro's, and the id out of an answer by id.
  const { id, references, subject, version } = others
  const byId = url.pathname.startsWith('/schemas/') ? {} : { id, subject, version }
  answer(response, 200, {
    ...byId,
    ...(schemaType === undefined || schemaType === 'AVRO' ? {} : { schemaType }),
    schema: written,
    ...(references === undefined ? {} : { references }),
  })
}

function misbehave(fault: string | number, request: IncomingMessage, response: ServerResponse): void {
  if (typeof fault === 'number') return answer(response, fault, { error_code: fault, message: 'as it was told' })
  if (fault === 'reset') return void request.socket.destroy()
  if (fault === 'garbage') return void response.end('<html>a proxy’s page</html>')
  if (fault === 'redirect') return void response.writeHead(302, { location: 'http://elsewhere.example.com/' }).end()
  if (fault === 'huge') return void response.end(JSON.stringify({ schema: 'x'.repeat(3_000_000) }))
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const whole = new URL(request.url ?? '/', 'http://registry')
  const [, name = '', rest = '/'] = /^\/([^/]+)(\/.*)$/.exec(whole.pathname) ?? []
  const url = new URL(rest + whole.search, 'http://registry')
  const registry = registryOf(name)
  if (url.pathname === '/ways') {
    registry.ways = JSON.parse(await text(request)) as Ways
    return void response.end()
  }
  if (url.pathname === '/asked') return answer(response, 200, registry.asked)
  const [, subject] = /^\/subjects\/([^/]+)\/versions$/.exec(url.pathname) ?? []
  if (request.method === 'POST' && subject !== undefined) {
    const body = JSON.parse(await text(request)) as object
    return answer(response, 200, { id: register(registry, decodeURIComponent(subject), body) })
  }
  registry.asked.push(url.pathname + url.search)
  const { authorization, fault } = registry.ways
  if (fault !== undefined) return misbehave(fault, request, response)
  if (authorization !== undefined && request.headers.authorization !== authorization) {
    return answer(response, 401, { error_code: 401, message: 'Unauthorized' })
  }
  answerSchema(registry, url, response)
}

const server = createServer({ keepAliveTimeout: UNUSED_MS }, (request, response) => void handle(request, response))
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
