// Encodes and decodes one record batch of format version 2 (KIP-98). Pure. Called by fetched-records.ts and producer.ts.
// Older formats: message-set.ts. https://kafka.apache.org/documentation/#recordbatch
import type { LogRecord, NewRecord, RecordHeader, TopicPartition } from '../../core/events/kafka-record.ts'
import { CODEC_BITS, compress, decompress, type Compression } from './compression/compression.ts'
import { crc32c } from './compression/crc32c.ts'
import { Reader } from './reader.ts'
import { Writer } from './writer.ts'

/** The format version of this file. */
export const MAGIC = 2
/** Bytes of base offset and length, which come first in every format version. */
export const LENGTH_END = 12
/** Position of the length field. */
export const LENGTH_POSITION = 8
/** Position of the format version, in this and in the older formats. */
export const MAGIC_POSITION = 16
const CRC_POSITION = 17
const CRC_END = 21
const LOG_APPEND_TIME = 0x08
/** Attribute bit: the batch is part of a transaction. */
export const IS_TRANSACTIONAL = 0x10
/** Attribute bit: the batch holds a transaction marker, and no records for readers. */
export const IS_CONTROL = 0x20
const ABORT_MARKER = 0

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A batch whose checksum was verified. Its records are still compressed. */
export interface RecordBatch {
  readonly baseOffset: number
  readonly attributes: number
  readonly lastOffset: number
  readonly baseTimestampMs: number
  readonly maxTimestampMs: number
  readonly producerId: number
  readonly count: number
  /** The records, compressed with the codec that `attributes` names. */
  readonly body: Uint8Array
}

/** More than a hundred times what any Kafka client writes. */
const MAX_HEADERS = 10_000

/** Returns whether a control batch aborts its transaction. The key of its record is version and type, 16 bits each. */
export function isAbortMarker({ count, body }: RecordBatch): boolean {
  // Compaction can remove the record and keep the batch.
  if (count === 0) return false
  const reader = new Reader({ flexible: false }, body)
  reader.varint()
  reader.int8()
  reader.varint()
  reader.varint()
  const key = reader.varintBytes()
  return key !== null && key[3] === ABORT_MARKER
}

/** Parses a record batch (format 2). `bytes` is exactly one batch. Throws a RangeError if the checksum is wrong. */
export function readBatch(bytes: Uint8Array): RecordBatch {
  const reader = new Reader({ flexible: false }, bytes)
  const baseOffset = reader.int64()
  reader.raw(CRC_POSITION - reader.position)
  const crc = reader.uint32()
  if (crc !== crc32c(bytes.subarray(CRC_END)))
    throw new RangeError(`the batch at offset ${baseOffset} fails its checksum`)
  const attributes = reader.int16()
  const lastOffset = baseOffset + reader.int32()
  const baseTimestampMs = reader.int64()
  const maxTimestampMs = reader.int64()
  const producerId = reader.int64()
  reader.int16()
  reader.int32()
  const count = reader.int32()
  const body = reader.raw(reader.remaining)
  return { baseOffset, attributes, lastOffset, baseTimestampMs, maxTimestampMs, producerId, count, body }
}

/** Yields the records with their encoded size in bytes. Throws if they cannot be decompressed or read. */
export function* readBatchRecords({ topic, partition }: TopicPartition, batch: RecordBatch) {
  // Compaction can leave a batch without records.
  if (batch.count === 0) return
  const reader = new Reader({ flexible: false }, decompress(batch.attributes & CODEC_BITS, batch.body))
  for (let n = 0; n < batch.count; n += 1) {
    const size = reader.varint()
    const end = reader.position + size
    reader.int8()
    const deltaMs = reader.varint()
    const offset = batch.baseOffset + reader.varint()
    if (!(offset >= batch.baseOffset && offset <= batch.lastOffset))
      throw new RangeError(`offset ${offset} is outside of the batch`)
    const timestampMs = batch.attributes & LOG_APPEND_TIME ? batch.maxTimestampMs : batch.baseTimestampMs + deltaMs
    const key = reader.varintBytes()
    const value = reader.varintBytes()
    const record: LogRecord = { topic, partition, offset, timestampMs, key, value, headers: readHeaders(reader) }
    if (reader.position !== end) throw new RangeError(`the length of the record at offset ${offset} is wrong`)
    yield { record, size }
  }
  if (reader.remaining > 0) throw new RangeError('the batch has bytes after its last record')
}

const NO_HEADERS: readonly RecordHeader[] = []
const NO_BYTES = new Uint8Array()

function readHeaders(reader: Reader): readonly RecordHeader[] {
  const count = reader.varint()
  if (count <= 0) return NO_HEADERS
  if (count > MAX_HEADERS) throw new RangeError(`a record with ${count} headers, more than ${MAX_HEADERS}`)
  const headers: RecordHeader[] = []
  for (let n = 0; n < count; n += 1) {
    const key = decoder.decode(reader.varintBytes() ?? NO_BYTES)
    headers.push({ key, value: reader.varintBytes() ?? NO_BYTES })
  }
  return headers
}

/** Identifies a batch for the broker's deduplication (KIP-98). All fields are −1 if there is no producer id. */
export interface BatchProducer {
  readonly producerId: number
  readonly epoch: number
  readonly sequence: number
}

/** Returns one batch. The broker sets offsets and leader epoch. */
export function encodeBatch(
  records: readonly (NewRecord & { readonly timestampMs: number })[],
  { producerId, epoch, sequence }: BatchProducer,
  compression: Compression,
): Uint8Array {
  const first = records[0]?.timestampMs ?? 0
  const { codec, bytes } = compress(compression, encodeRecords(records, first))
  const writer = new Writer({ flexible: false }, bytes.length + 128)
  writer.int64(0)
  writer.int32(0)
  writer.int32(-1)
  writer.int8(MAGIC)
  writer.uint32(0)
  writer.int16(codec)
  writer.int32(records.length - 1)
  writer.int64(first)
  writer.int64(records.reduce((latest, { timestampMs }) => Math.max(latest, timestampMs), first))
  writer.int64(producerId)
  writer.int16(epoch)
  writer.int32(sequence)
  writer.int32(records.length)
  writer.raw(bytes)
  writer.patchInt32(LENGTH_POSITION, writer.length - LENGTH_END)
  writer.patchUint32(CRC_POSITION, crc32c(writer.finish().subarray(CRC_END)))
  return writer.finish()
}

function encodeRecords(
  records: readonly (NewRecord & { readonly timestampMs: number })[],
  firstTimestampMs: number,
): Uint8Array {
  const all = new Writer({ flexible: false }, 4_096)
  for (const [delta, { timestampMs, key, value, headers }] of records.entries()) {
    const one = new Writer({ flexible: false }, 64 + (key?.length ?? 0) + (value?.length ?? 0))
    one.int8(0)
    one.varint(timestampMs - firstTimestampMs)
    one.varint(delta)
    one.varintBytes(key ?? null)
    one.varintBytes(value)
    one.varint(headers?.length ?? 0)
    for (const header of headers ?? []) {
      one.varintBytes(encoder.encode(header.key))
      one.varintBytes(header.value)
    }
    all.varint(one.length)
    all.raw(one.finish())
  }
  return all.finish()
}
