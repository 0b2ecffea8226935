// Stores the events that a connector pushes: each once, however often it is sent, in the order of its source. An element that
// is not an event becomes a dead letter, so that it blocks nothing. The connector retries until it gets a response; the log
// recognises events that it has stored. Called by http/events/post-push.ts.
import type { Config } from '../config/parse-config.ts'
import type { CloudEvent } from '../core/events/stored-event.ts'
import type { LogPosition, NewRecord, ProducedRecord, RecordHeader } from '../core/events/kafka-record.ts'
import { toLogPosition, type SourcePosition } from '../core/events/source-position.ts'
import type { KafkaLog } from '../kafka/kafka-log.ts'
import { deadLetter, splitForProduce } from './dead-letter.ts'
import { describeDecodeError, type DecodeError } from '../decoding/decode-error.ts'
import { keyOfBytes, keyOfEvent, keyOfPosition, type PushSender } from './idempotency-key.ts'
import { orderKeyOf, toValue } from './publish.ts'

/** One element of a push. `position` is its place in the Kafka that it comes from; null if the connector does not tell it. */
export type PushItem =
  | { readonly kind: 'event'; readonly event: CloudEvent; readonly position: SourcePosition | null }
  | {
      readonly kind: 'no_event'
      readonly value: Uint8Array
      readonly headers: readonly RecordHeader[]
      readonly reason: DecodeError
      readonly position: SourcePosition | null
    }

export interface PushResult extends ProducedRecord {
  /** Why the element is in the dead-letter topic; absent for events. */
  readonly error?: string
}

const encoder = new TextEncoder()

/**
 * Resolves when all elements are durable, with their positions in the order given. Throws what the log throws: then some may be
 * stored, and the same push can be repeated, as a whole or in parts.
 */
export async function pushEvents(
  log: Pick<KafkaLog, 'produce'>,
  config: Config,
  sender: PushSender,
  pushed: readonly PushItem[],
  nowMs: number,
): Promise<readonly PushResult[]> {
  const records = await Promise.all(pushed.map(async (one) => toRecord(config, sender, one, nowMs)))
  const places: PushResult[] = []
  // Sequentially: the batches of one partition must not overtake each other.
  for (const part of splitForProduce(records)) places.push(...(await log.produce(part)))
  return places.map((place, index) => {
    const one = pushed[index]
    return one?.kind === 'no_event' ? { ...place, error: describeDecodeError(one.reason) } : place
  })
}

async function toRecord(config: Config, sender: PushSender, pushed: PushItem, nowMs: number): Promise<NewRecord> {
  const idempotencyKey = await idempotencyKeyOf(sender, pushed)
  const key = encoder.encode(partitionKeyOf(config, sender, pushed))
  if (pushed.kind === 'event') {
    return { topic: config.kafka.topics[0] ?? 'rig', key, ...toValue(pushed.event), idempotencyKey }
  }
  const { position, reason, value } = pushed
  const origin: LogPosition = position
    ? toLogPosition(position)
    : { topic: sender.connector || 'push', partition: 0, offset: 0 }
  const headers = [...pushed.headers, { key: 'rigel-connector', value: encoder.encode(sender.connector) }]
  const record = { ...origin, timestampMs: nowMs, key, headers, value }
  return { ...deadLetter(config.kafka.deadLetterTopic, record, reason), key, idempotencyKey }
}

function idempotencyKeyOf(sender: PushSender, pushed: PushItem): Promise<string> {
  if (pushed.position !== null) return keyOfPosition(sender, pushed.position)
  return pushed.kind === 'event' ? keyOfEvent(sender, pushed.event) : keyOfBytes(sender, pushed.value)
}

/**
 * Returns the record's key, which chooses its partition. The same element always gets the same one, or a retry would not be
 * recognised. Elements of one source partition stay together, which keeps their order; else those with one key, or one source.
 */
function partitionKeyOf(config: Config, { connector }: PushSender, pushed: PushItem): string {
  const { position } = pushed
  if (position !== null) return `${position.topic}/${position.partition}`
  if (pushed.kind === 'no_event') return connector
  return orderKeyOf(config, pushed.event) ?? pushed.event.source ?? pushed.event.type
}
