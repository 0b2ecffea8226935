import { describe, expect, it } from 'vitest'
import type { LogRecord, NewRecord } from '../../src/core/events/kafka-record.ts'
import { deadLetter, splitForProduce, produceInOrder } from '../../src/publishing/dead-letter.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const record: LogRecord = {
  topic: 'rig',
  partition: 3,
  offset: 42,
  timestampMs: 7,
  key: bytes('key'),
  headers: [{ key: 'trace', value: bytes('abc') }],
  value: bytes('garbage'),
}

const headersOf = ({ headers = [] }: NewRecord) =>
  Object.fromEntries(headers.map(({ key, value }) => [key, new TextDecoder().decode(value)]))
const sizeOf = ({ key, value, headers = [] }: NewRecord) =>
  (key?.length ?? 0) + (value?.length ?? 0) + headers.reduce((sum, one) => sum + one.key.length + one.value.length, 0)

describe('a dead letter', () => {
  it('is the unchanged record with reason, origin and rule', () => {
    const letter = deadLetter('dead', record, { kind: 'not_a_cloud_event', message: 'not JSON' })
    expect(letter).toMatchObject({ topic: 'dead', key: record.key, value: record.value })
    // Kafka refuses timestamps that are too far from its clock: a letter has its own.
    expect(letter.timestampMs).toBeUndefined()
    expect(letter).not.toHaveProperty('partition')
    expect(headersOf(letter)).toEqual({
      trace: 'abc',
      'rigel-reason': 'not a CloudEvent: not JSON',
      'rigel-reason-code': 'not_a_cloud_event',
      'rigel-topic': 'rig',
      'rigel-partition': '3',
      'rigel-offset': '42',
      'rigel-timestamp': '7',
      'rigel-rule': 'none',
    })
  })

  it.each([
    ['value', { ...record, value: new Uint8Array(1_048_576) }],
    ['key', { ...record, key: new Uint8Array(1_048_576) }],
    ['headers', { ...record, headers: [{ key: 'h', value: new Uint8Array(1_048_576) }] }],
  ])('too large by its %s for a broker keeps its origin: it must not stop its partition', (_what, large) => {
    const letter = deadLetter('dead', large, { kind: 'too_large', limitBytes: 9 })
    expect(sizeOf(letter)).toBeLessThan(1_000)
    expect(headersOf(letter)).toMatchObject({ 'rigel-offset': '42', 'rigel-reason-code': 'too_large' })
    expect(Number(headersOf(letter)['rigel-omitted-bytes'])).toBeGreaterThan(1_048_576)
  })

  it('has a short reason, whatever the record made of it', () => {
    const letter = deadLetter('dead', record, { kind: 'unsupported_content_type', contentType: 'x'.repeat(900_000) })
    expect(headersOf(letter)['rigel-reason']?.length).toBe(500)
  })
})

describe('dead letters of one batch', () => {
  it('go in parcels that one produce can carry, in order', () => {
    const letters = Array.from({ length: 20_000 }, (_, offset) =>
      deadLetter('dead', { ...record, offset }, { kind: 'tombstone' }),
    )
    const parcels = [...splitForProduce(letters)]
    expect(parcels.flat()).toEqual(letters)
    expect(Math.max(...parcels.map((parcel) => parcel.reduce((sum, one) => sum + sizeOf(one), 0)))).toBeLessThan(
      1_000_001,
    )
    expect(parcels.length).toBeGreaterThan(1)
  })

  it('are no parcel when there is none', () => {
    expect([...splitForProduce([])]).toEqual([])
  })
})

describe('a topic that takes less than Kafka does by default', () => {
  const letterOf = (offset: number, size: number): NewRecord => {
    const of = { ...record, offset, value: new Uint8Array(size) }
    return deadLetter('dead', of, { kind: 'not_a_cloud_event', message: 'not JSON' })
  }
  /** As a broker: a produce with one record that is too large stores none of it. */
  const makeTopic = (limit: number, message = 'Kafka: producing to dead/0: MESSAGE_TOO_LARGE') => {
    const stored: NewRecord[] = []
    let calls = 0
    const produce = async (letters: readonly NewRecord[]) => {
      calls += 1
      if (letters.some((letter) => sizeOf(letter) > limit)) throw new Error(message)
      stored.push(...letters)
    }
    return { stored, produce, calls: () => calls }
  }
  const offsets = (letters: readonly NewRecord[]) => letters.map((letter) => headersOf(letter)['rigel-offset'])

  it.each([
    'Kafka: producing to dead/0: MESSAGE_TOO_LARGE',
    'the REST proxy answered: The message is 9 bytes when serialized which is larger than 8',
  ])('gets every letter in order, and of those that are too large where they came from: %s', async (message) => {
    const { calls, produce, stored } = makeTopic(1_000, message)
    const letters = Array.from({ length: 1_000 }, (_, n) => letterOf(n, n === 300 || n === 999 ? 5_000 : 10))
    await produceInOrder(produce, letters)
    expect(offsets(stored)).toEqual(letters.map((_, n) => String(n)))
    const [short] = stored.filter(({ value }) => value === null)
    const { 'rigel-reason': reason, 'rigel-omitted-bytes': omitted, ...rest } = headersOf(short as NewRecord)
    expect([reason, Number(omitted) > 5_000, rest['trace'], short?.key]).toEqual([
      'not a CloudEvent: not JSON',
      true,
      undefined,
      null,
    ])
    // Halves of halves, and not each letter by itself: an invocation may make so many calls.
    expect(calls()).toBeLessThan(60)
  })

  it('gets a letter without the headers of the record, whatever they are called', async () => {
    const { produce, stored } = makeTopic(1_000)
    const headers = [{ key: 'rigel-reason', value: new Uint8Array(5_000) }]
    const letter = deadLetter('dead', { ...record, headers }, { kind: 'not_utf8' })
    await produceInOrder(produce, [letter])
    expect(stored.map(({ headers: [first] = [] }) => new TextDecoder().decode(first?.value))).toEqual([
      'the value, or a ce_ header, is not UTF-8',
    ])
    expect(headersOf(stored[0] as NewRecord)).toMatchObject({ 'rigel-offset': '42', 'rigel-timestamp': '7' })
  })

  it('and not even that much is an error', async () => {
    const { produce } = makeTopic(10)
    await expect(produceInOrder(produce, [letterOf(1, 5_000)])).rejects.toThrow('MESSAGE_TOO_LARGE')
  })

  it('is not what fails otherwise: then it is tried again as a whole', async () => {
    const { calls, produce } = makeTopic(10, 'Kafka: producing to dead/0: NOT_ENOUGH_REPLICAS')
    await expect(produceInOrder(produce, [letterOf(1, 5_000), letterOf(2, 5_000)])).rejects.toThrow('NOT_ENOUGH')
    expect(calls()).toBe(1)
  })
})
