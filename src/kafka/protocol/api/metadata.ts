// Metadata: who the brokers are, and who leads which partition of the topics asked for.
import type { Api } from './api.ts'

export interface MetadataRequest {
  readonly topics: readonly string[]
  /** Also for topics that are not there: the broker may make them, if it is configured to. */
  readonly create: boolean
}

export interface BrokerAddress {
  readonly id: number
  readonly host: string
  readonly port: number
}

interface PartitionMetadata {
  readonly errorCode: number
  readonly partition: number
  /** −1: there is none now. */
  readonly leader: number
  readonly leaderEpoch: number
}

export interface TopicMetadata {
  readonly errorCode: number
  readonly name: string
  /** Another life of a topic has another id. Null: brokers before 2.8 have none. */
  readonly topicId: string | null
  readonly partitions: readonly PartitionMetadata[]
}

export interface MetadataResponse {
  readonly brokers: readonly BrokerAddress[]
  readonly topics: readonly TopicMetadata[]
}

const NO_EPOCH = -1
const NO_ID = '0'.repeat(32)
const WITH_TOPIC_IDS = 10

export const metadata: Api<MetadataRequest, MetadataResponse> = {
  name: 'Metadata',
  key: 3,
  versions: [4, 12],
  flexibleFrom: 9,
  encode(writer, { topics, create }, version) {
    writer.array(topics, (topic) => {
      if (version >= WITH_TOPIC_IDS) writer.uuid(NO_ID)
      writer.string(topic)
      writer.end()
    })
    writer.boolean(create)
    // Authorized operations: of the cluster, then of topics. Not asked for.
    if (version >= 8 && version < 11) writer.boolean(false)
    if (version >= 8) writer.boolean(false)
    writer.end()
  },
  decode(reader, version) {
    reader.int32()
    const brokers = reader.array(() => {
      const broker = { id: reader.int32(), host: reader.string(), port: reader.int32() }
      reader.nullableString()
      reader.end()
      return broker
    })
    reader.nullableString()
    reader.int32()
    const topics = reader.array(() => {
      const errorCode = reader.int16()
      const name = reader.string()
      const topicId = version >= WITH_TOPIC_IDS ? reader.uuid() : NO_ID
      reader.boolean()
      const partitions = reader.array(() => {
        const partition = {
          errorCode: reader.int16(),
          partition: reader.int32(),
          leader: reader.int32(),
          leaderEpoch: version >= 7 ? reader.int32() : NO_EPOCH,
        }
        // Replicas, those in sync, and those offline.
        for (let list = 0; list < (version >= 5 ? 3 : 2); list += 1) reader.array(() => reader.int32())
        reader.end()
        return partition
      })
      if (version >= 8) reader.int32()
      reader.end()
      return { errorCode, name, topicId: topicId === NO_ID ? null : topicId, partitions }
    })
    return { brokers, topics }
  },
}
