// Events that a connector pushes, on their way into the log: each stored once however often it is sent, in the order of
// where it comes from, and what is no event as a dead letter, so that it blocks nobody. The connector retries until it
// is answered; what was stored by then is told apart by the log. Called by edge/push.ts.
import type { Config } from '../config/parse-config.ts'
import type { CloudEvent } from '../core/events/stored-event.ts'
import type { LogPosition, NewRecord, ProducedRecord, RecordHeader } from '../core/events/kafka-record.ts'
import { toLogPosition, type SourcePosition } from '../core/events/source-position.ts'
import type { KafkaLog } from '../kafka/kafka-log.ts'
import { deadLetter, splitForProduce } from './dead-letter.ts'
import { describeDecodeError, type DecodeError } from '../decoding/decode-error.ts'
import { keyOfBytes, keyOfEvent, keyOfPosition, type PushSender } from './idempotency-key.ts'
import { orderKeyOf, toValue } from './publish.ts'

/** One that was pushed. `position`: where it stood in the Kafka it comes from; null: not told. */
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
  /** Why it is in the dead-letter topic. */
  readonly error?: string
}

const encoder = new TextEncoder()

/**
 * Resolves when all are durable, with their places in the order given. Throws what the log throws: then some may be
 * stored, and the same push can be made again, as a whole or in parts.
 */
export async function pushEvents(
  log: KafkaLog,
  config: Config,
  sender: PushSender,
  pushed: readonly PushItem[],
  nowMs: number,
): Promise<readonly PushResult[]> {
  const records = await Promise.all(pushed.map(async (one) => toRecord(config, sender, one, nowMs)))
  const places: PushResult[] = []
  // One after the other: the parts of one partition must not overtake each other.
  for (const parcel of splitForProduce(records)) places.push(...(await log.produce(parcel)))
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
 * The record's key, which chooses its partition: always the same one for the same record, or a retry would not be known
 * there. A partition of the source stays together, so that its order is kept; else what has a key of its own, else what
 * is of one source.
 */
function partitionKeyOf(config: Config, { connector }: PushSender, pushed: PushItem): string {
  const { position } = pushed
  if (position !== null) return `${position.topic}/${position.partition}`
  if (pushed.kind === 'no_event') return connector
  return orderKeyOf(config, pushed.event) ?? pushed.event.source ?? pushed.event.type
}
