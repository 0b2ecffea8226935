import { afterEach, describe, expect, it, vi } from 'vitest'
import { logBug } from '../../src/telemetry/incident-log.ts'

describe('bugs', () => {
  afterEach(() => void vi.restoreAllMocks())

  it('have one line with the stack of the first, whatever their texts are', () => {
    const write = vi.spyOn(console, 'error').mockReturnValue()
    for (let n = 0; n < 100; n += 1)
      logBug('a request failed', { method: 'GET', route: '/x/:id' }, new Error(`at ${n}`))
    expect(write).toHaveBeenCalledTimes(1)
    expect(write.mock.calls[0]?.[0]).toEqual({
      message: 'a request failed',
      method: 'GET',
      route: '/x/:id',
      error: expect.stringMatching(/^Error: at 0\n +at .*incident-log/) as string,
    })
  })
})
