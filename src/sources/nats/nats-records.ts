// Converts NATS messages to records of the log and back. A message has no key and no null value: the key is a header,
// and an empty payload is a tombstone, as in NATS's key-value buckets. Pure.
import { headers as newHeaders, type Msg, type MsgHdrs } from '@nats-io/nats-core'
import { hasWildcard, sourceOf } from '../../core/events/topic-source.ts'
import type { LogRecord, NewRecord, RecordHeader } from '../../core/events/kafka-record.ts'
import { decodeUtf8 } from '../../core/text.ts'
import { headerBytes, readHeaders } from './nats-headers.ts'

/** The subject of a message, if the topic has a wildcard. JetStream uses the same header name. */
const SUBJECT_HEADER = 'Nats-Subject'

/** JetStream drops a message whose id it has stored within its deduplication window. */
const ID_HEADER = 'Nats-Msg-Id'

/** A record's key, because NATS messages have none. */
const KEY_HEADER = 'Rigel-Key'

const encoder = new TextEncoder()

/**
 * Returns the message as a record of `topic`, which has the prefix `nats:`. One whose headers cannot be held becomes a record
 * without a value, which becomes a dead letter, with the reason in the header `rigel-unreadable`.
 */
export function toLogRecord(message: Msg, topic: string, offset: number, timestampMs: number): LogRecord {
  const headers = readHeaders(headerBytes(message))
  const problem = problemOf(message, headers)
  if (problem !== undefined || headers === undefined) {
    const why = { key: 'rigel-unreadable', value: encoder.encode(problem) }
    return { topic, partition: 0, offset, timestampMs, key: null, headers: [why], value: null }
  }
  const isOfMany = hasWildcard(sourceOf(topic).name)
  const key = headers.find((header) => header.key === KEY_HEADER)
  return {
    topic,
    partition: 0,
    offset,
    timestampMs,
    key: key?.value ?? null,
    // A publisher may write this header too, and the first of a name is read.
    headers: [
      ...(isOfMany ? [{ key: SUBJECT_HEADER, value: encoder.encode(message.subject) }] : []),
      ...headers.filter((header) => header !== key && !(isOfMany && isSubjectHeader(header))),
    ],
    value: message.data.length === 0 ? null : message.data,
  }
}

/**
 * Returns the subject that a record is published to. Throws if its topic has a wildcard and no header has the subject.
 */
export function subjectOf({ headers = [], topic }: NewRecord): string {
  const { name } = sourceOf(topic)
  if (!hasWildcard(name)) return name
  const own = headers.findLast(isSubjectHeader)
  const subject = own && decodeUtf8(own.value)
  if (subject !== undefined && subject !== '' && !/[\s*>]/.test(subject)) return subject
  throw new Error(`NATS: ${name} names several subjects: a record for it needs the header ${SUBJECT_HEADER}`)
}

/** Returns the headers of the message that a record is published as. Header values of NATS are text. */
export function toNatsHeaders({
  headers = [],
  idempotencyKey,
  key,
}: Pick<NewRecord, 'headers' | 'idempotencyKey' | 'key'>): MsgHdrs {
  const all = newHeaders()
  for (const header of headers) {
    if (!isSubjectHeader(header)) all.append(header.key, toText(header.value))
  }
  if (key !== undefined && key !== null) all.append(KEY_HEADER, toText(key))
  if (idempotencyKey !== undefined) all.set(ID_HEADER, idempotencyKey)
  return all
}

/** The client decodes subjects: those that are not UTF-8 would be one. */
function problemOf({ subject }: Msg, headers: readonly RecordHeader[] | undefined): string | undefined {
  if (headers === undefined) return 'the message has more headers than can be held'
  return subject.includes('\ufffd') ? 'the subject is not UTF-8' : undefined
}

function isSubjectHeader({ key }: RecordHeader): boolean {
  return key.toLowerCase() === SUBJECT_HEADER.toLowerCase()
}

/** A line break would end the header. */
function toText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replaceAll(/[\r\n]+/g, ' ')
}
