import { describe, expect, it } from 'vitest'
import { AppendLinger } from '../../src/following/append-linger.ts'

function createLinger(lingerMs: number) {
  const clock = { nowMs: 1_000 }
  const slept: number[] = []
  const sleep = async (ms: number) => {
    slept.push(ms)
    clock.nowMs += ms
  }
  return { linger: new AppendLinger(lingerMs, { nowMs: () => clock.nowMs, sleep }), clock, slept }
}

describe('the linger of appends', () => {
  it('lets the first batch pass, and the next one when the linger is over', async () => {
    const { linger, clock, slept } = createLinger(250)
    await linger.next()
    linger.appended()
    clock.nowMs += 100
    await linger.next()
    expect([slept, clock.nowMs]).toEqual([[150], 1_250])
  })

  it('does not delay a batch after a pause', async () => {
    const { linger, clock, slept } = createLinger(250)
    linger.appended()
    clock.nowMs += 250
    await linger.next()
    expect(slept).toEqual([])
  })

  it('without a linger never waits', async () => {
    const { linger, slept } = createLinger(0)
    linger.appended()
    await linger.next()
    expect([slept, linger.isOn]).toEqual([[], false])
  })
})
