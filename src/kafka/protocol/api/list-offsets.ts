// ListOffsets: where a partition begins and ends, for readers of committed data: the end is the last stable offset.
import type { Api } from './api.ts'

export const EARLIEST = -2
export const LATEST = -1

const READ_COMMITTED = 1
const CONSUMER = -1

export interface ListOffsetsRequest {
  readonly topic: string
  readonly partition: number
  readonly leaderEpoch: number
  readonly timestamp: typeof EARLIEST | typeof LATEST
}

export interface ListOffsetsResponse {
  readonly errorCode: number
  readonly offset: number
}

/** One partition a request. */
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
    if (only === undefined) throw new RangeError('ListOffsets: the broker answered no partition')
    return only
  },
}
