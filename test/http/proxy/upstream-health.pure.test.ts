import { describe, expect, it } from 'vitest'
import { UpstreamHealth } from '../../../src/http/proxy/upstream-health.ts'
import type { Upstream } from '../../../src/api-definitions/api-route.ts'

const upstream = (name: string, weight = 1): Upstream => ({ base: `http://${name}.test`, weight, service: null })
const BREAKER = { failures: 3, openMs: 1_000 }
const NONE: ReadonlySet<Upstream> = new Set()

describe('the choice of an upstream', () => {
  it('is by weight', () => {
    const health = new UpstreamHealth()
    const upstreams = [upstream('a', 1), upstream('b', 7), upstream('c', 2)]
    const counts = new Map<string, number>()
    for (let n = 0; n < 1_000; n += 1) {
      const base = health.choose(upstreams, BREAKER, 0, n / 1_000, NONE)?.base ?? ''
      counts.set(base, (counts.get(base) ?? 0) + 1)
    }
    expect(Object.fromEntries(counts)).toEqual({ 'http://a.test': 100, 'http://b.test': 700, 'http://c.test': 200 })
  })

  it('is one that has not just failed, while there is one', () => {
    const health = new UpstreamHealth()
    const [a, b] = [upstream('a', 1_000), upstream('b')]
    expect(health.choose([a, b], BREAKER, 0, 0, new Set([a]))).toBe(b)
    expect(health.choose([a], BREAKER, 0, 0, new Set([a]))).toBe(a)
  })
})

describe('an upstream that fails', () => {
  const broken = (times: number) => {
    const health = new UpstreamHealth()
    const [a, b] = [upstream('a'), upstream('b')]
    for (let n = 0; n < times; n += 1) health.failed(a, BREAKER, 0)
    return { health, a, b, choose: (nowMs: number) => health.choose([a, b], BREAKER, nowMs, 0, NONE) }
  }

  it('rests after as many failures in a row as the route says, and no other does', () => {
    expect(broken(2).choose(0)).toMatchObject({ base: 'http://a.test' })
    const { b, choose } = broken(3)
    expect([choose(0), choose(999)]).toEqual([b, b])
  })

  it('counts anew after a success', () => {
    const { a, choose, health } = broken(2)
    health.succeeded(a)
    health.failed(a, BREAKER, 0)
    expect(choose(0)).toBe(a)
  })

  it('is tried by one request after its rest, and by all when that succeeds', () => {
    const { a, b, choose, health } = broken(3)
    expect([choose(1_000), choose(1_001), choose(1_500)]).toEqual([a, b, b])
    health.succeeded(a)
    expect([choose(1_501), choose(1_502)]).toEqual([a, a])
  })

  it('rests again when that one fails', () => {
    const { a, b, choose, health } = broken(3)
    expect(choose(1_000)).toBe(a)
    health.failed(a, BREAKER, 1_200)
    expect([choose(2_100), choose(2_200)]).toEqual([b, a])
  })

  it('is asked all the same where the route has no breaker, and nothing where all rest', () => {
    const { a, health } = broken(9)
    expect(health.choose([a], null, 0, 0, NONE)).toBe(a)
    expect(health.choose([a], BREAKER, 0, 0, NONE)).toBeUndefined()
  })
})

describe('retries', () => {
  it('are some at once, and then a fifth of what succeeds', () => {
    const health = new UpstreamHealth()
    const [a, b] = [upstream('a'), upstream('b')]
    const retries = (of: Upstream) => {
      let count = 0
      while (health.mayRetry(of)) count += 1
      return count
    }
    expect([retries(a), retries(a)]).toEqual([10, 0])
    for (let n = 0; n < 26; n += 1) health.succeeded(a)
    expect([retries(a), retries(b)]).toEqual([5, 10])
  })
})
