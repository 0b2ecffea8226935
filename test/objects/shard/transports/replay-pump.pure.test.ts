import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ReplayPump } from '../../../../src/objects/shard/transports/replay-pump.ts'

const FULL = 131_072

const after = (ms: number, act: () => void) => {
  const timer = setTimeout(act, ms)
  return () => clearTimeout(timer)
}

/** A reader, and a history of `steps` chunks of 64 KiB. */
function makePump(steps: number) {
  const reader = { waiting: 0, taken: 0, isStalled: false }
  const pump = new ReplayPump({
    bufferedBytes: () => reader.waiting,
    step: () => {
      reader.taken += 1
      reader.waiting += 65_536
      return reader.taken < steps
    },
    onStalled: () => (reader.isStalled = true),
    after,
  })
  return { pump, reader }
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a replay to a reader that does not ask', () => {
  it('takes steps while little waits, and goes on when the reader has taken it', () => {
    const { pump, reader } = makePump(5)
    pump.run()
    expect(reader.taken).toBe(1)
    vi.advanceTimersByTime(1_000)
    expect(reader.taken).toBe(2)
    reader.waiting = 0
    vi.advanceTimersByTime(12)
    expect(reader.taken).toBe(4)
    reader.waiting = 0
    vi.advanceTimersByTime(12)
    expect([reader.taken, vi.getTimerCount()]).toEqual([5, 0])
  })

  it('takes one step in a turn, even if the runtime does not say what waits', () => {
    let taken = 0
    const blind = new ReplayPump({
      bufferedBytes: () => 0,
      step: () => (taken += 1) < 100,
      onStalled: () => undefined,
      after,
    })
    blind.run()
    expect(taken).toBe(1)
    vi.advanceTimersByTime(10)
    expect(taken).toBe(6)
    blind.stop()
  })

  it('ends with a connection that ends while it is written to', () => {
    let taken = 0
    const pump: ReplayPump = new ReplayPump({
      bufferedBytes: () => 0,
      step: () => {
        taken += 1
        pump.stop()
        return true
      },
      onStalled: () => undefined,
      after,
    })
    pump.run()
    vi.advanceTimersByTime(1_000)
    expect([taken, vi.getTimerCount()]).toEqual([1, 0])
  })

  it('reports a reader that takes nothing for 30 seconds, and not one that is slow', () => {
    const { pump, reader } = makePump(100)
    pump.run()
    for (let second = 0; second < 60; second += 1) {
      vi.advanceTimersByTime(1_000)
      reader.waiting = Math.max(FULL, reader.waiting - 1)
    }
    const { pump: other, reader: slow } = makePump(100)
    other.run()
    slow.waiting = 10 * FULL
    for (let second = 0; second < 60; second += 1) {
      vi.advanceTimersByTime(1_000)
      slow.waiting -= 1
    }
    expect([reader.isStalled, slow.isStalled]).toEqual([true, false])
    other.stop()
  })

  it('ends when it is stopped', () => {
    const { pump, reader } = makePump(100)
    pump.run()
    pump.stop()
    reader.waiting = 0
    vi.advanceTimersByTime(60_000)
    expect([reader.taken, reader.isStalled]).toEqual([1, false])
  })
})
