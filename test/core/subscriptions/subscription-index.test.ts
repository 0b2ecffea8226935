import { describe, expect, it } from 'vitest'
import type { Condition } from '../../../src/core/subscriptions/constraint.ts'
import type { FieldValue, StoredEvent } from '../../../src/core/events/stored-event.ts'
import type { Scalar } from '../../../src/core/scalar.ts'
import { explainMatch } from '../../../src/core/explain/explain-match.ts'
import { createFilter, matchesFilter, type Filter } from '../../../src/core/subscriptions/filter.ts'
import { SubscriptionIndex } from '../../../src/core/subscriptions/subscription-index.ts'
import type { Constraint, Subscription } from '../../../src/core/subscriptions/subscription.ts'

/** Deterministic, so that a failure can be repeated: mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

function makeWorld(seed: number) {
  const random = randomFrom(seed)
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  const scalar = (): Scalar => pick<Scalar>([1, '1', true, false, 'x', 2, null])
  const members = <T>(value: () => T): Record<string, T> =>
    Object.fromEntries(['a', 'b', 'c'].filter(() => random() < 0.6).map((name) => [name, value()]))
  const bound = () => pick<number | string>([0, 1, 1.5, 2, 'a', 'x', 'y'])
  const operators = (): Condition =>
    pick<() => Condition>([
      () => ({ gt: bound() }),
      () => ({ gte: bound(), lt: bound() }),
      () => ({ lte: bound() }),
      () => ({ lt: bound() }),
      () => ({ ne: scalar() }),
      () => ({ in: [scalar(), scalar()] }),
      () => ({ prefix: pick(['', 'x', 'xy', '1']) }),
      () => ({ prefix: 'x', ne: 'x' }),
    ])()
  const condition = () => (random() < 0.5 ? scalar() : operators())
  const value = (): FieldValue => (random() < 0.3 ? [scalar(), scalar()] : pick<FieldValue>([scalar(), 'xyz']))
  const subscription = (): Subscription => ({
    eventType: pick(['t.a', 't.b', 't.a.c', 't.*', 't.a.*', '*']),
    oneOf: Array.from({ length: Math.floor(random() * 3) }, (): Constraint => members(condition)),
  })
  const subscriptions = () => Array.from({ length: Math.floor(random() * 4) }, subscription)
  const event = (seq: number): StoredEvent => ({
    seq,
    type: pick(['t.a', 't.b', 't.a.c', 't.d', 't', 'u']),
    json: '{}',
    fields: Object.fromEntries(Object.entries(members(value)).filter(([, one]) => one !== null)),
    recipients: random() < 0.3 ? [pick(['u1', 'u2', 'u3']), pick(['u1', 'u2', 'u3'])] : null,
    connectionId: random() < 0.1 ? pick(['c1', 'c2', 'c99']) : null,
  })
  const filter = (n: number): Filter => createFilter(`c${n}`, pick([null, 'u1', 'u2']), subscriptions())
  return { random, event, filter }
}

describe('the index', () => {
  it.each([1, 2, 3, 4, 5])('agrees with the filters it was built from, whoever comes and goes (seed %i)', (seed) => {
    const { random, event, filter } = makeWorld(seed)
    const matcher = new SubscriptionIndex<{ filter: Filter }>()
    const present = new Set<{ filter: Filter }>()
    for (let step = 0; step < 400; step += 1) {
      const leaving = [...present].filter(() => random() < 0.2)
      for (const connection of leaving) {
        matcher.remove(connection)
        present.delete(connection)
      }
      const connection = { filter: filter(step) }
      matcher.add(connection)
      present.add(connection)
      const e = event(step)
      for (const { filter: one } of present) expect(explainMatch(one, e).passes).toBe(matchesFilter(one, e))
      const expected = [...present].filter((one) => matchesFilter(one.filter, e)).map((one) => one.filter.connectionId)
      expect([...matcher.match(e)].map((one) => one.filter.connectionId).toSorted()).toEqual(expected.toSorted())
    }
  })

  it('keeps nothing of those who left', () => {
    const matcher = new SubscriptionIndex<{ filter: Filter }>()
    const connection = { filter: createFilter('c', 'u', [{ eventType: 't', oneOf: [{ a: 1 }, { b: null }] }]) }
    matcher.add(connection)
    expect(matcher.hasType('t')).toBe(true)
    matcher.remove(connection)
    matcher.remove(connection)
    expect([matcher.hasType('t'), matcher.size, matcher.get('c')]).toEqual([false, 0, undefined])
  })
})
