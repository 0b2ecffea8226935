import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { BackendResponse } from '../../../src/core/events/correlated-response.ts'
import { ResponseWaiters } from '../../../src/objects/pending-responses/response-waiters.ts'

const answer = (status: number): BackendResponse => ({ status, headers: [], body: new Uint8Array() })

describe('a waiting room', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('gives the first answer, whether it comes before or after its request waits', async () => {
    const room = new ResponseWaiters(10)
    room.expect('early', 100)
    room.answer('early', answer(201))
    room.answer('early', answer(500))
    room.expect('late', 100)
    const waiting = room.take('late', 100)
    room.answer('late', answer(202))
    expect([(await room.take('early', 100))?.status, (await waiting)?.status, room.waiting]).toEqual([201, 202, 0])
  })

  it('gives nothing after the time, and to nobody', async () => {
    const room = new ResponseWaiters(10)
    room.expect('a', 100)
    const waiting = room.take('a', 100)
    vi.advanceTimersByTime(100)
    room.answer('a', answer(200))
    expect([await waiting, await room.take('a', 100), await room.take('nobody', 100)]).toEqual([null, null, null])
  })

  it('waits its time from when its request waits, however long the request was on its way', async () => {
    const room = new ResponseWaiters(10)
    room.expect('slow', 400)
    vi.advanceTimersByTime(399)
    const waiting = room.take('slow', 100)
    vi.advanceTimersByTime(99)
    room.answer('slow', answer(200))
    expect((await waiting)?.status).toBe(200)
    room.expect('never', 400)
    const never = room.take('never', 100)
    vi.advanceTimersByTime(100)
    expect([await never, room.waiting, vi.getTimerCount()]).toEqual([null, 0, 0])
  })

  it('waits the first time for a Worker of an earlier version', async () => {
    const room = new ResponseWaiters(10)
    room.expect('a', 100)
    const waiting = room.take('a', undefined)
    vi.advanceTimersByTime(100)
    expect(await waiting).toBe(null)
  })

  it('gives nothing to a request that was answered otherwise', async () => {
    const room = new ResponseWaiters(10)
    room.expect('a', 100)
    const waiting = room.take('a', 100)
    room.forget('a')
    expect([await waiting, room.waiting, vi.getTimerCount()]).toEqual([null, 0, 0])
  })

  it('is full for as long as its requests have time, even if they never come to wait', () => {
    const room = new ResponseWaiters(2)
    expect([room.expect('a', 100), room.expect('b', 100), room.expect('c', 100)]).toEqual([true, true, false])
    room.answer('a', answer(200))
    vi.advanceTimersByTime(100)
    expect([room.waiting, room.expect('d', 100)]).toEqual([0, true])
  })
})
