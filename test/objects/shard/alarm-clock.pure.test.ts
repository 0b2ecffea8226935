import { expect, it } from 'vitest'
import { AlarmClock } from '../../../src/objects/shard/alarm-clock.ts'

it('sets its alarm to earlier times only, and returns nothing to wait for otherwise', async () => {
  const set: number[] = []
  const clock = new AlarmClock({ getAlarm: async () => 5_000, setAlarm: async (atMs) => void set.push(atMs) })
  await clock.load()
  expect(clock.wakeBy(5_000)).toBeUndefined()
  await clock.wakeBy(4_000)
  expect(clock.wakeBy(4_500)).toBeUndefined()
  clock.fired()
  await clock.wakeBy(9_000)
  expect(set).toEqual([4_000, 9_000])
})
