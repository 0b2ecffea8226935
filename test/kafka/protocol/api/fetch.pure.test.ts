// What Fetch says and hears besides records: quotas, and logs that are another.
import { describe, expect, it } from 'vitest'
import { fetchRecords } from '../../../../src/kafka/protocol/api/fetch.ts'
import { Reader } from '../../../../src/kafka/protocol/reader.ts'
import { Writer } from '../../../../src/kafka/protocol/writer.ts'

const decode = (version: number, write: (writer: Writer) => void) => {
  const flexible = version >= fetchRecords.flexibleFrom
  const writer = new Writer({ flexible })
  write(writer)
  return fetchRecords.decode(new Reader({ flexible }, writer.finish()), version)
}

/** Without a topic. */
const emptyAnswer = (throttledMs: number, errorCode: number) => (writer: Writer) => {
  writer.int32(throttledMs)
  writer.int16(errorCode)
  writer.int32(0)
  writer.array([], () => undefined)
  writer.end()
}

describe('an answer without a topic', () => {
  // FetchContext.getThrottledResponse of Kafka: https://cwiki.apache.org/confluence/display/KAFKA/KIP-219
  it.each([8, 12, 13])('of version %i is that of a broker that throttles us: no error, and nothing else', (version) => {
    expect(decode(version, emptyAnswer(9_876, 0))).toMatchObject({ errorCode: 0, throttledMs: 9_876 })
  })

  it('has the error of the whole', () => {
    expect(decode(13, emptyAnswer(0, 70))).toMatchObject({ errorCode: 70, throttledMs: 0 })
    expect(decode(13, emptyAnswer(50, 70))).toMatchObject({ errorCode: 70 })
  })

  it('and without a reason is an error that nobody knows', () => {
    expect(decode(13, emptyAnswer(0, 0))).toMatchObject({ errorCode: -1 })
  })
})

describe('a log that may be another', () => {
  const request = { topic: 'rig', topicId: 'ab'.repeat(16), partition: 0, offset: 9, maxWaitMs: 1, maxBytes: 1 }

  it('is asked about by the epoch of the last record, where the version has a place for it', () => {
    const encode = (version: number, lastFetchedEpoch: number) => {
      const writer = new Writer({ flexible: version >= fetchRecords.flexibleFrom })
      fetchRecords.encode(writer, { ...request, leaderEpoch: 5, lastFetchedEpoch }, version)
      return writer.finish().slice()
    }
    expect(encode(11, 4)).toEqual(encode(11, -1))
    expect(encode(12, 4)).not.toEqual(encode(12, -1))
    expect(encode(12, 4).length).toBe(encode(12, -1).length)
  })

  it.each([
    ['an offset', 6, 6],
    ['none', -1, null],
  ])('says by a tagged field where it became another: %s', (_what, endOffset, divergesAt) => {
    const field = new Writer({ flexible: true })
    field.int32(3)
    field.int64(endOffset)
    field.end()
    const decoded = decode(12, (writer) => {
      writer.int32(0)
      writer.int16(0)
      writer.int32(0)
      writer.array(['rig'], (topic) => {
        writer.string(topic)
        writer.array([0], (partition) => {
          writer.int32(partition)
          writer.int16(0)
          for (let n = 0; n < 3; n += 1) writer.int64(0)
          writer.array([], () => undefined)
          writer.int32(-1)
          writer.uvarint(0)
          // Two tagged fields: the one that is wanted, and the leader that brokers know now.
          writer.uvarint(2)
          writer.uvarint(0)
          writer.uvarint(field.length)
          writer.raw(field.finish())
          writer.uvarint(1)
          writer.uvarint(1)
          writer.int8(7)
        })
        writer.end()
      })
      writer.end()
    })
    expect(decoded).toMatchObject({ errorCode: 0, divergesAt })
  })
})
