// Bodies of requests: what is declared and what comes, up to the limit, in time, and within what an isolate has for all of them.
import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { handle } from '../../src/http/app.ts'
import { RequestBodies } from '../../src/http/request/request-bodies.ts'
import { expectLogs } from '../support/expect-logs.ts'

// Fake timers are those of all objects in the isolate, too: the test's turn cannot send what an object reports by one.
expectLogs(/figures could not be stored.*different Durable Object/)

const LIMIT = 10
const MIB = 1_048_576

function post(body: string, declared?: string): Request {
  const headers = declared === undefined ? undefined : { 'content-length': declared }
  return new Request('https://rigel.test/', { method: 'POST', body, ...(headers && { headers }) })
}

async function textOf(request: Request): Promise<string> {
  const body = await new RequestBodies().read(request, LIMIT)
  return body.ok ? new TextDecoder().decode(body.value) : body.reason.kind
}

/** A body of which the test sends each part. */
function makeSlowBody() {
  const { promise: started, resolve } = Promise.withResolvers<ReadableStreamDefaultController<Uint8Array>>()
  let isCancelled = false
  const stream = new ReadableStream<Uint8Array>({
    start: resolve,
    cancel: () => {
      isCancelled = true
    },
  })
  return {
    stream,
    breakOff: async () => (await started).error(new Error('Network connection lost.')),
    send: async (bytes: number | Uint8Array) =>
      (await started).enqueue(typeof bytes === 'number' ? new Uint8Array(bytes).fill(0x20) : bytes),
    end: async () => (await started).close(),
    wasCancelled: () => isCancelled,
  }
}

type SlowBody = ReturnType<typeof makeSlowBody>

/** An isolate by itself. Requests to it are PUTs of subscriptions to a connection that does not exist. */
function makeIsolate() {
  const own = { ...env } as Env
  const send = (path: string, init: RequestInit, address: string | null) => {
    const headers = new Headers(init.headers)
    if (address !== null) headers.set('cf-connecting-ip', address)
    return Promise.resolve(
      handle(new Request(`https://rigel.test${path}`, { ...init, headers }), own, createExecutionContext()),
    )
  }
  return {
    put: (body: SlowBody, address: string | null = null, headers: Readonly<Record<string, string>> = {}) =>
      send(
        '/_rig/v1/connection/sse/nobody/subscriptions',
        { method: 'PUT', body: body.stream, headers: { 'content-type': 'application/json', ...headers } },
        address,
      ),
    publish: (address: string | null = null) => {
      const event = { specversion: '1.0', id: crypto.randomUUID(), source: '/test', type: 'greeting' }
      const body = JSON.stringify(event)
      const headers = { 'content-type': 'application/cloudevents+json', 'content-length': String(body.length) }
      return send('/_rig/v1/events', { method: 'POST', body, headers }, address)
    },
  }
}

/** Lets everything run that waits for no timer and for nothing outside. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 100; turn += 1) await Promise.resolve()
}

/** The status of each response that has come, undefined for the others. */
function watch(responses: readonly Promise<Response>[]): (number | undefined)[] {
  const statuses = responses.map((): number | undefined => undefined)
  for (const [at, response] of responses.entries()) void response.then(({ status }) => (statuses[at] = status))
  return statuses
}

describe('a body', () => {
  it.each([undefined, '5'])('within the limit is read, declared as %s', async (declared) => {
    expect(await textOf(post('hello', declared))).toBe('hello')
  })

  it.each([undefined, '11', '3', 'many'])('above the limit is refused, declared as %s', async (declared) => {
    expect(await textOf(post('hello world', declared))).toBe('body_too_large')
  })

  it.each([1, 4_095, 4_096, 100_000])('that comes in parts of %d bytes is read whole', async (size) => {
    const sent = Uint8Array.from({ length: 200_000 }, (_, at) => (at * 7) % 251)
    const slow = makeSlowBody()
    for (let at = 0; at < sent.length; at += size) await slow.send(sent.slice(at, at + size))
    await slow.end()
    const request = new Request('https://rigel.test/', { method: 'POST', body: slow.stream })
    const read = await new RequestBodies().read(request, 200_000)
    expect(read.ok && read.value).toEqual(sent)
  })

  it.each<Readonly<Record<string, string>>>([{}, { 'content-length': '9' }, { 'content-encoding': 'gzip' }])(
    'that the client breaks off is refused, and is no bug that is logged: %o',
    async (headers) => {
      const body = makeSlowBody()
      const response = makeIsolate().put(body, null, headers)
      await body.send(5)
      await body.breakOff()
      expect((await response).status).toBe(400)
    },
  )
})

describe('a body that comes slowly', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }))
  afterEach(() => void vi.useRealTimers())

  it('and stalls is refused with 408 after ten seconds without bytes, and cancelled', async () => {
    const { put } = makeIsolate()
    const body = makeSlowBody()
    const statuses = watch([put(body)])
    await vi.advanceTimersByTimeAsync(6_000)
    await body.send(1)
    await vi.advanceTimersByTimeAsync(9_900)
    expect(statuses).toEqual([undefined])
    await vi.advanceTimersByTimeAsync(200)
    await vi.waitFor(() => expect(statuses).toEqual([408]))
    expect(body.wasCancelled()).toBe(true)
  })

  it('and is compressed is refused as others are', async () => {
    const { put } = makeIsolate()
    const statuses = watch([put(makeSlowBody(), null, { 'content-encoding': 'gzip' })])
    await vi.advanceTimersByTimeAsync(10_000)
    await vi.waitFor(() => expect(statuses).toEqual([408]))
  })

  it('and never ends is refused with 408 after a minute', async () => {
    const { put } = makeIsolate()
    const body = makeSlowBody()
    const statuses = watch([put(body)])
    for (let second = 0; second < 59; second += 1) {
      await body.send(1)
      await vi.advanceTimersByTimeAsync(1_000)
    }
    expect(statuses).toEqual([undefined])
    await body.send(1)
    await vi.advanceTimersByTimeAsync(1_500)
    await vi.waitFor(() => expect(statuses).toEqual([408]))
  })

  it('and is small is given up too, if 256 others are read', async () => {
    const { put } = makeIsolate()
    const statuses = watch(Array.from({ length: 260 }, () => put(makeSlowBody(), null, { 'content-length': '9' })))
    await vi.advanceTimersByTimeAsync(10_000)
    await vi.waitFor(() => expect(statuses.filter((status) => status === 408)).toHaveLength(4))
    expect(statuses.filter((status) => status === undefined)).toHaveLength(256)
  })

  it('and ends in time leaves no timer', async () => {
    const body = makeSlowBody()
    const read = new RequestBodies().read(
      new Request('https://rigel.test/', { method: 'POST', body: body.stream }),
      LIMIT,
    )
    await body.send(2)
    expect(vi.getTimerCount()).toBe(1)
    await body.end()
    expect((await read).ok).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('many bodies that are read at once', () => {
  /** Each holds 2 MiB, and waits for its last byte. */
  async function fill(bodies: readonly SlowBody[]): Promise<void> {
    for (const body of bodies) {
      await body.send(2 * MIB - 1)
      await settle()
    }
  }

  it('take 20 MiB: further ones are told to come back, and events are not', async () => {
    const { publish, put } = makeIsolate()
    const bodies = Array.from({ length: 60 }, makeSlowBody)
    const answers = bodies.map((body, n) => put(body, `192.0.2.${n}`))
    const statuses = watch(answers)
    await fill(bodies)
    await vi.waitFor(() => expect(statuses.filter((status) => status === 503)).toHaveLength(50))
    expect(statuses.filter((status) => status === undefined)).toHaveLength(10)
    const refused = await answers[statuses.indexOf(503)]
    expect([await refused?.text(), refused?.headers.get('retry-after')]).toEqual([
      'Too many large bodies are being read, come back.',
      '2',
    ])
    expect((await publish()).status).toBe(202)
    // Who was let in is served, and leaves its room.
    for (const body of bodies) if (!body.wasCancelled()) await body.end()
    await vi.waitFor(() => expect(statuses.filter((status) => status === 400)).toHaveLength(10))
    const next = makeSlowBody()
    const answered = put(next)
    await fill([next])
    await next.end()
    expect((await answered).status).toBe(400)
  })

  it('of one address take 12 MiB, and others are served', async () => {
    const { put } = makeIsolate()
    const bodies = Array.from({ length: 20 }, makeSlowBody)
    const statuses = watch(bodies.map((body) => put(body, '192.0.2.1')))
    await fill(bodies)
    await vi.waitFor(() => expect(statuses.filter((status) => status === 503)).toHaveLength(14))
    const other = makeSlowBody()
    const answered = put(other, '192.0.2.2')
    await fill([other])
    await other.end()
    expect((await answered).status).toBe(400)
  })

  it('count by what has come, not by what is declared', async () => {
    const { put } = makeIsolate()
    const bodies = Array.from({ length: 60 }, makeSlowBody)
    const statuses = watch(bodies.map((body) => put(body, null, { 'content-length': String(2 * MIB) })))
    for (const body of bodies) await body.send(1)
    await settle()
    for (const body of bodies) await body.end()
    await vi.waitFor(() => expect(statuses).toEqual(bodies.map(() => 400)))
  })
})
