// What a publisher may publish per second, and that it is its own budget.
import { expect, it } from 'vitest'
import { PublishBudget } from '../../src/publishing/publish-budget.ts'

const LIMITS = { eventsPerSecond: 10, bytesPerSecond: 1_000 }

it('refuses a publisher that has used up its events, until they come back', () => {
  const budget = new PublishBudget(LIMITS)
  expect(budget.spend('a', 10, 0, 0)).toBe(true)
  expect(budget.spend('a', 1, 0, 0)).toBe(false)
  expect(budget.spend('a', 1, 0, 99)).toBe(true)
  expect(budget.spend('a', 1, 0, 100)).toBe(false)
})

it('refuses a publisher that has used up its bytes', () => {
  const budget = new PublishBudget(LIMITS)
  expect(budget.spend('a', 1, 1_000, 0)).toBe(true)
  expect(budget.spend('a', 1, 1, 0)).toBe(false)
  expect(budget.spend('a', 1, 1, 500)).toBe(true)
})

it('does not slow down another publisher', () => {
  const budget = new PublishBudget(LIMITS)
  budget.spend('a', 100, 0, 0)
  expect(budget.spend('b', 10, 0, 0)).toBe(true)
})

it('takes a batch that is larger than the budget of a second, and lets the publisher pay for it before the next', () => {
  const budget = new PublishBudget(LIMITS)
  expect(budget.spend('a', 30, 0, 0)).toBe(true)
  expect(budget.spend('a', 1, 0, 2_000)).toBe(false)
  expect(budget.spend('a', 1, 0, 2_001)).toBe(true)
})

it('saves up no more than a second', () => {
  const budget = new PublishBudget(LIMITS)
  budget.spend('a', 1, 0, 0)
  expect(budget.spend('a', 10, 0, 60_000)).toBe(true)
  expect(budget.spend('a', 1, 0, 60_000)).toBe(false)
})

it('a crowd of other publishers does not give one that has used up its budget another one', () => {
  const budget = new PublishBudget(LIMITS)
  for (let n = 0; n < 20_000; n += 1) {
    budget.spend('busy', 10, 0, 0)
    budget.spend(`other ${n}`, 1, 0, 0)
  }
  expect(budget.spend('busy', 1, 0, 0)).toBe(false)
})
