// The idempotent producer against a broker that checks sequences as Kafka does, and fails in every way: nothing twice,
// nothing lost that was promised, order kept, and whoever asked is told.
import { beforeEach, describe, expect, it } from 'vitest'
import type { NewRecord } from '../../../src/core/events/kafka-record.ts'
import type { Api } from '../../../src/kafka/protocol/api/api.ts'
import { produce, type ProduceRequest } from '../../../src/kafka/protocol/api/produce.ts'
import { BrokerError, ConnectionError } from '../../../src/kafka/protocol/errors.ts'
import type { ProducerCluster } from '../../../src/kafka/protocol/batch-sender.ts'
import { IdempotentProducer } from '../../../src/kafka/protocol/producer.ts'
import { nextSequence } from '../../../src/kafka/protocol/record-queue.ts'
import { decodeRecords } from '../../../src/kafka/protocol/fetched-records.ts'
import { utf8 } from './random.ts'

const text = (bytes: Uint8Array | null) => new TextDecoder().decode(bytes ?? undefined)

interface Batch {
  readonly partition: number
  readonly producerId: number
  readonly sequence: number
  readonly values: readonly string[]
}

/** What becomes of one attempt: stored or not, and what is answered. */
type Fate = 'ok' | 'stored, no answer' | 'no answer' | number

class FakeKafka implements ProducerCluster {
  nowMs = 1_000_000
  readonly options = {
    nowMs: () => this.nowMs,
    random: () => 0.5,
    sleep: async (ms: number) => void (this.nowMs += ms),
  }
  readonly log: string[][] = [[], [], []]
  readonly attempts: Batch[] = []
  readonly fates: Fate[] = []
  forgotten = 0
  producerIds = 0
  identityError = 0
  refuse: (batch: Batch) => number = () => 0
  /** Held attempts go on when it resolves. */
  gate: Promise<void> = Promise.resolve()
  readonly #next = new Map<string, number>()

  async partitionCount() {
    return this.log.length
  }

  async leader() {
    return { broker: { id: 1, host: 'kafka', port: 9092 }, epoch: 0, topicId: null }
  }

  forget() {
    this.forgotten += 1
  }

  async askAny<Request, Response>(_api: Api<Request, Response>, _request: Request): Promise<Response> {
    this.producerIds += 1
    return { errorCode: this.identityError, producerId: this.producerIds, epoch: 0 } as Response
  }

  async connection() {
    const send = async <Request, Response>(api: Api<Request, Response>, request: Request): Promise<Response> => {
      expect(api.name).toBe(produce.name)
      await this.gate
      return this.#produce(request as ProduceRequest) as Response
    }
    return { send }
  }

  #produce({ topics: [first] }: ProduceRequest) {
    const { partition, batch: bytes } = first?.partitions[0] ?? { partition: -1, batch: new Uint8Array() }
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    const { records } = decodeRecords({ topic: 'rig', partition }, 0, bytes)
    const values = records.map(({ value }) => text(value))
    const batch = { partition, producerId: Number(view.getBigInt64(43)), sequence: view.getInt32(53), values }
    this.attempts.push(batch)
    const fate = this.fates.shift() ?? 'ok'
    if (typeof fate === 'number') return this.#answer(partition, fate, -1)
    const refused = this.refuse(batch)
    if (refused !== 0) return this.#answer(partition, refused, -1)
    if (fate === 'no answer') throw new ConnectionError('gone')
    const [errorCode, offset] = this.#store(batch)
    if (fate === 'stored, no answer') throw new ConnectionError('gone')
    return this.#answer(partition, errorCode, offset)
  }

  #answer(partition: number, errorCode: number, baseOffset: number) {
    return [{ topic: 'rig', partition, errorCode, message: null, baseOffset, appendTimeMs: -1 }]
  }

  #store({ partition, producerId, sequence, values }: Batch): [number, number] {
    const log = this.log[partition] ?? []
    const key = `${producerId}/${partition}`
    const expected = this.#next.get(key) ?? 0
    const known = this.attempts.slice(0, -1).some((one) => one.producerId === producerId && one.sequence === sequence)
    if (producerId >= 0 && sequence !== expected) return known ? [46, -1] : [45, -1]
    if (producerId >= 0) this.#next.set(key, (sequence + values.length) % 2 ** 31)
    log.push(...values)
    return [0, log.length - values.length]
  }
}

let kafka: FakeKafka
let producer: IdempotentProducer

beforeEach(() => {
  kafka = new FakeKafka()
  producer = new IdempotentProducer(kafka, 'none')
})

const record = (value: string, more: Partial<NewRecord> = {}): NewRecord => ({
  topic: 'rig',
  partition: 0,
  value: utf8(value),
  ...more,
})
const send = (...values: readonly string[]) => producer.produce(values.map((value) => record(value)))
const outcome = (promise: Promise<unknown>) => promise.catch((error: unknown) => error)

/** Sends wait at the broker until the answer of this is called. */
function hold(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  kafka.gate = promise
  return resolve
}

describe('what is asked for', () => {
  it('goes out as one batch, and has its places in the order given', async () => {
    const places = await producer.produce([record('a'), record('b', { partition: 2 }), record('c')])
    expect(places.map(({ partition, offset, timestampMs }) => [partition, offset, timestampMs])).toEqual([
      [0, 0, 1_000_000],
      [2, 0, 1_000_000],
      [0, 1, 1_000_000],
    ])
    expect(kafka.attempts.map(({ values }) => values)).toEqual([['a', 'c'], ['b']])
  })

  it('while a batch is under way goes out as one behind it, with the sequence that follows', async () => {
    const release = hold()
    const first = send('a', 'b')
    await Promise.resolve()
    await Promise.resolve()
    const others = [send('c'), send('d')]
    release()
    await Promise.all([first, ...others])
    expect(kafka.log[0]).toEqual(['a', 'b', 'c', 'd'])
    const sequences = kafka.attempts.map(({ sequence }) => sequence)
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b))
  })

  it('with a key goes where Kafka’s own clients put it, all without one to the same partition within a call', async () => {
    const keyed = { key: utf8('21'), partition: undefined as never }
    const free = { partition: undefined as never }
    const places = await producer.produce([record('a', keyed), record('b', free), record('c', free)])
    expect(places[1]?.partition).toBe(places[2]?.partition)
    expect(places[0]?.partition).toBeLessThan(3)
  })

  it.each([-1, 3, 0.5])('for partition %d fails before anything of the call is sent', async (partition) => {
    const error = new RangeError(`partition must be 0 to 2, got ${partition}`)
    expect(await outcome(producer.produce([record('a'), record('b', { partition })]))).toEqual(error)
    await send('c')
    expect(kafka.log[0]).toEqual(['c'])
  })

  it('is split into batches that brokers take', async () => {
    const large = 'x'.repeat(400_000)
    await send(large, large, large, 'small')
    expect(kafka.attempts.map(({ values, sequence }) => [values.length, sequence])).toEqual([
      [2, 0],
      [2, 2],
    ])
  })
})

describe('an attempt', () => {
  it.each<[string, Fate[]]>([
    ['whose answer got lost', ['stored, no answer']],
    ['that got lost', ['no answer']],
    ['that got lost twice, and then its answer', ['no answer', 'no answer', 'stored, no answer']],
    ['at a broker that leads no more', [6, 6]],
    ['that too few replicas have yet', [20, 19]],
    ['that timed out at the broker', [7]],
    ['that was broken on the way', [2]],
  ])('%s is repeated as the same batch, and stored once', async (_what, fates) => {
    await send('before')
    kafka.fates.push(...fates)
    await send('a', 'b')
    await send('after')
    expect(kafka.log[0]).toEqual(['before', 'a', 'b', 'after'])
    const ids = new Set(kafka.attempts.map(({ producerId }) => producerId))
    expect([...ids]).toEqual([1])
    expect(kafka.forgotten).toBe(fates.length)
  })

  it('that the broker knows already has no offset, and says so in each place', async () => {
    kafka.fates.push('stored, no answer')
    const places = await send('a', 'b')
    expect(places.map(({ offset }) => offset)).toEqual([-1, -1])
    expect((await send('c'))[0]?.offset).toBe(2)
  })

  it.each([45, 47, 59])('answered with %i, by a broker that forgot us, is made under a new name', async (code) => {
    await send('a')
    kafka.fates.push(code)
    await send('b')
    await send('c')
    expect(kafka.log[0]).toEqual(['a', 'b', 'c'])
    expect(kafka.attempts.map(({ producerId, sequence }) => [producerId, sequence])).toEqual([
      [1, 0],
      [1, 1],
      [2, 0],
      [2, 1],
    ])
  })

  it('goes on for 25 seconds; then whoever asked is told, and the next starts under a new name', async () => {
    kafka.fates.push(...Array.from({ length: 100 }, (): Fate => 'no answer'))
    const startedMs = kafka.nowMs
    expect(await outcome(send('a'))).toEqual(new ConnectionError('gone'))
    expect(kafka.nowMs - startedMs).toBeGreaterThan(25_000)
    expect(kafka.nowMs - startedMs).toBeLessThan(28_000)
    kafka.fates.length = 0
    await send('b')
    expect(kafka.attempts.at(-1)).toMatchObject({ producerId: 2, sequence: 0 })
    expect(kafka.log[0]).toEqual(['b'])
  })

  it('that is refused for good is not repeated', async () => {
    kafka.fates.push(29)
    const error = await outcome(send('a'))
    expect(error).toBeInstanceOf(BrokerError)
    expect(String(error)).toBe('BrokerError: Kafka: producing to rig/0: TOPIC_AUTHORIZATION_FAILED')
    expect(kafka.attempts).toHaveLength(1)
  })
})

describe('a batch', () => {
  it('that is too large goes in halves, in order, with sequences that follow each other', async () => {
    kafka.refuse = ({ values }) => (values.length > 2 ? 10 : 0)
    const places = await send('a', 'b', 'c', 'd', 'e')
    await send('f')
    expect(kafka.log[0]).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
    expect(places.map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4])
    expect(new Set(kafka.attempts.map(({ producerId }) => producerId)).size).toBe(1)
  })

  it.each([
    ['too large', 10],
    ['invalid', 87],
    ['of a time that the topic refuses', 32],
  ])('with one record that is %s costs nobody else', async (_what, code) => {
    kafka.refuse = ({ values }) => (values.includes('bad') ? code : 0)
    const outcomes = await Promise.allSettled([send('a'), send('bad'), send('b'), send('c')])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    await send('d')
    expect(kafka.log[0]).toEqual(['a', 'b', 'c', 'd'])
    expect(kafka.producerIds).toBe(1)
  })

  it('of halves whose first is lost for good does not take the second down', async () => {
    kafka.refuse = ({ values }) => (values.length > 1 ? 10 : 0)
    kafka.fates.push('ok', 29)
    const outcomes = await Promise.allSettled([send('a'), send('b')])
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    expect(kafka.log[0]).toEqual(['b'])
  })

  it('at the end of the sequences is followed by one at their start, as brokers count', () => {
    const last = 2 ** 31 - 1
    expect([nextSequence(last - 1, 1), nextSequence(last, 1), nextSequence(last - 1, 5)]).toEqual([last, 0, 3])
  })
})

it('without the permission for a name sends batches that the broker takes as they are', async () => {
  kafka.identityError = 31
  await send('a')
  await send('b')
  expect(kafka.attempts.map(({ producerId, sequence }) => [producerId, sequence])).toEqual([
    [-1, -1],
    [-1, -1],
  ])
  expect(kafka.log[0]).toEqual(['a', 'b'])
})

describe('while brokers are out of reach', () => {
  it('what had to wait for 25 seconds is not sent at all, and says so', async () => {
    const release = hold()
    const first = send('a')
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
    const second = outcome(send('b'))
    kafka.nowMs += 26_000
    const third = send('c')
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
    release()
    await first
    expect(String(await second)).toContain('waited for 25000 ms and was not sent')
    await third
    expect(kafka.log[0]).toEqual(['a', 'c'])
  })

  it('no more than 32 MiB wait; one call may be larger', async () => {
    const release = hold()
    const large = 'x'.repeat(20 * 1_048_576)
    const first = send(large)
    const second = outcome(send(large))
    expect(String(await second)).toMatch(/^ConnectionError: Kafka: \d+ bytes are already waiting to be stored$/)
    release()
    await first
    await send('x'.repeat(33 * 1_048_576))
    expect(kafka.log[0]).toHaveLength(2)
  })
})
