// Consumer instances: made once, kept, made anew when lost, ended when done; and found behind load balancers.
import { describe, expect, it } from 'vitest'
import type { KafkaLog } from '../../../src/kafka/kafka-log.ts'
import { createMemoryJournal } from '../../../src/kafka/rest/instance-journal.ts'
import { makeDeps, TestBridge } from '../test-bridge.ts'

const DIALECTS = ['confluent', 'karapace', 'strimzi'] as const
const WAITS = { maxWaitMs: 300, maxBytes: 100_000 }
const SLEEPS = { maxWaitMs: 0, maxBytes: 100_000 }
const MADE = /^POST \/consumers\/[^/]+$/
const ENDED = /^DELETE \/consumers\//
const LARGE = Array.from({ length: 10 }, () => ({ key: null, value: btoa('x'.repeat(1_000)) }))

async function offsetsOf(log: KafkaLog, offset: number, limits = WAITS): Promise<readonly number[]> {
  const fetched = await log.fetch({ topic: 'events', partition: 0, offset }, limits)
  if (fetched.kind !== 'records') throw new Error(fetched.kind)
  return fetched.records.map((record) => record.offset)
}

async function startWith(options: Parameters<typeof TestBridge.start>[0], values = ['a', 'b', 'c']) {
  const bridge = await TestBridge.start(options)
  await bridge.makeTopic()
  for (const value of values) await bridge.append('events', 0, [value])
  return bridge
}

describe.concurrent.each(DIALECTS)('an instance of %s', (dialect) => {
  it('is made once, and read on from while it lives', async () => {
    const bridge = await startWith({ dialect })
    const log = bridge.log()
    expect(await offsetsOf(log, 0)).toEqual([0, 1, 2])
    expect(await offsetsOf(log, 3)).toEqual([])
    await bridge.append('events', 0, ['d'])
    expect(await offsetsOf(log, 3)).toEqual([3])
    const asked = [await bridge.count(MADE), await bridge.count(/positions/), await bridge.count(ENDED)]
    expect(asked).toEqual([1, 1, 0])
  })

  it('is replaced when another offset is wanted: what could not be appended is read again', async () => {
    const bridge = await startWith({ dialect }, [])
    await bridge.command({ append: { topic: 'events', partition: 0, records: LARGE } })
    const log = bridge.log()
    // What a proxy has read and not answered with must not come before what is asked for.
    const little = { ...WAITS, maxBytes: 5_000 }
    const first = await offsetsOf(log, 0, little)
    expect([first[0], first.length < LARGE.length]).toEqual([0, dialect !== 'strimzi'])
    expect((await offsetsOf(log, 1, little))[0]).toBe(1)
    expect((await bridge.state()).instances).toBe(1)
  })

  it('of before a restart is ended after it, unless it is at another proxy', async () => {
    const [bridge, former] = [await startWith({ dialect }), await startWith({ dialect })]
    const notes = createMemoryJournal()
    await offsetsOf(bridge.log({}, makeDeps().deps, notes), 0)
    await offsetsOf(bridge.log({}, makeDeps().deps, notes), 0)
    expect([(await bridge.state()).instances, await bridge.count(ENDED)]).toEqual([1, 1])
    await offsetsOf(former.log({}, makeDeps().deps, notes), 0)
    expect([(await bridge.state()).instances, await former.count(ENDED)]).toEqual([1, 0])
  })

  it('is made anew when it is lost, and nothing with it', async () => {
    const bridge = await startWith({ dialect })
    const log = bridge.log()
    expect(await offsetsOf(log, 0)).toEqual([0, 1, 2])
    await bridge.append('events', 0, ['d'])
    await bridge.command({ loseInstances: true })
    expect(await offsetsOf(log, 3)).toEqual([3])
    expect([await bridge.count(MADE), (await bridge.state()).instances]).toEqual([2, 1])
  })

  it('is nobody else’s: two that read at once have one each, and one of them stays', async () => {
    const bridge = await startWith({ dialect })
    const log = bridge.log()
    await offsetsOf(log, 0)
    const both = await Promise.all([offsetsOf(log, 0), offsetsOf(log, 1)])
    expect(both).toEqual([
      [0, 1, 2],
      [1, 2],
    ])
    expect((await bridge.state()).instances).toBe(1)
  })

  it('is ended when its read failed, when its offset is gone, and when the reader goes to sleep', async () => {
    const bridge = await startWith({ dialect })
    const log = bridge.log()
    await offsetsOf(log, 0)
    await bridge.command({ fault: { pattern: 'records', times: 1, status: 500 } })
    await expect(offsetsOf(log, 3)).rejects.toThrow('HTTP 500')
    expect((await bridge.state()).instances).toBe(0)
    await offsetsOf(log, 1)
    await bridge.append('events', 0, ['d', 'e'])
    await bridge.command({ trim: { topic: 'events', partition: 0, before: 4 } })
    await expect(offsetsOf(log, 3)).rejects.toThrow('offset_out_of_range')
    expect((await bridge.state()).instances).toBe(0)
    expect(await offsetsOf(log, 4, SLEEPS)).toEqual([4])
    expect(await offsetsOf(log, 5, SLEEPS)).toEqual([])
    expect((await bridge.state()).instances).toBe(0)
  })

  it('is not made for a reader that would find nothing and go to sleep', async () => {
    const bridge = await startWith({ dialect })
    expect(await offsetsOf(bridge.log(), 3, SLEEPS)).toEqual([])
    expect(await bridge.count(MADE)).toBe(0)
  })

  it('is not left behind when it cannot be assigned', async () => {
    const bridge = await startWith({ dialect })
    await bridge.command({ fault: { pattern: 'assignments', times: 1, status: 409, text: '{"error_code":40903}' } })
    await expect(offsetsOf(bridge.log(), 0)).rejects.toThrow('40903')
    expect((await bridge.state()).instances).toBe(0)
  })

  it('is ended later where it cannot be now: when the credentials are refused, and when the proxy does not answer', async () => {
    const bridge = await startWith({ dialect, authorization: 'Bearer t0ken' })
    const log = bridge.log({ credentials: { kind: 'bearer', token: 't0ken' } })
    await offsetsOf(log, 0)
    await bridge.command({ expect: 'Bearer another' })
    await expect(offsetsOf(log, 3)).rejects.toThrow('HTTP 401')
    await bridge.command({ expect: 'Bearer t0ken' })
    expect((await bridge.state()).instances).toBe(1)
    await offsetsOf(log, 3)
    expect((await bridge.state()).instances).toBe(1)
    await bridge.command({ fault: { pattern: '^/consumers/rigel/instances/', times: 2, status: 502 } })
    await expect(offsetsOf(log, 3)).rejects.toThrow('HTTP 502')
    await offsetsOf(log, 3)
    expect((await bridge.state()).instances).toBe(1)
  })

  it('is ended if it was made and nobody was told', async () => {
    const bridge = await startWith({ dialect })
    const log = bridge.log({ dialect })
    await bridge.command({ fault: { pattern: '^/consumers/rigel$', times: 1, cut: true } })
    await expect(offsetsOf(log, 0)).rejects.toThrow('POST /consumers/rigel')
    expect((await bridge.state()).instances).toBe(1)
    expect(await offsetsOf(log, 0)).toEqual([0, 1, 2])
    expect((await bridge.state()).instances).toBe(1)
  })

  it('is found by the load balancer’s cookie, whatever host it is said to be at', async () => {
    const bridge = await startWith({ dialect, replicas: 3, sticky: true })
    const log = bridge.log()
    expect(await offsetsOf(log, 0)).toEqual([0, 1, 2])
    expect(await offsetsOf(log, 3)).toEqual([])
    expect([await bridge.count(MADE), (await bridge.state()).instances]).toEqual([1, 1])
  })

  it('is found at its own proxy if that is a host of the configuration', async () => {
    const bridge = await startWith({ dialect, replicas: 3, baseUri: 'reachable' })
    const { hosts } = await bridge.state()
    expect(await offsetsOf(bridge.log({ instanceHosts: hosts }), 0)).toEqual([0, 1, 2])
    expect(await bridge.count(MADE)).toBe(1)
  })

  it('cannot be found behind a load balancer that forgets, which is said', async () => {
    const bridge = await startWith({ dialect, replicas: 2 })
    await expect(offsetsOf(bridge.log({ dialect }), 0)).rejects.toThrow(/affinity by cookie.*KAFKA_REST_INSTANCE_HOSTS/)
  })
})

describe('a proxy that ends no instance', () => {
  it('is asked to five times for each', async () => {
    const bridge = await startWith({ dialect: 'confluent' })
    await bridge.command({ fault: { method: 'DELETE', pattern: '', times: 1_000, status: 500 } })
    const log = bridge.log()
    // Each is replaced by the next, since what is wanted is not what it would read next: the last is not to be ended.
    for (let times = 0; times < 7; times += 1) await offsetsOf(log, 0)
    expect([await bridge.count(ENDED), (await bridge.state()).instances]).toEqual([5 + 5 + 5 + 4 + 3 + 2, 7])
  })
})

describe('a proxy that names another host', () => {
  it('does not get the credentials sent there', async () => {
    const elsewhere = await startWith({ dialect: 'confluent' })
    const bridge = await startWith({ dialect: 'confluent' })
    const created = { instance_id: 'x', base_uri: `${elsewhere.url}/consumers/rigel/instances/x` }
    await bridge.command({
      fault: { pattern: '^/consumers/rigel$', times: 9, status: 200, text: JSON.stringify(created) },
    })
    await expect(offsetsOf(bridge.log(), 0)).rejects.toThrow('HTTP 404')
    expect((await elsewhere.state()).requests).toEqual([])
  })
})
