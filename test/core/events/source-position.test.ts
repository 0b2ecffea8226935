import { describe, expect, it } from 'vitest'
import { parseJson } from '../../../src/core/json.ts'
import { readSourcePosition } from '../../../src/core/events/source-position.ts'

describe('where an event stood in the Kafka it comes from', () => {
  it.each<[string, unknown, unknown, unknown]>([
    ['numbers, as Kafka Connect inserts them', 'orders', 3, 42],
    ['text, as CloudEvents’ SDK for Go and headers have it', 'orders', '3', '42'],
  ])('is read from %s', (_, ...members) => {
    const value = { topic: 'orders', partition: '3', offset: '42' }
    expect(readSourcePosition(...members)).toEqual({ ok: true, value })
  })

  it.each(['"9007199254740993"', '9007199254740993'])('keeps all 64 bits of an offset that JSON has as %s', (json) => {
    const read = readSourcePosition('t', '0', parseJson(json))
    expect(read.ok && read.value?.offset).toBe('9007199254740993')
  })

  it.each([undefined, null])('is not told by %s', (absent) => {
    expect(readSourcePosition(absent, absent, absent)).toEqual({ ok: true, value: null })
  })

  it.each<[unknown, unknown, unknown, string]>([
    ['t', 0, undefined, 'kafkaoffset'],
    ['t', undefined, 1, 'kafkapartition'],
    [undefined, 0, 1, 'kafkatopic'],
    ['', 0, 1, 'kafkatopic'],
    ['a/b', 0, 1, 'kafkatopic'],
    ['x'.repeat(250), 0, 1, 'kafkatopic'],
    ['t', -1, 1, 'kafkapartition'],
    ['t', 1.5, 1, 'kafkapartition'],
    ['t', 0, '01', 'kafkaoffset'],
    ['t', 0, '1e3', 'kafkaoffset'],
    ['t', 0, ' 1', 'kafkaoffset'],
    ['t', 0, '1'.repeat(20), 'kafkaoffset'],
    ['t', 0, { toString: () => '1' }, 'kafkaoffset'],
    ['t', 0, [1], 'kafkaoffset'],
    ['t', 0, true, 'kafkaoffset'],
  ])('is refused as %j/%j/%j, naming %s', (topic, partition, offset, name) => {
    expect(readSourcePosition(topic, partition, offset)).toEqual({ ok: false, reason: expect.stringContaining(name) })
  })
})
