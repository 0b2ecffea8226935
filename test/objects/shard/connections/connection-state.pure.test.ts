import { describe, expect, it } from 'vitest'
import { earliestEnd, resumeAt, termOf } from '../../../../src/objects/shard/connections/connection-state.ts'

const without = { user: null, session: null, expSeconds: null }
const expiring = (expSeconds: number) => ({ ...without, expSeconds })

describe('the term of a connection', () => {
  it('is its maximum lifetime, up to a tenth shorter at random', () => {
    expect(termOf(without, 1_000_000, 5_000, 0)).toEqual({ endsAtMs: 1_005_000, endsByToken: false })
    expect(termOf(without, 1_000_000, 5_000, 0.5)).toEqual({ endsAtMs: 955_000, endsByToken: false })
  })

  it('is its token, if that ends first', () => {
    expect(termOf(expiring(100), 1_000_000, 5_000, 0)).toEqual({ endsAtMs: 100_000, endsByToken: true })
    expect(earliestEnd(expiring(100), 100_000)).toEqual({ endsAtMs: 100_000, endsByToken: true })
    expect(earliestEnd(expiring(101), 100_000)).toEqual({ endsAtMs: 100_000, endsByToken: false })
  })

  it('is none for a token that has expired', () => {
    expect(termOf(expiring(5), 1_000_000, 5_000, 0)).toBeUndefined()
  })
})

it('a client that resumed has a minute to say what it wants', () => {
  const resumed = [resumeAt(undefined, null, 5_000), resumeAt(7, null, 5_000)]
  expect(resumed).toEqual([null, { seq: 7, before: null, untilMs: 65_000 }])
})
