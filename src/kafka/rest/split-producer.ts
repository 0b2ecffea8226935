// A log that is followed in one way and produced to in another: Confluent Cloud takes records by REST v3, and gives none.
import type { NewRecord, ProducedRecord } from '../../core/events/kafka-record.ts'
import type { KafkaLog } from '../kafka-log.ts'
import { inParts, type Producer } from './produce-with-retry.ts'

/** `staysWith`: topics that the log keeps to itself. The embedded log does with those that are followed in it. */
export function withProducer(log: KafkaLog, producer: Producer, staysWith: readonly string[]): KafkaLog {
  return { ...log, produce: async (records) => produceApart(records, log, producer, staysWith) }
}

async function produceApart(
  records: readonly NewRecord[],
  log: KafkaLog,
  producer: Producer,
  staysWith: readonly string[],
): Promise<readonly ProducedRecord[]> {
  return inParts(
    records,
    ({ topic }) => staysWith.includes(topic),
    async (stays, part) => (stays ? log : producer).produce(part),
  )
}
