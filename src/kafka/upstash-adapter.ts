// The KafkaLog over Upstash's Kafka REST API, through Upstash's client. Fetches name an offset. The API transports text, so
// keys, values and headers must be UTF-8.
import { Kafka } from '@upstash/kafka'
import type { LogPosition, LogRecord, NewRecord, ProducedRecord, RecordHeader } from '../core/events/kafka-record.ts'
import type { Fetched, FetchLimits, KafkaLog, OffsetRange } from './kafka-log.ts'

/** URL and credentials of one Upstash Kafka cluster. */
export interface UpstashCredentials {
  readonly url: string
  readonly username: string
  readonly password: string
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Returns the log of Upstash Kafka's REST API. See docs/kafka.md for what this API loses: binary values, and the end
 * of records without text.
 */
export function createUpstashKafkaLog(credentials: UpstashCredentials): KafkaLog {
  const kafka = new Kafka(credentials)
  const admin = kafka.admin()
  const offsets = async (topic: string, partition: number): Promise<OffsetRange> => {
    const of = [{ topic, partition }]
    const [earliest, latest] = await Promise.all([
      admin.topicPartitionOffsets({ timestamp: 'earliest', topicPartitions: of }),
      admin.topicPartitionOffsets({ timestamp: 'latest', topicPartitions: of }),
    ])
    return { earliest: earliest[0]?.offset ?? 0, latest: latest[0]?.offset ?? 0 }
  }
  const partitions = async (topic: string): Promise<readonly number[]> => {
    const topics = await admin.topics()
    return Array.from({ length: topics[topic] ?? 0 }, (_, partition) => partition)
  }
  return {
    wakesFollowers: false,
    partitions,
    topics: async () => Object.keys(await admin.topics()),
    offsets,
    fetch: (position, limits) => fetchFrom(kafka, position, limits, { offsets, partitions }),
    produce: (records) => produceTo(kafka, records),
  }
}

/** The API returns no records for an offset that does not exist, so an empty response is checked against the range. */
async function fetchFrom(
  kafka: Kafka,
  position: LogPosition,
  { maxWaitMs }: FetchLimits,
  ask: Pick<KafkaLog, 'offsets' | 'partitions'>,
): Promise<Fetched> {
  const { topic, partition, offset } = position
  const messages = await kafka.consumer().fetch({ topic, partition, offset, timeout: maxWaitMs })
  const records = messages.filter((message) => message.offset >= offset).map(toRecord)
  if (records.length > 0) return { kind: 'records', records, next: (records.at(-1)?.offset ?? offset) + 1 }
  if (!(await ask.partitions(topic)).includes(partition)) return { kind: 'unknown_topic_or_partition' }
  const { earliest, latest } = await ask.offsets(topic, partition)
  if (offset < earliest || offset > latest) return { kind: 'offset_out_of_range', earliest, latest }
  return { kind: 'records', records, next: offset }
}

async function produceTo(kafka: Kafka, records: readonly NewRecord[]): Promise<readonly ProducedRecord[]> {
  if (records.length === 0) return []
  const requests = records.map(({ topic, partition, timestampMs, key, headers, value }) => ({
    topic,
    value: value === null ? '' : decoder.decode(value),
    ...(partition === undefined ? {} : { partition }),
    ...(timestampMs === undefined ? {} : { timestamp: timestampMs }),
    ...(key ? { key: decoder.decode(key) } : {}),
    headers: (headers ?? []).map((header) => ({ key: header.key, value: decoder.decode(header.value) })),
  }))
  const places = await kafka.producer().produceMany(requests)
  return places.map(({ topic, partition, offset, timestamp }) => ({ topic, partition, offset, timestampMs: timestamp }))
}

function toRecord(message: Awaited<ReturnType<ReturnType<Kafka['consumer']>['fetch']>>[number]): LogRecord {
  const { topic, partition, offset, timestamp, key, value, headers } = message
  return {
    topic,
    partition,
    offset,
    timestampMs: timestamp,
    key: key ? encoder.encode(key) : null,
    value: encoder.encode(value),
    headers: headers.map((header): RecordHeader => ({ key: header.key, value: encoder.encode(header.value) })),
  }
}
