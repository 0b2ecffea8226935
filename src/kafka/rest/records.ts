// Records as the REST Proxy v2 family writes them in its binary format: base64 in JSON. Timestamps and headers where the
// dialect has them.
import { z } from 'zod'
import { fromBase64 } from '../../core/bytes.ts'
import type { LogPosition, LogRecord, RecordHeader } from '../../core/events/kafka-record.ts'
import { KafkaRestError } from './rest-error.ts'

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

export type FetchedRecord = z.infer<typeof fetchedRecords>[number]

/** What a proxy answers is taken as it is: out of order, or of another partition, it would be lost or doubled. */
export function requireInOrder(host: string, records: readonly FetchedRecord[], position: LogPosition): void {
  let least = position.offset
  for (const { topic, partition, offset } of records) {
    if (topic !== position.topic || partition !== position.partition || offset < least) {
      const message = `answers ${topic}/${partition} at ${offset} where ${least} or later of ${position.topic}/${position.partition} was asked for`
      throw new KafkaRestError(host, 'GET records', { status: 200, message })
    }
    least = offset + 1
  }
}

/** Without a timestamp of its own a record has the time it was read at. */
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

/** The shape of the answer was checked: what is not base64 here is a bug, and no tombstone. */
function toBytes(base64: string | null | undefined): Uint8Array | null {
  if (base64 === null || base64 === undefined) return null
  const bytes = fromBase64(base64)
  if (bytes === undefined) throw new TypeError('not base64, though it passed for it')
  return bytes
}
