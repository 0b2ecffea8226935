// Decodes messages of format versions 0 and 1, which Kafka before 0.11 wrote and brokers still return unconverted. Pure.
// Called by fetched-records.ts. https://kafka.apache.org/documentation/#messageset
import { crc32 } from 'node:zlib'
import type { LogRecord, TopicPartition } from '../../core/events/kafka-record.ts'
import { CODEC_BITS, decompress } from './compression/compression.ts'
import { Reader } from './reader.ts'

const LOG_APPEND_TIME = 0x08
/** Bytes of offset and size. */
const HEAD_BYTES = 12
const CRC_BYTES = 4
/** Kafka's value for a message without a timestamp. */
const NO_TIMESTAMP = -1

interface LegacyMessage {
  readonly offset: number
  readonly magic: number
  readonly attributes: number
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
}

/**
 * Parses a message of the formats 0 and 1. `bytes` is one message with its offset and size. A compressed message has
 * the offset of its last inner message.
 */
export function readMessage(bytes: Uint8Array): LegacyMessage {
  const reader = new Reader({ flexible: false }, bytes)
  const offset = reader.int64()
  reader.int32()
  const crc = reader.uint32()
  if (crc !== crc32(bytes.subarray(HEAD_BYTES + CRC_BYTES))) {
    throw new RangeError(`the message at offset ${offset} fails its checksum`)
  }
  const magic = reader.int8()
  const attributes = reader.int8()
  const timestampMs = magic === 0 ? NO_TIMESTAMP : reader.int64()
  return { offset, magic, attributes, timestampMs, key: reader.nullableBytes(), value: reader.nullableBytes() }
}

/** Yields the records of a message. Inner offsets are relative in version 1 (KIP-31) and absolute in version 0. */
export function* readMessageRecords({ topic, partition }: TopicPartition, outer: LegacyMessage): Generator<LogRecord> {
  const codec = outer.attributes & CODEC_BITS
  const inner = codec === 0 || outer.value === null ? [outer] : readInner(decompress(codec, outer.value))
  const shift = outer.magic === 0 ? 0 : outer.offset - (inner.at(-1)?.offset ?? 0)
  for (const { offset, key, value, ...message } of inner) {
    const timestampMs = outer.attributes & LOG_APPEND_TIME ? outer.timestampMs : message.timestampMs
    yield { topic, partition, offset: offset + shift, timestampMs, key, value, headers: [] }
  }
}

function readInner(bytes: Uint8Array): readonly LegacyMessage[] {
  const messages: LegacyMessage[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length;) {
    const size = view.getInt32(at + 8)
    if (size < 0 || size > bytes.length - at - HEAD_BYTES) throw new RangeError('a message is truncated')
    messages.push(readMessage(bytes.subarray(at, at + HEAD_BYTES + size)))
    at += HEAD_BYTES + size
  }
  return messages
}
