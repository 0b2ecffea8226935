// Following by REST when things go wrong, over every dialect: each record once and in order, whatever the proxy does.
import { describe, expect, it } from 'vitest'
import type { BridgeDialect } from '../../../scripts/kafka/bridge-options.ts'
import type { Fetched, KafkaLog } from '../../../src/kafka/kafka-log.ts'
import { makeDeps, TestBridge } from '../test-bridge.ts'

const LIMITS = { maxWaitMs: 0, maxBytes: 100_000 }
const decoder = new TextDecoder()

/** As a follower does: reads on from `next`, and tries again what failed. */
class Reader {
  readonly values: string[] = []
  readonly failures: string[] = []
  readonly #log: KafkaLog
  offset: number

  constructor(log: KafkaLog, offset = 0) {
    this.#log = log
    this.offset = offset
  }

  async fetch(limits = LIMITS): Promise<Fetched['kind'] | 'failed'> {
    try {
      const fetched = await this.#log.fetch({ topic: 'events', partition: 0, offset: this.offset }, limits)
      if (fetched.kind !== 'records') return fetched.kind
      this.values.push(...fetched.records.map(({ value }) => decoder.decode(value ?? undefined)))
      this.offset = fetched.next
      return fetched.kind
    } catch (error) {
      this.failures.push(String(error))
      return 'failed'
    }
  }
}

async function startWith(dialect: BridgeDialect, values: readonly string[]) {
  const bridge = await TestBridge.start({ dialect })
  await bridge.makeTopic()
  for (const value of values) await bridge.append('events', 0, [value])
  const log = bridge.log()
  return { bridge, log, reader: new Reader(log) }
}

const DIALECTS = ['redpanda', 'confluent', 'karapace', 'strimzi'] as const

// Together: each has a proxy of its own, and most of the time is waiting.
describe.concurrent.each(DIALECTS)('following by %s', (dialect) => {
  it('goes on where it was after the proxy has been restarted', async () => {
    const { bridge, reader } = await startWith(dialect, ['a', 'b'])
    await reader.fetch()
    await bridge.command({ stop: true })
    expect(await reader.fetch()).toBe('failed')
    await bridge.command({ start: true })
    await bridge.append('events', 0, ['c'])
    await reader.fetch()
    expect(reader.values).toEqual(['a', 'b', 'c'])
    expect(reader.failures[0]).toContain('Kafka REST proxy 127.0.0.1:')
  })

  it('reads again what was on its way when the connection was cut', async () => {
    const { bridge, reader } = await startWith(dialect, ['a', 'b'])
    await reader.fetch()
    await bridge.append('events', 0, ['c', 'd'])
    // Twice: the runtime itself sends a GET again, once, when a connection that was kept open is closed.
    await bridge.command({ fault: { pattern: 'records', times: 2, cut: true } })
    expect(await reader.fetch()).toBe('failed')
    await reader.fetch()
    expect(reader.values).toEqual(['a', 'b', 'c', 'd'])
  })

  it.each([
    ['an error page', { status: 502, text: '<html>Bad Gateway</html>' }, 'HTTP 502: <html>Bad Gateway'],
    [
      'an ingress that knows no proxy',
      { status: 404, text: '<html>default backend</html>' },
      'HTTP 404: <html>default',
    ],
    ['a page for an answer', { status: 200, text: '<html>Sign in</html>' }, '<html>Sign in'],
    ['another shape', { status: 200, text: '{"records":[]}' }, '{"records":[]}'],
    ['nothing', { status: 200, text: '' }, 'unexpected response'],
    [
      'another partition',
      { status: 200, text: '[{"topic":"events","partition":1,"offset":2,"value":"YQ=="}]' },
      'returned events/1 at 2',
    ],
    [
      'no base64',
      { status: 200, text: '[{"topic":"events","partition":0,"offset":2,"value":"%%"}]' },
      'unexpected response',
    ],
    ['too much for now', { status: 429, text: '{"error_code":42901,"message":"slow down"}' }, '42901: slow down'],
    ['what may be tried again', { status: 500, text: '{"error_code":50003,"message":"leader moved"}' }, '50003'],
  ])('fails on %s, says so, and loses nothing', async (_name, answer, said) => {
    const { bridge, reader } = await startWith(dialect, ['a', 'b'])
    await reader.fetch()
    await bridge.append('events', 0, ['c'])
    await bridge.command({ fault: { pattern: 'records', times: 1, ...answer } })
    expect(await reader.fetch()).toBe('failed')
    expect(reader.failures[0]).toContain(said)
    await reader.fetch()
    expect(reader.values).toEqual(['a', 'b', 'c'])
  })

  it('does not take the page of an ingress for a topic that is not there', async () => {
    const { bridge, log } = await startWith(dialect, ['a'])
    await log.partitions('events')
    await bridge.command({ fault: { pattern: '', times: 1, status: 404, text: '<html>default backend</html>' } })
    await expect(log.partitions('events')).rejects.toThrow('HTTP 404: <html>default')
    await bridge.command({ fault: { pattern: '', times: 1, status: 404, text: '' } })
    await expect(log.offsets('events', 0)).rejects.toThrow('HTTP 404: no reason given')
    expect(await log.offsets('events', 0)).toEqual({ earliest: 0, latest: 1 })
  })

  it('takes an answer that comes late', async () => {
    const { bridge, reader } = await startWith(dialect, ['a'])
    await bridge.command({ fault: { pattern: 'records', times: 1, delayMs: 700 } })
    await reader.fetch()
    await reader.fetch()
    expect(reader.values).toEqual(['a'])
  })

  it('says that retention overtook it, and from where to read', async () => {
    const { bridge, log, reader } = await startWith(dialect, ['a', 'b', 'c', 'd', 'e'])
    reader.offset = 1
    await bridge.command({ trim: { topic: 'events', partition: 0, before: 3 } })
    const position = { topic: 'events', partition: 0, offset: 1 }
    expect(await log.fetch(position, LIMITS)).toEqual({ kind: 'offset_out_of_range', earliest: 3, latest: 5 })
    reader.offset = 3
    await reader.fetch()
    expect(reader.values).toEqual(['d', 'e'])
  })

  it('notices retention that overtakes it while it reads', async () => {
    const { bridge, reader } = await startWith(dialect, ['a', 'b'])
    await reader.fetch()
    await bridge.append('events', 0, ['c'])
    await bridge.append('events', 0, ['d'])
    await bridge.command({ trim: { topic: 'events', partition: 0, before: 3 } })
    expect(await reader.fetch()).toBe('offset_out_of_range')
    expect(reader.values).toEqual(['a', 'b'])
  })

  it('notices that the topic was made anew, with something in it and without', async () => {
    const { bridge, log, reader } = await startWith(dialect, ['a', 'b', 'c'])
    await reader.fetch()
    await bridge.command({ removeTopic: 'events' })
    expect(await reader.fetch()).toBe('unknown_topic_or_partition')
    await bridge.makeTopic()
    const position = { topic: 'events', partition: 0, offset: 3 }
    expect(await log.fetch(position, LIMITS)).toEqual({ kind: 'offset_out_of_range', earliest: 0, latest: 0 })
    await bridge.append('events', 0, ['new'])
    expect(await log.fetch(position, LIMITS)).toEqual({ kind: 'offset_out_of_range', earliest: 0, latest: 1 })
  })

  it('notices a topic that is made anew behind the back of a reader that waits', async () => {
    const { bridge, reader } = await startWith(dialect, ['a', 'b', 'c'])
    await reader.fetch()
    await bridge.command({ removeTopic: 'events' })
    await bridge.makeTopic()
    await bridge.append('events', 0, ['new'])
    expect(await reader.fetch({ ...LIMITS, maxWaitMs: 300 })).toBe('offset_out_of_range')
    reader.offset = 0
    await reader.fetch()
    expect(reader.values).toEqual(['a', 'b', 'c', 'new'])
  })

  // Redpanda's proxy does not say where a partition begins.
  it.skipIf(dialect === 'redpanda')(
    'notices a new topic that has grown beyond the offset, if the old one began later',
    async () => {
      const { bridge, reader } = await startWith(dialect, ['a', 'b', 'c', 'd'])
      await bridge.command({ trim: { topic: 'events', partition: 0, before: 2 } })
      reader.offset = 2
      await reader.fetch()
      expect([reader.values, reader.offset]).toEqual([['c', 'd'], 4])
      await bridge.command({ removeTopic: 'events' })
      expect(await reader.fetch()).toBe('unknown_topic_or_partition')
      await bridge.makeTopic()
      for (let n = 0; n < 6; n += 1) await bridge.append('events', 0, [`new ${n}`])
      expect(await reader.fetch()).toBe('offset_out_of_range')
      // Until the follower has stored its new offset it may ask again.
      expect(await reader.fetch()).toBe('offset_out_of_range')
      reader.offset = 0
      for (let fetches = 0; fetches < 6 && reader.offset < 6; fetches += 1) await reader.fetch()
      expect(reader.values.slice(2)).toEqual([0, 1, 2, 3, 4, 5].map((n) => `new ${n}`))
    },
  )

  it('knows what it does not know: topics and partitions', async () => {
    const { log } = await startWith(dialect, [])
    const unknown = { kind: 'unknown_topic_or_partition' }
    expect(await log.fetch({ topic: 'events', partition: 4, offset: 0 }, LIMITS)).toEqual(unknown)
    expect(await log.fetch({ topic: 'nothing', partition: 0, offset: 0 }, LIMITS)).toEqual(unknown)
    expect(await log.partitions('nothing')).toEqual([])
    await expect(log.offsets('nothing', 0)).rejects.toThrow('topic nothing has no partition 0')
  })

  it('goes over what compaction took, and sees partitions that are added', async () => {
    const { bridge, log, reader } = await startWith(dialect, ['a', 'b', 'c', 'd'])
    await bridge.command({ compact: { topic: 'events', partition: 0, offset: 0 } })
    await bridge.command({ compact: { topic: 'events', partition: 0, offset: 2 } })
    for (let fetches = 0; fetches < 3; fetches += 1) await reader.fetch()
    expect([reader.values, reader.offset]).toEqual([['b', 'd'], 4])
    expect(await log.partitions('events')).toEqual([0, 1, 2, 3])
    await bridge.command({ addPartitions: { topic: 'events', partitions: 6 } })
    expect(await log.partitions('events')).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('reads what stands behind markers of transactions', async () => {
    const { bridge, reader } = await startWith(dialect, ['a'])
    await bridge.command({ mark: { topic: 'events', partition: 0 } })
    await bridge.command({ mark: { topic: 'events', partition: 0 } })
    await bridge.append('events', 0, ['b'])
    for (let fetches = 0; fetches < 4; fetches += 1) await reader.fetch()
    expect([reader.values, reader.offset]).toEqual([['a', 'b'], 4])
  })

  it('reads a record that is larger than what it asks for', async () => {
    const large = 'x'.repeat(200_000)
    const { reader } = await startWith(dialect, ['a', large, 'b'])
    for (let fetches = 0; fetches < 3; fetches += 1) await reader.fetch()
    expect(reader.values.map((value) => value.length)).toEqual([1, 200_000, 1])
  })

  it('says what the credentials are short of, and works with the right ones', async () => {
    const bridge = await TestBridge.start({ dialect, authorization: `Basic ${btoa('rigel:secret')}` })
    await bridge.makeTopic()
    await bridge.append('events', 0, ['a'])
    const wrong = new Reader(bridge.log({ credentials: { kind: 'basic', username: 'rigel', password: 'wrong' } }))
    expect(await wrong.fetch()).toBe('failed')
    expect(wrong.failures[0]).toMatch(/HTTP 401.*Unauthorized/)
    expect(wrong.failures[0]).not.toContain('wrong')
    const right = new Reader(bridge.log({ credentials: { kind: 'basic', username: 'rigel', password: 'secret' } }))
    await right.fetch()
    expect(right.values).toEqual(['a'])
  })

  it('sends a token as a bearer', async () => {
    const bridge = await TestBridge.start({ dialect, authorization: 'Bearer t0ken' })
    const topic = await bridge.makeTopic()
    const log = bridge.log({ credentials: { kind: 'bearer', token: 't0ken' } })
    expect(await log.partitions(topic)).toEqual([0, 1, 2, 3])
  })

  it('says once that headers are not delivered, where they are not', async () => {
    const { bridge } = await startWith(dialect, ['a', 'b'])
    const { deps, warnings } = makeDeps()
    const reader = new Reader(bridge.log({}, deps))
    await reader.fetch()
    await reader.fetch()
    const said = warnings.map(({ message }) => message.includes('delivers no headers'))
    expect(said).toEqual(dialect === 'strimzi' ? [] : [true])
  })
})

describe('a dialect', () => {
  it.each(DIALECTS)('is not looked for when it is named: %s', async (dialect) => {
    const bridge = await TestBridge.start({ dialect })
    const topic = await bridge.makeTopic()
    expect(await bridge.log({ dialect }).partitions(topic)).toEqual([0, 1, 2, 3])
    expect(await bridge.count(/rigel-probe|_health| \/$/)).toBe(0)
  })

  it('is not guessed of what is no proxy, nor from errors', async () => {
    const bridge = await TestBridge.start({ dialect: 'confluent' })
    const topic = await bridge.makeTopic()
    await bridge.command({ fault: { pattern: '^/$', times: 1, status: 503 } })
    await expect(bridge.log().partitions(topic)).rejects.toThrow('HTTP 503')
    await bridge.command({ fault: { pattern: '', times: 4, status: 200, text: '<html>Welcome</html>' } })
    await expect(bridge.log().partitions(topic)).rejects.toThrow('set KAFKA_REST_DIALECT')
    expect(await bridge.log().partitions(topic)).toEqual([0, 1, 2, 3])
  })
})
