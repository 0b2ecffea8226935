// How long a registry has to wait before it may answer that a session is revoked.
import { expect, it } from 'vitest'
import { RecentAnswers } from '../../../src/objects/session-registry/recent-answers.ts'

const REMEMBER_MS = 1_000

/** A registry that has run long enough to know all answers that may be remembered. */
function running(): RecentAnswers {
  const answers = new RecentAnswers(REMEMBER_MS, 0)
  expect(answers.remainingMs('any', 1_000)).toBe(0)
  return answers
}

it('waits for the time that an isolate remembers if the session was asked for within it', () => {
  const answers = running()
  answers.add('a', 1_500)
  expect(answers.remainingMs('a', 1_500)).toBe(REMEMBER_MS)
  expect(answers.remainingMs('a', 2_499)).toBe(REMEMBER_MS)
})

it('does not wait for a session that no isolate asked for', () => {
  const answers = running()
  answers.add('a', 1_500)
  expect(answers.remainingMs('b', 1_500)).toBe(0)
})

it('does not wait when every isolate has forgotten the answer, and holds at most two spans of sessions', () => {
  const answers = running()
  answers.add('a', 1_999)
  expect(answers.remainingMs('a', 3_000)).toBe(0)
  answers.add('b', 3_000)
  expect(answers.remainingMs('b', 60_000)).toBe(0)
})

it('waits for every session just after a restart, because answers of its earlier life may be remembered', () => {
  const answers = new RecentAnswers(REMEMBER_MS, 10_000)
  expect(answers.remainingMs('a', 10_000)).toBe(REMEMBER_MS)
  expect(answers.remainingMs('a', 10_900)).toBe(100)
  expect(answers.remainingMs('a', 11_000)).toBe(0)
})
