import { describe, expect, it } from 'vitest'
import type { LogRecord, NewRecord } from '../../src/core/log-record.ts'
import { deadLetter, inParcels } from '../../src/ingest/dead-letter.ts'

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
  it('is the record as it was, with reason and origin', () => {
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
    const parcels = [...inParcels(letters)]
    expect(parcels.flat()).toEqual(letters)
    expect(Math.max(...parcels.map((parcel) => parcel.reduce((sum, one) => sum + sizeOf(one), 0)))).toBeLessThan(
      1_000_001,
    )
    expect(parcels.length).toBeGreaterThan(1)
  })

  it('are no parcel when there is none', () => {
    expect([...inParcels([])]).toEqual([])
  })
})
