// Events of clients on their way into the log: what is posted takes the way of every other event. Structured mode, so
// that every Kafka dialect carries it whole.
import type { Config } from '../config.ts'
import type { CloudEvent } from '../core/event.ts'
import { extractRecipients } from '../core/extractors.ts'
import type { NewRecord, ProducedRecord } from '../core/log-record.ts'
import type { KafkaLog } from '../kafka/kafka-log.ts'

const encoder = new TextEncoder()
const CONTENT_TYPE = { key: 'content-type', value: encoder.encode('application/cloudevents+json; charset=utf-8') }

/** Resolves when all are durable, with their places in the order given. Throws what the log throws. */
export async function publishEvents(
  log: KafkaLog,
  config: Config,
  events: readonly CloudEvent[],
): Promise<readonly ProducedRecord[]> {
  const topic = config.kafka.topics[0] ?? 'rig'
  return log.produce(events.map((event): NewRecord => ({ topic, ...toRecord(config, event) })))
}

function toRecord(config: Config, event: CloudEvent): Pick<NewRecord, 'key' | 'headers' | 'value'> {
  const key = keyOf(config, event)
  return {
    key: key === undefined ? null : encoder.encode(key),
    headers: [CONTENT_TYPE],
    value: encoder.encode(event.json),
  }
}

/** What must keep its order shares a key: CloudEvents' own extension first, then the user, then the subject. */
function keyOf(config: Config, event: CloudEvent): string | undefined {
  const { partitionkey, subject } = event.parsed
  if (typeof partitionkey === 'string') return partitionkey
  const recipients = extractRecipients(config.recipients, event.type, event.parsed)
  if (recipients.kind === 'users' && recipients.users[0] !== undefined) return recipients.users[0]
  return typeof subject === 'string' ? subject : undefined
}
