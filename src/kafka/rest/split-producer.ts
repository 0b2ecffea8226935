// A log that is fetched by one adapter and produced to by another: Confluent Cloud's REST API v3 accepts records and returns
// none. Used by create-kafka-log.ts.
import type { NewRecord, ProducedRecord } from '../../core/events/kafka-record.ts'
import type { KafkaLog } from '../kafka-log.ts'
import { produceGrouped, type RecordProducer } from './produce-with-retry.ts'

/**
 * Returns `log`, but `producer` produces the records. `staysWith` names topics that are still produced to `log`: those
 * that are followed in the embedded log.
 */
export function withProducer(log: KafkaLog, producer: RecordProducer, staysWith: readonly string[]): KafkaLog {
  return { ...log, produce: async (records) => produceSplit(records, log, producer, staysWith) }
}

async function produceSplit(
  records: readonly NewRecord[],
  log: KafkaLog,
  producer: RecordProducer,
  staysWith: readonly string[],
): Promise<readonly ProducedRecord[]> {
  return produceGrouped(
    records,
    ({ topic }) => staysWith.includes(topic),
    async (stays, part) => (stays ? log : producer).produce(part),
  )
}
