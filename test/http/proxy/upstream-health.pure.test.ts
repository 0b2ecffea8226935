import { describe, expect, it } from 'vitest'
import { UpstreamHealth } from '../../../src/http/proxy/upstream-health.ts'
import type { CircuitBreaker, Policy, Upstream } from '../../../src/api-definitions/api-route.ts'

const upstream = (name: string, weight = 1): Upstream => ({ base: `http://${name}.test`, weight, service: null })
const BREAKER: CircuitBreaker = { failures: 4, openMs: 1_000, healthCheck: null }
const routeWith = (breaker: CircuitBreaker | null) => ({ policy: { breaker } as Policy })
const NONE: ReadonlySet<Upstream> = new Set()

describe('the choice of an upstream', () => {
  it('is by weight', () => {
    const health = new UpstreamHealth()
    const route = routeWith(BREAKER)
    const upstreams = [upstream('a', 1), upstream('b', 7), upstream('c', 2)]
    const counts = new Map<string, number>()
    for (let n = 0; n < 1_000; n += 1) {
      const base = health.choose(route, upstreams, 0, n / 1_000, NONE)?.base ?? ''
      counts.set(base, (counts.get(base) ?? 0) + 1)
    }
    expect(Object.fromEntries(counts)).toEqual({ 'http://a.test': 100, 'http://b.test': 700, 'http://c.test': 200 })
  })

  it('is one that has not just failed, while there is one', () => {
    const health = new UpstreamHealth()
    const [a, b] = [upstream('a', 1_000), upstream('b')]
    expect(health.choose(routeWith(BREAKER), [a, b], 0, 0, new Set([a]))).toBe(b)
    expect(health.choose(routeWith(BREAKER), [a], 0, 0, new Set([a]))).toBe(a)
  })
})

describe('an upstream that cannot be reached', () => {
  const broken = (clients: readonly string[], breaker: CircuitBreaker | null = BREAKER) => {
    const health = new UpstreamHealth()
    const route = routeWith(breaker)
    const [a, b] = [upstream('a'), upstream('b')]
    for (const client of clients) health.failed(route, a, client, 0)
    return { health, route, a, b, choose: (nowMs: number) => health.choose(route, [a, b], nowMs, 0, NONE) }
  }
  const CLIENTS = ['1', '2', '3', '4']

  it('is taken out after as many failures in a row as the route says, and no other is', () => {
    expect(broken(CLIENTS.slice(1)).choose(0)).toMatchObject({ base: 'http://a.test' })
    const { b, choose } = broken(CLIENTS)
    expect([choose(0), choose(999)]).toEqual([b, b])
  })

  it('is not taken out by one client, whose share is half of the failures', () => {
    expect(broken(Array<string>(100).fill('1')).choose(0)).toMatchObject({ base: 'http://a.test' })
    expect(broken(['1', '1', '1', '2']).choose(0)).toMatchObject({ base: 'http://a.test' })
    expect(broken(['1', '1', '2', '2']).choose(0)).toMatchObject({ base: 'http://b.test' })
  })

  it('is taken out for its own route only', () => {
    const { a, health } = broken(CLIENTS)
    expect(health.choose(routeWith(BREAKER), [a], 0, 0, NONE)).toBe(a)
  })

  it('counts from zero after a success', () => {
    const { a, choose, health, route } = broken(CLIENTS.slice(1))
    health.succeeded(route, a)
    health.failed(route, a, '4', 0)
    expect(choose(0)).toBe(a)
  })

  it('is tried by one request when its time is over, and by all when that succeeds', () => {
    const { a, b, choose, health, route } = broken(CLIENTS)
    expect([choose(1_000), choose(1_001), choose(1_500)]).toEqual([a, b, b])
    health.succeeded(route, a)
    expect([choose(1_501), choose(1_502)]).toEqual([a, a])
  })

  it('is taken out again when that request fails', () => {
    const { a, b, choose, health, route } = broken(CLIENTS)
    expect(choose(1_000)).toBe(a)
    health.failed(route, a, '1', 1_200)
    expect([choose(2_100), choose(2_200)]).toEqual([b, a])
  })

  it('is probed by a health check, not by a request, where the route has one', () => {
    const { a, b, choose, health, route } = broken(CLIENTS, { ...BREAKER, healthCheck: '/health' })
    expect(health.dueForCheck(route, [a, b], 999)).toEqual([])
    expect(choose(1_000)).toBe(b)
    expect([health.dueForCheck(route, [a, b], 1_000), health.dueForCheck(route, [a, b], 1_001)]).toEqual([[a], []])
    expect(choose(1_002)).toBe(b)
    expect(health.dueForCheck(route, [a, b], 2_000)).toEqual([a])
    health.succeeded(route, a)
    expect([choose(2_001), health.dueForCheck(route, [a, b], 9_000)]).toEqual([a, []])
  })

  it('is asked all the same where the route has no breaker, and nothing is asked where all are out', () => {
    const { a, health, route } = broken(CLIENTS)
    expect(health.choose(route, [a], 0, 0, NONE)).toBeUndefined()
    const none = broken(CLIENTS, null)
    expect(none.choose(0)).toBe(none.a)
  })
})

describe('retries', () => {
  it('are some at once, and then a fifth of what succeeds', () => {
    const health = new UpstreamHealth()
    const route = routeWith(BREAKER)
    const [a, b] = [upstream('a'), upstream('b')]
    const retries = (one: Upstream) => {
      let count = 0
      while (health.mayRetry(route, one)) count += 1
      return count
    }
    expect([retries(a), retries(a)]).toEqual([10, 0])
    for (let n = 0; n < 26; n += 1) health.succeeded(route, a)
    expect([retries(a), retries(b)]).toEqual([5, 10])
  })
})
