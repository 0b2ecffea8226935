// The rows of a table: versions against a model that copies, and what a change costs.
import { describe, expect, it, vi } from 'vitest'
import { Rows } from '../../src/client/rows.ts'
import { randomFrom } from '../support/random.ts'

const KEYS = ['a', 'b', 'c', '__proto__', 'constructor', '', 'ä', 'a\u0308']

function sorted(rows: Iterable<[string, number]>): [string, number][] {
  return [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

describe('the rows of a table', () => {
  it('stay what they were in each version that is kept, whenever it is read', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const { random, pick } = randomFrom(seed)
      const below = (limit: number) => Math.floor(random() * limit)
      let rows = new Rows<number>()
      let model = new Map<string, number>()
      const kept: [Rows<number>, Map<string, number>][] = []
      const begun: [Iterator<[string, number]>, Map<string, number>, [string, number][]][] = []
      for (let step = 0; step < 60; step += 1) {
        const key = pick(KEYS)
        const value = below(3) === 0 ? undefined : step
        const next = rows.with(key, value)
        expect(next === rows, 'the same if nothing changes').toBe(value === undefined && !model.has(key))
        rows = next
        model = new Map(model)
        if (value === undefined) model.delete(key)
        else model.set(key, value)
        expect(rows.size).toBe(model.size)
        if (below(4) === 0) kept.push([rows, model])
        if (below(6) === 0) {
          const iterator = rows.entries()
          const { done, value: first } = iterator.next()
          begun.push([iterator, model, done === true ? [] : [first]])
        }
        for (const [version, expected] of kept.filter(() => below(10) === 0))
          expect(sorted(version)).toEqual(sorted(expected))
      }
      for (const [version, expected] of kept) {
        expect(sorted(version)).toEqual(sorted(expected))
        for (const key of KEYS)
          expect([version.has(key), version.get(key)]).toEqual([expected.has(key), expected.get(key)])
      }
      for (const [iterator, expected, seen] of begun) {
        for (let item = iterator.next(); item.done !== true; item = iterator.next()) seen.push(item.value)
        expect(sorted(seen)).toEqual(sorted(expected))
      }
    }
  })

  it('read like a Map', () => {
    const rows = new Rows(new Map([['a', 1]])).with('b', 2)
    expect([[...rows.keys()], [...rows.values()], [...rows.entries()], rows.size]).toEqual([
      ['a', 'b'],
      [1, 2],
      [
        ['a', 1],
        ['b', 2],
      ],
      2,
    ])
    const seen: unknown[] = []
    rows.forEach(function (this: unknown, value, key, map) {
      seen.push([value, key, map === rows, this])
    }, 'this')
    expect(seen).toEqual([
      [1, 'a', true, 'this'],
      [2, 'b', true, 'this'],
    ])
    expect(new Map(rows)).toEqual(
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    )
    expect(Object.prototype.toString.call(rows)).toBe('[object Map]')
  })

  it('cost as much for a change as was changed, also if they are looked at and kept', () => {
    const kept = new Rows(new Map(Array.from({ length: 10_000 }, (_, n) => [String(n), n])))
    let rows = kept
    // A Map that is made of another one calls `set` for each row.
    const set = vi.spyOn(Map.prototype, 'set')
    for (let n = 0; n < 30_000; n += 1) {
      rows = rows.with(String(n % 10_000), -n - 1)
      if (rows.get(String(n % 10_000)) !== -n - 1 || rows.size !== 10_000) throw new Error('they are not current')
    }
    const written = set.mock.calls.length
    set.mockRestore()
    expect(written).toBeLessThan(2 * 30_000 + 10_000)
    expect(kept.get('0')).toBe(0)
  })
})
