import { describe, expect, it } from 'vitest'
import { backoffMs, retry } from '../../src/core/retry.ts'

describe('backoffMs', () => {
  it('doubles the longest wait with each failure, up to the cap', () => {
    const limits = { baseMs: 100, capMs: 1_000, jitter: 'full' } as const
    expect([1, 2, 3, 4, 5, 1_000].map((failures) => backoffMs(failures, 1, limits))).toEqual([
      100, 200, 400, 800, 1_000, 1_000,
    ])
  })

  it('spreads a wait over all of it, or over its second half', () => {
    const limits = { baseMs: 100, capMs: 1_000 }
    expect(backoffMs(1, 0, { ...limits, jitter: 'full' })).toBe(0)
    expect(backoffMs(1, 0, { ...limits, jitter: 'half' })).toBe(50)
  })
})

describe('retry', () => {
  const make = (outcomes: readonly (string | Error)[]) => {
    const left = [...outcomes]
    const waits: number[] = []
    const options = {
      attempts: 3,
      backoff: { baseMs: 100, capMs: 1_000 },
      random: () => 1,
      sleep: async (ms: number) => void waits.push(ms),
    }
    const operation = async () => {
      const outcome = left.shift() ?? new Error('run too often')
      if (outcome instanceof Error) throw outcome
      return outcome
    }
    return { left, operation, options, waits }
  }

  it('returns what the first attempt returns that succeeds, after waiting for it', async () => {
    const { operation, options, waits } = make([new Error('one'), new Error('two'), 'done'])
    expect(await retry(operation, options)).toBe('done')
    expect(waits).toEqual([100, 200])
  })

  it('throws what the last attempt threw', async () => {
    const { left, operation, options } = make([new Error('one'), new Error('two'), new Error('three'), 'late'])
    await expect(retry(operation, options)).rejects.toThrow('three')
    expect(left).toEqual(['late'])
  })

  it('does not try again what is not retriable', async () => {
    const { operation, options, waits } = make([new Error('final'), 'late'])
    await expect(retry(operation, { ...options, isRetriable: () => false })).rejects.toThrow('final')
    expect(waits).toEqual([])
  })
})
