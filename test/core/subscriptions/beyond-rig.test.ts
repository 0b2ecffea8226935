// What subscriptions can say beyond RIG: patterns of types, operators, arrays, enforced fields.
import { describe, expect, it } from 'vitest'
import { matchesCondition, type Condition } from '../../../src/core/subscriptions/constraint.ts'
import type { FieldValue } from '../../../src/core/events/stored-event.ts'
import { extractFields, type Extractors } from '../../../src/core/events/extractors.ts'
import { evaluateAll, parsePointer } from '../../../src/core/json-pointer.ts'
import { parseSubscriptions } from '../../../src/core/subscriptions/parse-subscriptions.ts'
import { patternsOf } from '../../../src/core/events/event-type-pattern.ts'

const field = (name: string, claim?: string, enforced = false) => ({
  name,
  event: ['data', name],
  claim: claim === undefined ? undefined : [claim],
  enforced,
})
const EXTRACTORS: Extractors = new Map([
  ['order.shipped', [field('tenant', 'tenant', true), field('amount')]],
  ['order.*', [field('amount'), field('tags')]],
])

function parse(input: unknown, claims?: Record<string, unknown>, widenUnknown = false) {
  const parsed = parseSubscriptions([input], { limit: 10, extractors: EXTRACTORS, widenUnknown, claims })
  return parsed.ok ? parsed.value[0] : 'message' in parsed.reason ? parsed.reason.message : parsed.reason.kind
}

describe('a pattern of types', () => {
  it('stands behind a dot, and is found by the type', () => {
    expect(patternsOf('com.github.pull')).toEqual(['com.github.pull', 'com.github.*', 'com.*', '*'])
    expect(patternsOf('plain')).toEqual(['plain', '*'])
    expect(patternsOf('.x.')).toEqual(['.x.', '.x.*', '*'])
    expect(patternsOf('.'.repeat(100_000))).toHaveLength(34)
  })

  it.each(['com.*.pull.*', '*.*', 'a*.*'])('%s is refused', (eventType) =>
    expect(parse({ eventType })).toContain('a pattern has one star'),
  )

  it('of too many parts is refused', () =>
    expect(parse({ eventType: `${'a.'.repeat(40)}*` })).toContain('32 parts at most'))

  it('has the fields of its own extractor; its types have them too', () => {
    expect(parse({ eventType: 'order.*', oneOf: [{ amount: { gt: 3 } }] })).toContain('enforced fields')
    const event = { data: { amount: 4, tenant: 't', tags: ['a', 'b'] } }
    expect(extractFields(EXTRACTORS, 'order.shipped', event)).toEqual({ tenant: 't', amount: 4, tags: ['a', 'b'] })
    expect(extractFields(EXTRACTORS, 'order.paid', event)).toEqual({ amount: 4, tags: ['a', 'b'] })
    expect(extractFields(EXTRACTORS, 'other', event)).toEqual({})
  })
})

describe('an operator', () => {
  it.each<[Condition, FieldValue, boolean]>([
    [{ gt: 3 }, 4, true],
    [{ gt: 3 }, 3, false],
    [{ gte: 3, lt: 5 }, 3, true],
    [{ gte: 3, lt: 5 }, 5, false],
    [{ lte: 'm' }, 'a', true],
    [{ lte: 'm' }, 1, false],
    [{ gt: 3 }, '4', false],
    [{ ne: 'x' }, 'y', true],
    [{ ne: 'x' }, 'x', false],
    [{ in: ['a', 1] }, 1, true],
    [{ in: ['a', 1] }, 'b', false],
    [{ prefix: 'com.' }, 'com.x', true],
    [{ prefix: 'com.' }, 7, false],
    ['a', ['b', 'a'], true],
    [{ gt: 3 }, [1, 9], true],
    [null, 'anything', true],
  ])('%j of %j: %s', (condition, value, expected) => expect(matchesCondition(condition, value)).toBe(expected))

  it('needs a field that is there', () => expect(matchesCondition({ ne: 'x' }, undefined)).toBe(false))

  it.each([
    [{ like: 'a' }, 'unknown operator "like"'],
    [{}, 'an object of operators expected to have one of'],
    [{ gt: true }, 'the operand of "gt" expected to be a number or a string'],
    [{ in: [] }, 'the operand of "in" expected'],
    [{ in: [{}] }, 'the operand of "in" expected'],
    [{ prefix: 1 }, 'the operand of "prefix" expected to be a string'],
    [{ prefix: 'x'.repeat(257) }, 'of 256 characters at most'],
    [[1], 'constraint values expected to be JSON scalars, or an object of operators'],
  ])('%j is refused: %s', (condition, message) =>
    expect(parse({ eventType: 'order.paid', oneOf: [{ amount: condition }] })).toContain(message),
  )
})

describe('a pointer', () => {
  it.each([
    ['/a/b', { a: [{ b: 1 }, { b: 2 }, {}] }, [1, 2]],
    ['/a/1/b', { a: [{ b: 1 }, { b: 2 }] }, [2]],
    ['/a', { a: ['x', 'y'] }, ['x', 'y']],
    ['/a/length', { a: ['x'] }, []],
    ['/a/b', { a: 'text' }, []],
    ['/a/b/c', { a: [[{ b: { c: 1 } }]] }, []],
  ])('%s into %j finds %j', (text, document, found) =>
    expect(evaluateAll(parsePointer(text) ?? [], document)).toEqual(found),
  )
})

describe('an unknown field', () => {
  const wanted = { eventType: 'order.paid', oneOf: [{ colour: 'red', amount: 1 }] }
  it('is refused', () => expect(parse(wanted)).toContain('unknown field "colour"'))
  it('makes the subscription wider where that is wanted', () =>
    expect(parse(wanted, undefined, true)).toEqual({ eventType: 'order.paid', oneOf: [{ amount: 1 }] }))
})

describe('an enforced field', () => {
  const eventType = 'order.shipped'
  it('is filled in from the claim', () => {
    expect(parse({ eventType }, { tenant: 'a' })).toEqual({ eventType, oneOf: [{ tenant: 'a' }] })
    expect(parse({ eventType, oneOf: [{ amount: 1 }, { tenant: 'a' }] }, { tenant: 'a' })).toEqual({
      eventType,
      oneOf: [{ amount: 1, tenant: 'a' }, { tenant: 'a' }],
    })
    expect(parse({ eventType }, { tenant: ['a', 'b'] })).toEqual({ eventType, oneOf: [{ tenant: { in: ['a', 'b'] } }] })
  })

  it.each([
    [{ tenant: 'b' }, { tenant: 'a' }, 'is enforced'],
    [{ tenant: { ne: 'x' } }, { tenant: 'a' }, 'is enforced'],
    [{ tenant: { in: ['a', 'b'] } }, { tenant: 'a' }, 'is enforced'],
    [{ tenant: 'a' }, {}, 'the token has no claim'],
    [{ tenant: 'a' }, { tenant: {} }, 'the token has no claim'],
    [{ tenant: 'a' }, undefined, 'give its subscriptions when connecting'],
  ])('refuses %j to a token with %j', (constraint, claims, message) =>
    expect(parse({ eventType, oneOf: [constraint] }, claims)).toContain(message),
  )

  it('lets a client choose within a list', () =>
    expect(parse({ eventType, oneOf: [{ tenant: 'b' }] }, { tenant: ['a', 'b'] })).toEqual({
      eventType,
      oneOf: [{ tenant: 'b' }],
    }))

  it('is not passed by beneath a pattern', () =>
    expect(parse({ eventType: '*' }, { tenant: 'a' })).toContain('covers order.shipped'))
})
