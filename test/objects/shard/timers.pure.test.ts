// Timers of many connections by few timers.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Timers } from '../../../src/objects/shard/timers.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it('20,000 calls after two delays share two platform timers, and end when they are due', () => {
  const timers = new Timers(() => Date.now())
  const ended: number[] = []
  for (let n = 0; n < 10_000; n += 1) {
    timers.after(1_000, () => ended.push(1_000))
    timers.after(20_000, () => ended.push(20_000))
  }
  expect(vi.getTimerCount()).toBe(2)
  vi.advanceTimersByTime(999)
  expect(ended.length).toBe(0)
  vi.advanceTimersByTime(400)
  expect(ended.length).toBe(10_000)
  vi.advanceTimersByTime(19_000)
  expect([ended.length, vi.getTimerCount()]).toEqual([20_000, 0])
})

it('1,000 that are due at once come in turns, so that other work comes in between', () => {
  const timers = new Timers(() => Date.now())
  const order: string[] = []
  for (let n = 0; n < 1_000; n += 1) timers.after(100, () => order.push('act'))
  setTimeout(() => order.push('other'), 100)
  vi.advanceTimersByTime(200)
  expect(order.indexOf('other')).toBe(32)
  expect([order.length, vi.getTimerCount()]).toEqual([1_001, 0])
})

it('each ends after its own time, whenever it began', () => {
  const timers = new Timers(() => Date.now())
  const ended: string[] = []
  timers.after(100, () => ended.push('first'))
  vi.advanceTimersByTime(60)
  timers.after(100, () => ended.push('second'))
  vi.advanceTimersByTime(40)
  expect(ended).toEqual(['first'])
  vi.advanceTimersByTime(60)
  expect(ended).toEqual(['first', 'second'])
})

it('one that is cancelled does not act, and the last one leaves no timer', () => {
  const timers = new Timers(() => Date.now())
  const act = vi.fn<() => void>()
  const cancels = [timers.after(100, act), timers.after(100, act)]
  for (const cancel of cancels) cancel()
  expect(vi.getTimerCount()).toBe(0)
  vi.advanceTimersByTime(200)
  expect(act).not.toHaveBeenCalled()
})

it('one that is set or cancelled while others act is neither lost nor early', () => {
  const timers = new Timers(() => Date.now())
  const ended: string[] = []
  let cancelSecond = () => undefined as void
  timers.after(100, () => {
    timers.after(100, () => ended.push('again'))
    cancelSecond()
  })
  cancelSecond = timers.after(100, () => ended.push('second'))
  vi.advanceTimersByTime(150)
  expect(ended).toEqual([])
  vi.advanceTimersByTime(50)
  expect([ended, vi.getTimerCount()]).toEqual([['again'], 0])
})
