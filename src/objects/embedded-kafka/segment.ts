// Encodes records of the embedded log as one segment: a head in JSON for each record, and all bytes one behind the other.
// Pure. partition-log.ts stores segments.
import { concat } from '../../core/bytes.ts'
import type { AppendRecord } from '../../rpc/embedded-kafka.ts'
import type { LogRecord, RecordHeader, TopicPartition } from '../../core/events/kafka-record.ts'

/** Lengths of the parts of the body, in this order; -1 for null. */
type Head = [timestampMs: number, keyLength: number, valueLength: number, headers: [key: string, length: number][]]

export interface RecordSegment {
  readonly heads: string
  readonly body: Uint8Array
}

export function encodeSegment(records: readonly AppendRecord[]): RecordSegment {
  const heads: Head[] = []
  const parts: Uint8Array[] = []
  for (const { timestampMs, key, value, headers } of records) {
    heads.push([
      timestampMs,
      key?.length ?? -1,
      value?.length ?? -1,
      headers.map((header) => [header.key, header.value.length]),
    ])
    if (key !== null) parts.push(key)
    if (value !== null) parts.push(value)
    for (const header of headers) parts.push(header.value)
  }
  return { heads: JSON.stringify(heads), body: concat(parts) }
}

/** Yields the segment's records. `nextOffset`: offset after its last one. */
export function* decodeSegment(at: TopicPartition, nextOffset: number, segment: RecordSegment): Generator<LogRecord> {
  let start = 0
  const take = (length: number): Uint8Array => segment.body.slice(start, (start += length))
  const heads = JSON.parse(segment.heads) as readonly Head[]
  let offset = nextOffset - heads.length
  for (const [timestampMs, keyLength, valueLength, headerLengths] of heads) {
    const key = keyLength < 0 ? null : take(keyLength)
    const value = valueLength < 0 ? null : take(valueLength)
    const headers = headerLengths.map(([name, length]): RecordHeader => ({ key: name, value: take(length) }))
    yield { ...at, offset, timestampMs, key, value, headers }
    offset += 1
  }
}
