// The position of a pushed event in the Kafka that it comes from: the extension attributes `kafkatopic`, `kafkapartition`
// and `kafkaoffset`, or the request headers of these names. CloudEvents' SDK for Go writes the attributes, and Kafka
// Connect's InsertField can. Pure; push-request.ts reads the position, push.ts deduplicates and orders by it.
import { numberText } from '../json.ts'
import type { LogPosition } from './kafka-record.ts'
import { fail, ok, type Result } from '../result.ts'
import { isTopicName } from './topic-name.ts'

/** Partition and offset are decimal text: an offset has 64 bits, and both are only compared. */
export interface SourcePosition {
  readonly topic: string
  readonly partition: string
  readonly offset: string
}

/** 32 and 64 bits. Without leading zeros: one place has one name. */
const PARTITION = /^(0|[1-9]\d{0,9})$/
const OFFSET = /^(0|[1-9]\d{0,18})$/

/**
 * Returns null if all three values are absent. Fails if only some are present, or one is malformed: the connector that
 * pushes is then configured wrongly.
 */
export function readSourcePosition(
  topic: unknown,
  partition: unknown,
  offset: unknown,
): Result<SourcePosition | null, string> {
  if (isAbsent(topic) && isAbsent(partition) && isAbsent(offset)) return ok(null)
  const position = { topic: toText(topic), partition: toText(partition), offset: toText(offset) }
  if (!isTopicName(position.topic)) return fail('kafkatopic must be the name of a Kafka topic')
  if (!PARTITION.test(position.partition)) return fail('kafkapartition must be a whole number from 0')
  if (!OFFSET.test(position.offset)) return fail('kafkaoffset must be a whole number from 0')
  return ok(position)
}

/** Returns the position with numbers, as the headers of a dead letter need it. Offsets above 2^53 are rounded. */
export function toLogPosition({ topic, partition, offset }: SourcePosition): LogPosition {
  return { topic, partition: Number(partition), offset: Number(offset) }
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null
}

/** Offsets have 64 bits: a number that a double does not hold is compared by its digits. */
function toText(value: unknown): string {
  if (typeof value === 'string') return value
  return numberText(value) ?? ''
}
