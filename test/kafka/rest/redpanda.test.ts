// What Redpanda's proxy has no routes for: offsets and partitions, found out by fetching.
import { describe, expect, it } from 'vitest'
import { TestBridge } from '../test-bridge.ts'

const LIMITS = { maxWaitMs: 0, maxBytes: 100_000 }

async function start(values = 0) {
  const bridge = await TestBridge.start({ dialect: 'redpanda' })
  await bridge.makeTopic()
  const records = Array.from({ length: values }, (_, n) => `v${n}`)
  for (const value of records) await bridge.append('events', 0, [value])
  return bridge
}

describe('offsets of Redpanda', () => {
  it.each([0, 1, 2, 17, 300])('are found from the beginning: %i records', async (latest) => {
    const bridge = await start(latest)
    expect(await bridge.log().offsets('events', 0)).toEqual({ earliest: 0, latest })
  })

  it('are found where retention took the beginning, by what a consumer of the whole topic is given', async () => {
    const bridge = await start(200)
    await bridge.append('events', 1, ['of another partition'])
    await bridge.command({ trim: { topic: 'events', partition: 0, before: 123 } })
    expect(await bridge.log().offsets('events', 0)).toEqual({ earliest: 123, latest: 200 })
    expect((await bridge.state()).instances).toBe(0)
  })

  it('cost little for a reader that is there already', async () => {
    const bridge = await start(1_000)
    const log = bridge.log()
    let next = 900
    await log.fetch({ topic: 'events', partition: 0, offset: next }, LIMITS)
    next = (await log.offsets('events', 0)).latest
    const before = (await bridge.state()).requests.length
    expect([next, await log.offsets('events', 0)]).toEqual([1_000, { earliest: 0, latest: 1_000 }])
    expect((await bridge.state()).requests.length - before).toBeLessThanOrEqual(3)
  })

  it('are not known where nothing is left to find them by, which is said', async () => {
    const bridge = await start(10)
    await bridge.command({ trim: { topic: 'events', partition: 0, before: 10 } })
    const log = bridge.log()
    await expect(log.offsets('events', 0)).rejects.toThrow('does not tell the offsets of events/0')
    const atEnd = await log.fetch({ topic: 'events', partition: 0, offset: 10 }, LIMITS)
    expect(atEnd).toEqual({ kind: 'records', records: [], next: 10 })
    expect(await log.offsets('events', 0)).toEqual({ earliest: 10, latest: 10 })
  }, 20_000)

  it('begin later when retention goes on', async () => {
    const bridge = await start(50)
    const log = bridge.log()
    await log.fetch({ topic: 'events', partition: 0, offset: 40 }, LIMITS)
    expect(await log.offsets('events', 0)).toEqual({ earliest: 0, latest: 50 })
    await bridge.command({ trim: { topic: 'events', partition: 0, before: 33 } })
    expect(await log.offsets('events', 0)).toEqual({ earliest: 33, latest: 50 })
  })
})

describe('a fetch from Redpanda', () => {
  it('leaves out what its batch begins with', async () => {
    const bridge = await start()
    await bridge.append('events', 0, ['a', 'b', 'c'])
    const fetched = await bridge.log().fetch({ topic: 'events', partition: 0, offset: 2 }, LIMITS)
    expect(fetched).toMatchObject({ kind: 'records', records: [{ offset: 2 }], next: 3 })
  })

  it('moves over a marker at the end of the log, and waits behind it', async () => {
    const bridge = await start(1)
    await bridge.command({ mark: { topic: 'events', partition: 0 } })
    const log = bridge.log()
    const fetchFrom = (offset: number) =>
      log.fetch({ topic: 'events', partition: 0, offset }, { ...LIMITS, maxWaitMs: 200 })
    expect(await fetchFrom(1)).toEqual({ kind: 'records', records: [], next: 2 })
    expect(await fetchFrom(2)).toEqual({ kind: 'records', records: [], next: 2 })
  })
})

it('partitions of Redpanda that were counted before cost two requests', async () => {
  const bridge = await start()
  const log = bridge.log({ dialect: 'redpanda' })
  await log.partitions('events')
  const before = (await bridge.state()).requests.length
  expect(await log.partitions('events')).toEqual([0, 1, 2, 3])
  expect((await bridge.state()).requests.length - before).toBe(2)
})

it('partitions of Redpanda are fewer when the topic is made anew with fewer', async () => {
  const bridge = await start()
  const log = bridge.log()
  await log.partitions('events')
  await bridge.command({ removeTopic: 'events' })
  expect(await log.partitions('events')).toEqual([])
  await bridge.makeTopic('events', 2)
  expect(await log.partitions('events')).toEqual([0, 1])
})

it.each([1, 2, 3, 4, 7, 16, 33])('%i partitions of Redpanda are counted', async (partitions) => {
  const bridge = await TestBridge.start({ dialect: 'redpanda' })
  const topic = await bridge.makeTopic('counted', partitions)
  expect(await bridge.log().partitions(topic)).toEqual(Array.from({ length: partitions }, (_, n) => n))
})
