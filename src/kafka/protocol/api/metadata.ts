// Metadata (key 3): the addresses of the brokers, and the partitions and leaders of topics.
import type { Api } from './api.ts'

/** Topics to describe. */
export interface MetadataRequest {
  /** Null: all. */
  readonly topics: readonly string[] | null
  /** Whether the broker may create missing topics (`auto.create.topics.enable`). */
  readonly create: boolean
  /** Whether the broker says what the client may do with the topics (KIP-430). Rigel itself does not ask: it costs the broker time. */
  readonly withOperations?: boolean
}

/** A broker's advertised listener. */
export interface BrokerAddress {
  readonly id: number
  readonly host: string
  readonly port: number
}

interface PartitionMetadata {
  readonly errorCode: number
  readonly partition: number
  /** Broker id; −1 while there is no leader. */
  readonly leader: number
  readonly leaderEpoch: number
}

/** One topic. */
export interface TopicMetadata {
  readonly errorCode: number
  readonly name: string
  /** 32 hexadecimal digits; a recreated topic has a new one (KIP-516). Null before Kafka 2.8. */
  readonly topicId: string | null
  /** What the client may do with the topic: bit n is the ACL operation n. Null: not asked, or a broker before Kafka 2.3. */
  readonly operations: number | null
  readonly partitions: readonly PartitionMetadata[]
}

/** Brokers and topics. */
export interface MetadataResponse {
  readonly brokers: readonly BrokerAddress[]
  readonly topics: readonly TopicMetadata[]
}

const NO_EPOCH = -1
const NO_ID = '0'.repeat(32)
const WITH_TOPIC_IDS = 10
/** The smallest int32. */
const NO_OPERATIONS = -2_147_483_648

/** Describes the topics of the request. */
export const metadata: Api<MetadataRequest, MetadataResponse> = {
  name: 'Metadata',
  key: 3,
  versions: [4, 12],
  flexibleFrom: 9,
  encode(writer, { topics, create, withOperations = false }, version) {
    writer.nullableArray(topics, (topic) => {
      if (version >= WITH_TOPIC_IDS) writer.uuid(NO_ID)
      writer.string(topic)
      writer.end()
    })
    writer.boolean(create)
    // Authorized operations of the cluster, which are not requested, and of topics.
    if (version >= 8 && version < 11) writer.boolean(false)
    if (version >= 8) writer.boolean(withOperations)
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
        // Replicas, in-sync replicas, offline replicas.
        for (let list = 0; list < (version >= 5 ? 3 : 2); list += 1) reader.array(() => reader.int32())
        reader.end()
        return partition
      })
      const bits = version >= 8 ? reader.int32() : NO_OPERATIONS
      reader.end()
      const operations = bits === NO_OPERATIONS ? null : bits
      return { errorCode, name, topicId: topicId === NO_ID ? null : topicId, operations, partitions }
    })
    return { brokers, topics }
  },
}
