// How often a key set is fetched: by time and not by tokens, and by one request at a time.
import { errors, type JSONWebKeySet } from 'jose'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { KeySetCache } from '../../src/auth/key-set.ts'
import { eventually } from '../support/eventually.ts'

beforeEach(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
})

/** A provider whose answers the test gives, and a clock that sleeping moves on. */
function makeCache() {
  const clock = { nowMs: 1_000_000 }
  const fetches: { answer: (keys: JSONWebKeySet) => void; fail: () => void }[] = []
  const cache = new KeySetCache({
    nowMs: () => clock.nowMs,
    fetch: () =>
      new Promise((resolve, reject) => {
        fetches.push({ answer: resolve, fail: () => reject(new errors.JWKSTimeout()) })
      }),
    sleep: async (ms) => {
      clock.nowMs += ms
    },
  })
  return { cache, clock, fetches }
}

const NO_KEYS: JSONWebKeySet = { keys: [] }

async function loaded() {
  const made = makeCache()
  const loading = made.cache.current()
  made.fetches[0]?.answer(NO_KEYS)
  return { ...made, keys: await loading }
}

describe('the first keys', () => {
  it('are fetched once, however many requests wait for them', async () => {
    const { cache, fetches } = makeCache()
    const waiting = [cache.current(), cache.current(), cache.current()]
    fetches[0]?.answer(NO_KEYS)
    const [first, ...others] = await Promise.all(waiting)
    expect(others).toEqual([first, first])
    expect(fetches).toHaveLength(1)
  })

  it('are fetched by another request if the one that did is gone for 5 seconds', async () => {
    const { cache, clock, fetches } = makeCache()
    void cache.current()
    clock.nowMs += 4_990
    const second = cache.current()
    await eventually(() => expect(fetches).toHaveLength(2))
    fetches[1]?.answer(NO_KEYS)
    await second
  })

  it('are asked for again 5 seconds after a failure, and not before', async () => {
    const { cache, clock, fetches } = makeCache()
    const first = cache.current()
    fetches[0]?.fail()
    await expect(first).rejects.toThrow(errors.JWKSTimeout)
    for (let n = 0; n < 100; n += 1) await expect(cache.current()).rejects.toThrow(errors.JWKSTimeout)
    clock.nowMs += 5_000
    const second = cache.current()
    fetches[1]?.answer(NO_KEYS)
    await second
    expect(fetches).toHaveLength(2)
  })
})

it('keys that cannot be used are named in one line', async () => {
  const { cache, fetches } = makeCache()
  const loading = cache.current()
  fetches[0]?.answer({ keys: [null, { kty: 'RSA', kid: 'broken' }, { kty: 'oct' }] } as unknown as JSONWebKeySet)
  await loading
  const lines = vi.mocked(console.warn).mock.calls.map((call) => JSON.stringify(call))
  expect(lines.filter((line) => line.includes('key 1: it is not an object; kid broken: '))).toHaveLength(1)
})

describe('keys that are known', () => {
  it('are used for 10 minutes, then fetched again', async () => {
    const { cache, clock, fetches, keys } = await loaded()
    clock.nowMs += 599_999
    expect(await cache.current()).toBe(keys)
    clock.nowMs += 1
    const next = cache.current()
    fetches[1]?.answer(NO_KEYS)
    expect(await next).not.toBe(keys)
  })

  it('are fetched again for tokens that they do not verify, every 30 seconds at most', async () => {
    const { cache, clock, fetches, keys } = await loaded()
    for (let n = 0; n < 100; n += 1) expect(await cache.newerThan(keys)).toBeUndefined()
    clock.nowMs += 30_000
    const newer = [cache.newerThan(keys), cache.newerThan(keys)]
    fetches[1]?.answer(NO_KEYS)
    const [first, second] = await Promise.all(newer)
    expect(second).toBe(first)
    expect(first).not.toBe(keys)
    expect(fetches).toHaveLength(2)
  })

  it('stay in use while the provider is out of reach; a token they do not verify is neither good nor bad then', async () => {
    const { cache, clock, fetches, keys } = await loaded()
    clock.nowMs += 30_000
    const newer = cache.newerThan(keys)
    fetches[1]?.fail()
    await expect(newer).rejects.toThrow(errors.JWKSTimeout)
    await expect(cache.newerThan(keys)).rejects.toThrow(errors.JWKSTimeout)
    expect(await cache.current()).toBe(keys)
    expect(fetches).toHaveLength(2)
  })
})
