import { describe, expect, it } from 'vitest'
import { TtlCache } from '../../../src/core/time/ttl-cache.ts'

describe('TtlCache', () => {
  it('returns a value until its time is over', () => {
    let nowMs = 0
    const cache = new TtlCache<string, number>(10, () => nowMs)
    cache.set('a', 1, 100)
    nowMs = 99
    expect(cache.get('a')).toBe(1)
    nowMs = 100
    expect(cache.get('a')).toBeUndefined()
    expect(cache.getStale('a')).toBe(1)
  })

  it('forgets the entry that was not used for the longest time when it is full', () => {
    const cache = new TtlCache<string, number>(2, () => 0)
    cache.set('a', 1, Infinity)
    cache.set('b', 2, Infinity)
    cache.get('a')
    cache.set('c', 3, Infinity)
    expect(['a', 'b', 'c'].map((key) => cache.get(key))).toEqual([1, undefined, 3])
    expect(cache.size).toBe(2)
  })
})
