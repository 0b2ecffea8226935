// What becomes of a record that is no event: itself, in the dead-letter topic, with its reason and origin in headers.
import type { LogRecord, NewRecord, RecordHeader } from '../core/log-record.ts'
import { describeReason, type DecodeReason } from './decode.ts'

const encoder = new TextEncoder()

export function deadLetter(topic: string, record: LogRecord, reason: DecodeReason): NewRecord {
  return {
    topic,
    key: record.key,
    value: record.value,
    timestampMs: record.timestampMs,
    headers: [
      ...record.headers,
      header('rigel-reason', describeReason(reason)),
      header('rigel-reason-code', reason.kind),
      header('rigel-topic', record.topic),
      header('rigel-partition', String(record.partition)),
      header('rigel-offset', String(record.offset)),
    ],
  }
}

function header(key: string, value: string): RecordHeader {
  return { key, value: encoder.encode(value) }
}
