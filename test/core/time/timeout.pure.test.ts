import { describe, expect, it } from 'vitest'
import { withTimeout } from '../../../src/core/time/timeout.ts'

describe('withTimeout', () => {
  it('returns what settles in time', async () => {
    expect(await withTimeout(Promise.resolve(1), 60_000)).toBe(1)
  })

  it('says what did not settle in time', async () => {
    const never = new Promise<never>(() => undefined)
    await expect(withTimeout(never, 1, 'follower a/0: no answer')).rejects.toThrow(
      'follower a/0: no answer within 1 ms',
    )
  })
})
