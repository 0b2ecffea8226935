// What operators are told by a Rigel that runs: traces, at a stub of a collector that refuses what is not OTLP's JSON, and a log
// that servers out of reach do not fill. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseOtlp, type ParsedSpan } from '../telemetry/otlp.ts'
import { Rigel, until } from './rigel.ts'

const UPSTREAM = fileURLToPath(new URL('../upstream/upstream.ts', import.meta.url))
const PARENT = '00f067aa0ba902b7'
const traceId = (digit: string) => digit.repeat(32)
const sampled = (digit: string) => ({ traceparent: `00-${traceId(digit)}-${PARENT}-01` })
/** Spans are exported five seconds after the first. */
const EXPORTED_WITHIN_MS = 15_000

const spans: ParsedSpan[] = []
const refused: string[] = []
const authorizations = new Set<string | undefined>()
let rigel: Rigel
let upstream: ChildProcess
let collector: Server

before(async () => {
  collector = await startCollector(0)
  const { port } = collector.address() as AddressInfo
  upstream = spawn('node', [UPSTREAM], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [started] = upstream.stdout === null ? [] : ((await once(upstream.stdout, 'data')) as [Buffer])
  const target = `http://127.0.0.1:${Number(String(started))}`
  const routes = { 'POST /orders/{id}': { target: 'kafka:rig', event_type: 'order' }, 'GET /books/{id}': {} }
  rigel = await Rigel.start({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20of-the-collector',
    OTEL_TRACES_SAMPLER_ARG: '0',
    PROXY_CONFIG: JSON.stringify([{ id: 'shop', target, routes }]),
  })
})

after(async () => {
  upstream?.kill('SIGKILL')
  collector?.close()
  await rigel?.end()
})

void test('a proxied request is a span, and the parent of the service’s', async () => {
  const answer = await fetch(`${rigel.origin}/books/7?token=secret`, { headers: sampled('1') })
  const { headers } = (await answer.json()) as { readonly headers: Readonly<Record<string, string>> }
  const span = await spanOf('1', 'GET /books/{id}')
  assert.deepEqual([span.service, span.kind, span.parentSpanId], ['rigel', 2, PARENT])
  assert.equal(headers['traceparent'], `00-${traceId('1')}-${span.spanId}-01`)
  assert.deepEqual(span.attributes, {
    'http.request.method': 'GET',
    'http.route': '/books/{id}',
    'http.response.status_code': '200',
    'rigel.api': 'shop',
  })
})

void test('a published event is a span, whose child is the delivery to the shards', async () => {
  const event = { specversion: '1.0', id: 'traced', source: '/e2e', type: 'news' }
  const init = { method: 'POST', body: JSON.stringify(event) }
  const headers = { 'content-type': 'application/cloudevents+json', ...sampled('2') }
  const answer = await fetch(`${rigel.origin}/_rig/v1/events`, { ...init, headers })
  assert.equal(answer.status, 202, await answer.text())
  const sent = await spanOf('2', 'send rig')
  const processed = await spanOf('2', 'process rig')
  assert.deepEqual([sent.kind, sent.parentSpanId], [4, PARENT])
  assert.deepEqual([processed.kind, processed.parentSpanId], [5, sent.spanId])
  assert.equal(processed.attributes['cloudevents.event_id'], 'traced')
})

void test('a request that is published as an event is one trace with the event', async () => {
  const answer = await fetch(`${rigel.origin}/orders/7`, { method: 'POST', body: '{}', headers: sampled('3') })
  assert.equal(answer.status, 202, await answer.text())
  const proxied = await spanOf('3', 'POST /orders/{id}')
  const processed = await spanOf('3', 'process rig')
  assert.equal(processed.parentSpanId, proxied.spanId)
})

void test('what no caller samples is not exported, with a ratio of 0', async () => {
  assert.equal((await fetch(`${rigel.origin}/books/8`)).status, 200)
  await fetch(`${rigel.origin}/books/9`, { headers: sampled('4') })
  await spanOf('4', 'GET /books/{id}')
  assert.deepEqual(new Set(spans.map((span) => span.traceId)), new Set(['1', '2', '3', '4'].map(traceId)))
})

void test('a collector that is away for a while fails no request, gets the spans later, and costs one line of the log', async () => {
  const { port } = collector.address() as AddressInfo
  collector.close()
  collector.closeAllConnections()
  const isTold = () => rigel.output.includes('traces could not be exported')
  await until('a failed export is told', async () => {
    const answer = await fetch(`${rigel.origin}/books/10`, { headers: sampled('5') })
    assert.equal(answer.status, 200)
    return isTold()
  })
  collector = await startCollector(port)
  await fetch(`${rigel.origin}/books/11`, { headers: sampled('6') })
  await spanOf('6', 'GET /books/{id}')
  await spanOf('5', 'GET /books/{id}')
  assert.equal(rigel.output.split('traces could not be exported').length - 1, 1, rigel.output)
})

void test('the collector took everything, with its key', () => {
  assert.deepEqual([refused, [...authorizations]], [[], ['Bearer of-the-collector']])
})

void test('brokers and a service out of reach have one line each in the log, however many requests they fail', async () => {
  const shop = { id: 'shop', target: 'http://127.0.0.1:1', routes: { 'GET /books': {} } }
  const lost = await Rigel.start({ KAFKA_BROKERS: '127.0.0.1:1', PROXY_CONFIG: JSON.stringify([shop]) })
  try {
    const body = JSON.stringify({ specversion: '1.0', id: '1', source: '/e2e', type: 'news' })
    const headers = {
      'content-type': 'application/cloudevents+json',
      authorization: `Bearer ${await lost.mintToken('alice')}`,
    }
    const publish = async () => (await fetch(`${lost.origin}/_rig/v1/events`, { method: 'POST', body, headers })).status
    const get = async () => (await fetch(`${lost.origin}/books`)).status
    const statuses = await Promise.all(Array.from({ length: 20 }, () => [publish(), get()]).flat())
    assert.deepEqual(new Set(statuses), new Set([502, 503]))
    const lines = lost.output.split('\n').filter((line) => line.startsWith('{'))
    for (const message of ['events could not be produced', 'a service could not be reached']) {
      // A minute later there is another one, if the machine is that slow.
      const count = lines.filter((line) => line.includes(message)).length
      assert.ok(count === 1 || count === 2, lost.output)
    }
    // Followers and the cron are told too, each by lines of its own.
    assert.ok(lines.length <= 12, lost.output)
    assert.doesNotMatch(lost.output, /^ {4}at /m)
  } finally {
    await lost.end()
  }
})

async function spanOf(trace: string, name: string): Promise<ParsedSpan> {
  const find = () => spans.find((span) => span.traceId === traceId(trace) && span.name === name)
  await until(`the span "${name}" is exported`, () => find() !== undefined, EXPORTED_WITHIN_MS)
  const found = find()
  assert.ok(found)
  return found
}

async function startCollector(port: number): Promise<Server> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      try {
        assert.deepEqual([request.method, request.url], ['POST', '/v1/traces'])
        assert.equal(request.headers['content-type'], 'application/json')
        authorizations.add(request.headers.authorization)
        spans.push(...parseOtlp(Buffer.concat(chunks).toString()))
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
      } catch (error) {
        refused.push(String(error))
        response.writeHead(400).end(String(error))
      }
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}
