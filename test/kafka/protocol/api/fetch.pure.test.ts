// Answers to Fetch that are none of the usual: as brokers write them.
import { describe, expect, it } from 'vitest'
import { fetchRecords } from '../../../../src/kafka/protocol/api/fetch.ts'
import { Reader, Writer } from '../../../../src/kafka/protocol/wire.ts'

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
