// FindCoordinator (key 10) and OffsetCommit (key 8). Rigel commits offsets so that Kafka's tools show the lag, and does not
// join the group: a "simple" commit has the generation −1.
import type { Api } from './api.ts'
import type { BrokerAddress } from './metadata.ts'

const GROUP = 0
const NO_GENERATION = -1
const NO_EPOCH = -1
const RETENTION_OF_BROKER = -1

/** `broker` is the group's coordinator if `errorCode` is 0. */
export interface FindCoordinatorResponse {
  readonly errorCode: number
  readonly message: string | null
  readonly broker: BrokerAddress
}

/** Finds the coordinator of a consumer group. */
export const findCoordinator: Api<string, FindCoordinatorResponse> = {
  name: 'FindCoordinator',
  key: 10,
  versions: [1, 3],
  flexibleFrom: 3,
  encode(writer, group) {
    writer.string(group)
    writer.int8(GROUP)
    writer.end()
  },
  decode(reader) {
    reader.int32()
    const head = { errorCode: reader.int16(), message: reader.nullableString() }
    return { ...head, broker: { id: reader.int32(), host: reader.string(), port: reader.int32() } }
  },
}

/** One partition's offset. */
export interface OffsetCommitRequest {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** Commits one offset. Returns the error code of its partition. */
export const offsetCommit: Api<OffsetCommitRequest, number> = {
  name: 'OffsetCommit',
  key: 8,
  versions: [2, 8],
  flexibleFrom: 8,
  encode(writer, { group, topic, partition, offset }, version) {
    writer.string(group)
    writer.int32(NO_GENERATION)
    writer.string('')
    if (version >= 7) writer.nullableString(null)
    if (version <= 4) writer.int64(RETENTION_OF_BROKER)
    writer.array([topic], (name) => {
      writer.string(name)
      writer.array([partition], (index) => {
        writer.int32(index)
        writer.int64(offset)
        if (version >= 6) writer.int32(NO_EPOCH)
        writer.nullableString(null)
        writer.end()
      })
      writer.end()
    })
    writer.end()
  },
  decode(reader, version) {
    if (version >= 3) reader.int32()
    const topics = reader.array(() => {
      reader.string()
      const codes = reader.array(() => {
        reader.int32()
        const code = reader.int16()
        reader.end()
        return code
      })
      reader.end()
      return codes
    })
    return topics[0]?.[0] ?? -1
  },
}
