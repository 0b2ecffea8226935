// What bodies that are being read may take of an isolate, as data.
import { expect, it } from 'vitest'
import { BodyBudget, type CountedBody } from '../../src/http/request/body-budget.ts'

const MIB = 1_048_576

/** A budget, with a clock that the test moves. */
function makeBudget() {
  const budget = new BodyBudget()
  const clock = { nowMs: 1_000_000 }
  const hold = (bytes: number, client: string | null = null) => {
    const body: CountedBody = { client, bytes: 0, arrivedMs: clock.nowMs }
    return { body, isHeld: budget.hold(body, bytes, clock.nowMs) }
  }
  const holdMany = (count: number, bytes: number, client: string | null = null) =>
    Array.from({ length: count }, () => hold(bytes, client).isHeld).filter(Boolean).length
  return { budget, clock, hold, holdMany }
}

it('large bodies have 20 MiB, and small ones four more', () => {
  const { holdMany } = makeBudget()
  expect(holdMany(30, MIB)).toBe(20)
  expect(holdMany(1_000, 16_384)).toBe(4 * 64)
  expect(holdMany(1, 1)).toBe(0)
})

it('an address has 12 MiB; clients that cannot be told apart have no share', () => {
  const { holdMany } = makeBudget()
  expect(holdMany(30, MIB, '192.0.2.1')).toBe(12)
  expect(holdMany(1, 1, '192.0.2.1')).toBe(0)
  expect(holdMany(4, MIB, '192.0.2.2')).toBe(4)
  expect(holdMany(30, MIB)).toBe(4)
})

it('a body that grows counts once, and one that has ended does not count', () => {
  const { budget, clock, hold, holdMany } = makeBudget()
  const { body } = hold(MIB)
  for (let mib = 2; mib <= 20; mib += 1) expect(budget.hold(body, mib * MIB, clock.nowMs)).toBe(true)
  expect(budget.hold(body, 20 * MIB + 1, clock.nowMs)).toBe(false)
  expect(holdMany(1, MIB)).toBe(0)
  budget.end(body)
  expect(holdMany(30, MIB)).toBe(20)
})

it('a body whose request the runtime has ended counts for fifteen seconds after its last byte', () => {
  const { clock, holdMany } = makeBudget()
  expect(holdMany(20, MIB)).toBe(20)
  clock.nowMs += 15_000
  expect(holdMany(1, MIB)).toBe(0)
  clock.nowMs += 1
  expect(holdMany(30, MIB)).toBe(20)
})

it('256 small bodies are read without a timer at once; one that never ends takes its place for an hour', () => {
  const { budget, clock } = makeBudget()
  const keys = Array.from({ length: 256 }, () => budget.beginUntimed(clock.nowMs))
  expect(keys).not.toContain(undefined)
  expect(budget.beginUntimed(clock.nowMs)).toBeUndefined()
  budget.endUntimed(keys[0] ?? {})
  expect(budget.beginUntimed(clock.nowMs)).toBeDefined()
  expect(budget.beginUntimed(clock.nowMs + 3_600_000)).toBeUndefined()
  expect(budget.beginUntimed(clock.nowMs + 3_600_001)).toBeDefined()
})
