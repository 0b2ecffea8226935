import { describe, expect, it } from 'vitest'
import type { Extractors } from '../../../src/core/events/extractors.ts'
import {
  inferSubscriptions,
  mergeSubscriptions,
  parseSubscriptions,
} from '../../../src/core/subscriptions/parse-subscriptions.ts'

const extractors: Extractors = new Map([
  [
    't',
    [
      { name: 'a', event: ['data', 'a'], claim: ['x', 'a'], enforced: false },
      { name: 'b', event: ['data', 'b'], claim: ['b'], enforced: false },
    ],
  ],
  ['other', [{ name: 'c', event: ['c'], claim: undefined, enforced: false }]],
])
const rules = { limit: 3, extractors }

describe('subscriptions', () => {
  it.each([
    [[{ eventType: 't' }], [{ eventType: 't', oneOf: [] }]],
    [[{ event_type: 't', one_of: [{ a: 1 }] }], [{ eventType: 't', oneOf: [{ a: 1 }] }]],
    [[{ eventType: 't', constraints: [{ a: null, b: 'x' }] }], [{ eventType: 't', oneOf: [{ a: null, b: 'x' }] }]],
    [[{ eventType: 't' }, { eventType: 't', oneOf: [] }], [{ eventType: 't', oneOf: [] }]],
  ])('are read in RIG’s shape, with its aliases, without duplicates: %j', (input, expected) => {
    expect(parseSubscriptions(input, rules)).toEqual({ ok: true, value: expected })
  })

  it.each([
    ['x', 'subscriptions is expected to be a JSON encoded list'],
    [[1], 'not a map'],
    [[{}], 'event-type not found'],
    [[{ eventType: '' }], 'event-type empty'],
    [[{ eventType: 't', oneOf: {} }], 'constraints expected to be a list of disjunctive clauses'],
    [[{ eventType: 't', oneOf: [1] }], 'a disjunctive clause expected to be a conjunction represented by a map'],
    [
      [{ eventType: 't', oneOf: [{ '': 1 }] }],
      'conjunctive clauses expected to be a map with nonempty strings as keys',
    ],
    [[{ eventType: 't', oneOf: [{ a: [1] }] }], 'constraint values expected to be JSON scalars'],
    [[{ eventType: 't', oneOf: [{ c: 1 }] }], 'unknown field "c"'],
  ])('are refused with RIG’s words: %j', (input, text) => {
    const parsed = parseSubscriptions(input, rules)
    expect(parsed.ok ? '' : parsed.reason.kind === 'invalid_subscriptions' && parsed.reason.message).toContain(text)
  })

  it('are refused when there are too many', () => {
    const parsed = parseSubscriptions(
      Array.from({ length: 10_000 }, (_, n) => ({ eventType: `t${n}` })),
      rules,
    )
    expect(parsed).toEqual({ ok: false, reason: { kind: 'too_many_subscriptions', limit: 3, got: 10_000 } })
  })

  it('are inferred from the claims that a token has', () => {
    expect(inferSubscriptions(extractors, { x: { a: 1 }, b: 'y', c: 3 })).toEqual([
      { eventType: 't', oneOf: [{ a: 1, b: 'y' }] },
    ])
    expect(inferSubscriptions(extractors, { b: 'y' })).toEqual([{ eventType: 't', oneOf: [{ b: 'y' }] }])
    expect(inferSubscriptions(extractors, { b: ['y', 'z'], x: 1 })).toEqual([
      { eventType: 't', oneOf: [{ b: { in: ['y', 'z'] } }] },
    ])
    expect(inferSubscriptions(extractors, { b: {}, x: 1 })).toEqual([])
  })

  it('merge without duplicates', () => {
    const one = { eventType: 't', oneOf: [] }
    expect(mergeSubscriptions([one], [{ ...one }, { eventType: 'u', oneOf: [] }])).toHaveLength(2)
  })
})
