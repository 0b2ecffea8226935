// The parts of the browser client that need no browser. test/e2e/client.test.ts has the whole in Chromium.
import { describe, expect, it, vi } from 'vitest'
import { backoffMs, retryAfterMs } from '../../src/client/backoff.ts'
import { endedByCode, endedByResponse } from '../../src/client/ended.ts'
import { EventQueue, typeMatcher } from '../../src/client/event-queue.ts'
import { connectParameters, toTime, withoutTables } from '../../src/client/link.ts'
import { TransportChoice } from '../../src/client/transport-choice.ts'
import { createSseParser } from '../../src/client/transports/sse.ts'
import type { ReceivedEvent } from '../../src/client/types.ts'

const event = (id: string, type = 'order.shipped'): ReceivedEvent => {
  return { specversion: '1.0', id, source: '/test', type, position: id }
}

describe('the SSE parser', () => {
  const STREAM = 'retry: 3000\n\nid: 1\nevent: a\ndata: {"x":1}\n\nid: 2\n\n:heartbeat\ndata: a\ndata: b\n\n'
  const MESSAGES = [
    { data: '', id: null },
    { data: '{"x":1}', id: '1' },
    { data: '', id: '2' },
    { data: 'a\nb', id: null },
  ]

  it.each([1, 2, 3, 7, 1_000])('reads the same messages from chunks of %i characters', (length) => {
    const parse = createSseParser()
    const chunks = STREAM.match(new RegExp(`[^]{1,${length}}`, 'g')) ?? []
    expect(chunks.flatMap((chunk) => parse(chunk))).toEqual(MESSAGES)
  })

  it.each(['\r', '\r\n'])('accepts %j as the end of a line, also between chunks', (end) => {
    const parse = createSseParser()
    expect(
      STREAM.replaceAll('\n', end)
        .split('')
        .flatMap((character) => parse(character))
        .concat(parse('\n')),
    ).toEqual(MESSAGES)
  })
})

describe('joining at the offsets of a state', () => {
  it('names them at each attempt, beside the position once there is one', () => {
    const request = { url: () => new URL('https://rigel.test'), token: null, subscriptions: [], asOf: 'orders/3@1042' }
    expect(connectParameters({ ...request, position: null })).toEqual({ as_of: 'orders/3@1042' })
    expect(connectParameters({ ...request, position: '1.a-7*' })).toEqual({
      last_event_id: '1.a-7*',
      as_of: 'orders/3@1042',
    })
    expect(connectParameters({ ...request, asOf: null, position: null })).toEqual({})
  })
})

describe('a connection begins', () => {
  it('at a time, or is refused at once if that is none', () => {
    expect([toTime('2026-11-27'), toTime(new Date(0)), toTime(null), toTime('')]).toEqual([
      '2026-11-27T00:00:00.000Z',
      '1970-01-01T00:00:00.000Z',
      null,
      null,
    ])
    for (const since of ['yesterday', new Date('')]) expect(() => toTime(since)).toThrow('since must be a Date')
  })

  it('without the tables of an earlier page, whose rows it does not have', () => {
    expect(withoutTables('1.a-7*!0123456789abcdef')).toBe('1.a-7*')
    expect([withoutTables('earliest'), withoutTables(''), withoutTables(undefined)]).toEqual(['earliest', null, null])
  })
})

describe('reconnecting', () => {
  it('waits longer after each failure, up to 30 s, and never less than half of that', () => {
    expect(
      [1, 2, 3, 20].map((failures) => [backoffMs(failures, 0), backoffMs(failures, 0.999)].map(Math.round)),
    ).toEqual([
      [250, 500],
      [500, 1000],
      [1000, 1999],
      [15_000, 29_985],
    ])
  })

  it.each([
    ['5', 5_000],
    ['Thu, 01 Jan 1970 00:00:09 GMT', 8_000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['soon', 0],
    [null, 0],
  ])('reads Retry-After %j as %i ms', (header, ms) => {
    expect(retryAfterMs(header, 1_000)).toBe(ms)
  })

  it.each([
    [1006, 'retry'],
    [4000, 'retry'],
    [4499, 'retry'],
    [4500, 'new-token'],
    [4502, 'new-token'],
    [4501, 'stop'],
    [4999, 'stop'],
    [3500, 'stop'],
    [3499, 'retry'],
  ] as const)('after close code %i the next step is %s', (code, next) => {
    expect(endedByCode(code, '').next).toBe(next)
  })

  it('comes back when a reason says so, and not before', () => {
    expect(endedByCode(4003, 'Many clients connect: come back in 2345 ms.')).toMatchObject({
      next: 'retry',
      afterMs: 2_345,
    })
    expect(endedByCode(4003, 'Temporarily unavailable.').afterMs).toBe(0)
  })

  it.each([
    [401, 'new-token'],
    [403, 'stop'],
    [400, 'stop'],
    [429, 'retry'],
    [503, 'retry'],
  ] as const)('after status %i the next step is %s', async (status, next) => {
    const response = new Response('why', { status, headers: { 'retry-after': '2' } })
    expect(await endedByResponse(response)).toMatchObject({ code: status, reason: 'why', next })
  })
})

describe('the choice of a transport', () => {
  const makeChoice = (isServerUp: boolean) =>
    new TransportChoice(['websocket', 'sse'], () => Promise.resolve(isServerUp))

  it('passes over one that twice in a row did not open, while the server answers', async () => {
    const choice = makeChoice(true)
    await choice.failedToOpen()
    expect(choice.choose()).toBe('websocket')
    await choice.failedToOpen()
    expect(choice.choose()).toBe('sse')
  })

  it('keeps the one that opened in between, and the one whose server is down', async () => {
    const choice = makeChoice(true)
    await choice.failedToOpen()
    choice.opened()
    await choice.failedToOpen()
    expect(choice.choose()).toBe('websocket')
    const down = makeChoice(false)
    for (let n = 0; n < 3; n += 1) await down.failedToOpen()
    expect(down.choose()).toBe('websocket')
  })

  it('begins again when all are blocked, and tries a blocked one again after ten minutes', async () => {
    vi.useFakeTimers()
    const choice = makeChoice(true)
    for (let n = 0; n < 2; n += 1) await choice.failedToOpen()
    expect(choice.choose()).toBe('sse')
    vi.advanceTimersByTime(600_000)
    expect(choice.choose()).toBe('websocket')
    for (let n = 0; n < 2; n += 1) await choice.failedToOpen()
    choice.choose()
    for (let n = 0; n < 2; n += 1) await choice.failedToOpen()
    expect(choice.choose()).toBe('websocket')
    vi.useRealTimers()
  })
})

describe('the event queue', () => {
  it.each([
    ['*', true],
    ['order.*', true],
    ['order.shipped', true],
    ['order', false],
    ['orders.*', false],
  ])('pattern %s and order.shipped: %s', (pattern, matches) => {
    expect(typeMatcher(pattern)('order.shipped')).toBe(matches)
  })

  it('hands the next event over only when every handler is done', async () => {
    const steps: string[] = []
    const queue = new EventQueue(() => {})
    queue.on('*', async ({ id }) => {
      await Promise.resolve()
      steps.push(`async ${id}`)
    })
    queue.on('order.*', ({ id }) => steps.push(`sync ${id}`))
    await queue.dispatch(event('1'))
    await queue.dispatch(event('2'))
    expect(steps).toEqual(['sync 1', 'async 1', 'sync 2', 'async 2'])
  })

  it('reports a handler that throws or rejects, and goes on', async () => {
    const errors: unknown[] = []
    const queue = new EventQueue((error) => errors.push(error))
    queue.on('*', () => {
      throw new Error('thrown')
    })
    queue.on('*', () => Promise.reject(new Error('rejected')))
    await queue.dispatch(event('1'))
    expect(errors.map(String)).toEqual(['Error: thrown', 'Error: rejected'])
  })

  it('counts an iterated event as handled when the next one is asked for, or the loop is left', async () => {
    const queue = new EventQueue(() => {})
    const steps: string[] = []
    const loop = (async () => {
      for await (const { id } of queue.iterate(new Promise(() => {}))) {
        steps.push(`got ${id}`)
        if (id === '2') break
      }
    })()
    for (const id of ['1', '2']) {
      await queue.dispatch(event(id))
      steps.push(`handled ${id}`)
    }
    await loop
    expect(steps).toEqual(['got 1', 'handled 1', 'got 2', 'handled 2'])
  })

  it('shows iterators application events and gaps, not the system events', async () => {
    const queue = new EventQueue(() => {})
    const { promise: closed, resolve: close } = Promise.withResolvers<void>()
    const seen: string[] = []
    const loop = (async () => {
      for await (const { type } of queue.iterate(closed)) seen.push(type)
    })()
    for (const type of ['rig.connection.create', 'rig.gap', 'order.shipped']) await queue.dispatch(event('1', type))
    close()
    await loop
    expect(seen).toEqual(['rig.gap', 'order.shipped'])
  })
})
