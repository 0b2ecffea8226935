// Parses records of the REST Proxy API v2 in its binary format: base64 in JSON. Timestamps and headers only in some dialects.
import * as z from 'zod'
import { fromBase64 } from '../../core/bytes.ts'
import type { LogPosition, LogRecord, RecordHeader } from '../../core/events/kafka-record.ts'
import { KafkaRestError } from './rest-error.ts'

/** Response of a fetch or poll. */
export const fetchedRecords = z.array(
  z.object({
    topic: z.string(),
    partition: z.number().int(),
    offset: z.number().int().min(0),
    key: z.base64().nullish(),
    value: z.base64().nullish(),
    timestamp: z.number().int().nullish(),
    headers: z.array(z.object({ key: z.string(), value: z.base64().nullish() })).nullish(),
  }),
)

/** One record of the response. */
export type FetchedRecord = z.infer<typeof fetchedRecords>[number]

/** Throws a KafkaRestError for records of another partition or out of order: they would be lost or delivered twice. */
export function assertInOrder(host: string, records: readonly FetchedRecord[], position: LogPosition): void {
  let least = position.offset
  for (const { topic, partition, offset } of records) {
    if (topic !== position.topic || partition !== position.partition || offset < least) {
      const message = `returned ${topic}/${partition} at ${offset}, expected ${position.topic}/${position.partition} at ${least} or later`
      throw new KafkaRestError(host, 'GET records', { status: 200, message })
    }
    least = offset + 1
  }
}

/** Returns the record as the log has it. A record without a timestamp gets the time of the read. */
export function toLogRecord(record: FetchedRecord, nowMs: number): LogRecord {
  const { topic, partition, offset, key, value, timestamp, headers } = record
  return {
    topic,
    partition,
    offset,
    timestampMs: timestamp ?? nowMs,
    key: toBytes(key),
    value: toBytes(value),
    headers: (headers ?? []).map((header): RecordHeader => ({
      key: header.key,
      value: toBytes(header.value) ?? new Uint8Array(),
    })),
  }
}

/** The schema has checked the base64, so an error here is a bug and not a tombstone. */
function toBytes(base64: string | null | undefined): Uint8Array | null {
  if (base64 === null || base64 === undefined) return null
  const bytes = fromBase64(base64)
  if (bytes === undefined) throw new TypeError('base64 passed validation and cannot be decoded')
  return bytes
}
