// ListOffsets (key 2): the first and the last stable offset of a partition, for read_committed consumers.
import type { Api } from './api.ts'

/** Timestamp value that asks for the first offset. */
export const EARLIEST = -2
/** Timestamp value that asks for the last stable offset. */
export const LATEST = -1

const READ_COMMITTED = 1
const CONSUMER = -1

/** One partition and one of the two special timestamps. */
export interface ListOffsetsRequest {
  readonly topic: string
  readonly partition: number
  readonly leaderEpoch: number
  readonly timestamp: typeof EARLIEST | typeof LATEST
}

/** `offset` is valid if `errorCode` is 0. */
export interface ListOffsetsResponse {
  readonly errorCode: number
  readonly offset: number
}

/** Asks for one offset of one partition. */
export const listOffsets: Api<ListOffsetsRequest, ListOffsetsResponse> = {
  name: 'ListOffsets',
  key: 2,
  versions: [2, 7],
  flexibleFrom: 6,
  encode(writer, { topic, partition, leaderEpoch, timestamp }, version) {
    writer.int32(CONSUMER)
    writer.int8(READ_COMMITTED)
    writer.array([topic], (name) => {
      writer.string(name)
      writer.array([partition], (index) => {
        writer.int32(index)
        if (version >= 4) writer.int32(leaderEpoch)
        writer.int64(timestamp)
        writer.end()
      })
      writer.end()
    })
    writer.end()
  },
  decode(reader, version) {
    reader.int32()
    const topics = reader.array(() => {
      reader.string()
      const partitions = reader.array(() => {
        reader.int32()
        const errorCode = reader.int16()
        reader.int64()
        const offset = reader.int64()
        if (version >= 4) reader.int32()
        reader.end()
        return { errorCode, offset }
      })
      reader.end()
      return partitions
    })
    const only = topics[0]?.[0]
    if (only === undefined) throw new RangeError('ListOffsets: the response has no partition')
    return only
  },
}
