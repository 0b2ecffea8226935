// What stands in for Cloudflare's edge in the self-hosted build, and the configuration that workerd gets.
import { describe, expect, it } from 'vitest'
import { parseCached, ResponseStore } from '../../scripts/workerd/cached-response.ts'
import { Embed, toCapnp } from '../../scripts/workerd/capnp.ts'
import { clientAddress } from '../../scripts/workerd/client-address.ts'
import { workerdConfig } from '../../scripts/workerd/config.ts'
import { isHost } from '../../scripts/workerd/host-header.ts'
import { RateWindow } from '../../scripts/workerd/rate-window.ts'

describe('the address of a client', () => {
  it.each<[string, string | undefined, string | null, number, string | undefined]>([
    ['is the peer', '192.0.2.1:54106', null, 0, '192.0.2.1'],
    ['is the peer, by IPv6', '[2001:db8::1]:54106', null, 0, '2001:db8::1'],
    ['is the peer, IPv4 in IPv6 form', '[::ffff:192.0.2.1]:54106', null, 0, '192.0.2.1'],
    ['is never what a client says', '192.0.2.1:1', '10.0.0.1', 0, '192.0.2.1'],
    ['is what one proxy saw', '10.0.0.9:1', '10.6.6.6, 192.0.2.1', 1, '192.0.2.1'],
    ['is what the outer of two proxies saw', '10.0.0.9:1', '10.6.6.6, 192.0.2.1, 10.0.0.8', 2, '192.0.2.1'],
    ['is without the port that some proxies add', '10.0.0.9:1', '192.0.2.1:4711', 1, '192.0.2.1'],
    ['is unknown if a proxy is missing', '10.0.0.9:1', '192.0.2.1', 2, undefined],
    ['is unknown if the proxy says nothing', '10.0.0.9:1', null, 1, undefined],
    ['is unknown on a Unix socket', undefined, null, 0, undefined],
  ])('%s', (_name, peer, forwardedFor, proxies, address) => {
    expect(clientAddress(peer, forwardedFor, proxies)).toBe(address)
  })
})

describe('the header Host', () => {
  it.each(['example.com', 'EXAMPLE.com:8787', 'rigel_1', '192.0.2.1', '[2001:db8::1]:8787', '[::ffff:192.0.2.1]'])(
    'is a host: %s',
    (header) => expect(isHost(header)).toBe(true),
  )

  it.each([null, '', 'a/_rig/health?', 'a?', 'a#', 'a\\b', 'user@a', 'a b', 'a%2Fb', 'a:b', 'a,b', '[a/]', 'ä'])(
    'cannot be a part of another URL: %s',
    (header) => expect(isHost(header)).toBe(false),
  )
})

describe('a rate limit', () => {
  it('counts each key by itself, and begins anew with each period', () => {
    const window = new RateWindow({ limit: 2, periodSeconds: 60 })
    const take = (key: string, nowMs: number) => window.take(key, nowMs)
    expect([take('a', 0), take('a', 59_999), take('a', 59_999), take('b', 59_999), take('a', 60_000)]).toEqual([
      true,
      true,
      false,
      true,
      true,
    ])
  })

  it('keeps a bounded number of keys: the others share one count', () => {
    const window = new RateWindow({ limit: 1, periodSeconds: 60 })
    for (let n = 0; n < 100_000; n += 1) window.take(String(n), 0)
    expect([window.take('one more', 0), window.take('another', 0)]).toEqual([true, false])
  })
})

describe('a cached response', () => {
  const bytes = (text: string) => new TextEncoder().encode(text)
  const message = (control: string, body: string) =>
    bytes(`HTTP/1.1 200 OK\r\nCache-Control: ${control}\r\nX-Two: a: b\r\n\r\n${body}`)

  it('is read from the bytes of an HTTP message, and ends with its lifetime', () => {
    const response = parseCached(message('public, max-age=60', 'body\r\n\r\n'), 1_000)
    expect(response).toMatchObject({ status: 200, expiresAtMs: 61_000 })
    expect(response?.headers).toContainEqual(['X-Two', 'a: b'])
    expect(new TextDecoder().decode(response?.body)).toBe('body\r\n\r\n')
  })

  it.each([
    message('no-store', ''),
    message('max-age=0', ''),
    bytes('HTTP/1.1 200 OK'),
    bytes('nonsense\r\n\r\n'),
    bytes(''),
  ])('is none without a lifetime, or of other bytes', (message_) => expect(parseCached(message_, 0)).toBeUndefined())

  it('is found until it expires, or others need the room', () => {
    const store = new ResponseStore(10)
    const put = (url: string, length: number, nowMs: number) => {
      const response = parseCached(message('max-age=60', 'x'.repeat(length)), nowMs)
      if (response !== undefined) store.put(url, response)
    }
    put('/a', 5, 0)
    put('/b', 5, 0)
    expect(store.get('/a', 1)).toBeDefined()
    put('/c', 5, 0)
    expect(['/a', '/b', '/c'].map((url) => store.get(url, 1) !== undefined)).toEqual([true, false, true])
    expect(store.get('/a', 60_000)).toBeUndefined()
    put('/huge', 11, 0)
    expect(store.get('/huge', 1)).toBeUndefined()
    expect([store.delete('/c'), store.delete('/c')]).toEqual([true, false])
  })
})

describe('the configuration of workerd', () => {
  it('is Cap’n Proto text', () => {
    const value = { name: 'a "b"\n\u0001ü', list: [1, true, new Embed('main.js')], none: [] }
    expect(toCapnp(value)).toBe(
      String.raw`(name = "a \"b\"\n\x01ü", list = [
  1,
  true,
  embed "main.js",
], none = [])`,
    )
  })

  it('has the objects, queues, crons, rate limits and variables of wrangler’s', () => {
    const text = workerdConfig(
      {
        compatibility_date: '2026-09-15',
        durable_objects: { bindings: [{ name: 'USER_SHARD', class_name: 'UserShard' }] },
        triggers: { crons: ['* * * * *'] },
        assets: { binding: 'ASSETS', html_handling: 'none' },
        queues: {
          producers: [{ binding: 'EVENTS_QUEUE', queue: 'events' }],
          consumers: [{ queue: 'events', max_batch_size: 7 }],
        },
        ratelimits: [{ name: 'LIMIT', simple: { limit: 5, period: 60 } }],
      },
      ['SHARDS'],
    )
    for (const part of [
      '(name = "USER_SHARD", durableObjectNamespace = "UserShard")',
      '(className = "UserShard", uniqueKey = "rigel-UserShard", enableSql = true)',
      String.raw`json = "{\"queue\":\"events\"}"`,
      String.raw`\"events\":{\"consumer\":\"RIGEL\",\"maxBatchSize\":7}`,
      String.raw`json = "{\"RIGEL\":[\"* * * * *\"]}"`,
      String.raw`\"rule\":{\"limit\":5,\"periodSeconds\":60}`,
      '(name = "SHARDS", fromEnvironment = "SHARDS")',
    ]) {
      expect(text).toContain(part)
    }
  })
})
