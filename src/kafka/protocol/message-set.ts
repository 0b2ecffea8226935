// Messages of versions 0 and 1: Kafka before 0.11 wrote them, and brokers answer what is stored as it is stored. Pure. Only
// read, by fetched-records.ts. https://kafka.apache.org/documentation/#messageset
import { crc32 } from 'node:zlib'
import type { LogRecord, TopicPartition } from '../../core/events/kafka-record.ts'
import { CODEC_BITS, decompress } from './compression/compression.ts'
import { Reader } from './wire.ts'

const LOG_APPEND_TIME = 0x08
/** Of the offset, and of the size behind it. */
const HEAD_BYTES = 12
const CRC_BYTES = 4
/** Kafka's own word for a message that has none. */
const NO_TIMESTAMP = -1

interface Message {
  readonly offset: number
  readonly magic: number
  readonly attributes: number
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
}

/** `bytes`: one message, with its offset and size in front. The last offset of those in it is its own. */
export function readMessage(bytes: Uint8Array): Message {
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

/** A compressed message holds others; their offsets count from the first of them (version 1), or are their own (0). */
export function* recordsOfMessage({ topic, partition }: TopicPartition, outer: Message): Generator<LogRecord> {
  const codec = outer.attributes & CODEC_BITS
  const inner = codec === 0 || outer.value === null ? [outer] : readInner(decompress(codec, outer.value))
  const shift = outer.magic === 0 ? 0 : outer.offset - (inner.at(-1)?.offset ?? 0)
  for (const { offset, key, value, ...message } of inner) {
    const timestampMs = outer.attributes & LOG_APPEND_TIME ? outer.timestampMs : message.timestampMs
    yield { topic, partition, offset: offset + shift, timestampMs, key, value, headers: [] }
  }
}

function readInner(bytes: Uint8Array): readonly Message[] {
  const messages: Message[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length;) {
    const size = view.getInt32(at + 8)
    if (size < 0 || size > bytes.length - at - HEAD_BYTES) throw new RangeError('a message ends in the middle')
    messages.push(readMessage(bytes.subarray(at, at + HEAD_BYTES + size)))
    at += HEAD_BYTES + size
  }
  return messages
}
