// Produce (key 0): batches for partitions of one leader, acknowledged by all in-sync replicas.
import type { Api } from './api.ts'

/** acks=all. */
const ALL_REPLICAS = -1

/** One batch per partition, as record-batch.ts encodes it. */
export interface ProduceRequest {
  readonly timeoutMs: number
  readonly topics: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number; readonly batch: Uint8Array }[]
  }[]
}

/** Result of one partition. `baseOffset` is −1 if the broker does not know it. */
export interface ProducedPartition {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly message: string | null
  readonly baseOffset: number
  /** Milliseconds since the epoch; −1 if the records keep their own timestamps. */
  readonly appendTimeMs: number
}

/** Produces with acks=all. */
export const produce: Api<ProduceRequest, readonly ProducedPartition[]> = {
  name: 'Produce',
  key: 0,
  versions: [3, 9],
  flexibleFrom: 9,
  encode(writer, { timeoutMs, topics }) {
    writer.nullableString(null)
    writer.int16(ALL_REPLICAS)
    writer.int32(timeoutMs)
    writer.array(topics, ({ topic, partitions }) => {
      writer.string(topic)
      writer.array(partitions, ({ partition, batch }) => {
        writer.int32(partition)
        writer.bytes(batch)
        writer.end()
      })
      writer.end()
    })
    writer.end()
  },
  decode(reader, version) {
    const topics = reader.array(() => {
      const topic = reader.string()
      const partitions = reader.array(() => {
        const head = { partition: reader.int32(), errorCode: reader.int16(), baseOffset: reader.int64() }
        const appendTimeMs = reader.int64()
        if (version >= 5) reader.int64()
        const message = version >= 8 ? readErrors() : null
        reader.end()
        return { topic, ...head, appendTimeMs, message }
      })
      reader.end()
      return partitions
    })
    return topics.flat()

    function readErrors(): string | null {
      const ofRecords = reader.array(() => {
        reader.int32()
        const text = reader.nullableString()
        reader.end()
        return text
      })
      return reader.nullableString() ?? ofRecords.find((text) => text !== null) ?? null
    }
  },
}
