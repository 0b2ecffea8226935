import { describe, expect, it } from 'vitest'
import { AppendPace } from '../../src/following/append-pace.ts'

function createPace(lingerMs: number) {
  const clock = { nowMs: 1_000 }
  const slept: number[] = []
  const sleep = async (ms: number) => {
    slept.push(ms)
    clock.nowMs += ms
  }
  return { pace: new AppendPace(lingerMs, { nowMs: () => clock.nowMs, sleep }), clock, slept }
}

describe('the pace of appends', () => {
  it('lets the first batch pass, and the next one when the linger is over', async () => {
    const { pace, clock, slept } = createPace(250)
    await pace.next()
    pace.appended()
    clock.nowMs += 100
    await pace.next()
    expect([slept, clock.nowMs]).toEqual([[150], 1_250])
  })

  it('does not delay a batch after a pause', async () => {
    const { pace, clock, slept } = createPace(250)
    pace.appended()
    clock.nowMs += 250
    await pace.next()
    expect(slept).toEqual([])
  })

  it('without a linger never waits', async () => {
    const { pace, slept } = createPace(0)
    pace.appended()
    await pace.next()
    expect([slept, pace.lingers]).toEqual([[], false])
  })
})
