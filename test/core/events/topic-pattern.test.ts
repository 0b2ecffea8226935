import { expect, it } from 'vitest'
import { matchesTopicPattern } from '../../../src/core/events/topic-pattern.ts'

it.each([
  ['orders.*', 'orders.eu', true],
  ['orders.*', 'orders.', true],
  ['orders.*', 'orders', false],
  ['orders.*', 'ordersXeu', false],
  ['*.events', 'orders.events', true],
  ['*.events', '.events', true],
  ['a*b*c', 'abc', true],
  ['a*b*c', 'a-b-b-c', true],
  ['a*b*c', 'ac', false],
  ['a*b*bc', 'abc', false],
  ['a*a', 'a', false],
  ['**', 'x', true],
  ['*', '__consumer_offsets', false],
  ['__*', '__consumer_offsets', false],
  ['*', '_schemas', false],
])('%j and %j: %j', (pattern, topic, matches) => {
  expect(matchesTopicPattern(pattern, topic)).toBe(matches)
})

it('takes time that is linear in the pattern', () => {
  expect(matchesTopicPattern('*a'.repeat(100), `${'a'.repeat(248)}b`)).toBe(false)
})
