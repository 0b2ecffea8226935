// One record batch, version 2, as brokers keep it: read out of what was fetched (fetched-records.ts), written by produce.
// Pure. What is older is message-set.ts's.
// https://kafka.apache.org/documentation/#recordbatch
import type { LogRecord, NewRecord, RecordHeader, TopicPartition } from '../../core/events/kafka-record.ts'
import { CODEC_BITS, compress, decompress, type Compression } from './compression/compression.ts'
import { crc32c } from './compression/crc32c.ts'
import { Reader, Writer } from './wire.ts'

export const MAGIC = 2
/** Of every version, the base offset and the length stand first. */
export const LENGTH_END = 12
export const LENGTH_AT = 8
/** Also of messages of versions 0 and 1. */
export const MAGIC_AT = 16
const CRC_AT = 17
const CRC_END = 21
const LOG_APPEND_TIME = 0x08
export const IS_TRANSACTIONAL = 0x10
export const IS_CONTROL = 0x20
const ABORT_MARKER = 0

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export interface Batch {
  readonly baseOffset: number
  readonly attributes: number
  readonly lastOffset: number
  readonly baseTimestampMs: number
  readonly maxTimestampMs: number
  readonly producerId: number
  readonly count: number
  /** Compressed as the attributes say. */
  readonly body: Uint8Array
}

/** No client of Kafka's writes a hundredth of it. */
const MAX_HEADERS = 10_000

/** The key of a control record: version and type, 16 bits each. */
export function isAbortMarker({ count, body }: Batch): boolean {
  // Compaction leaves the batch when its record is gone.
  if (count === 0) return false
  const reader = new Reader({ flexible: false }, body)
  reader.varint()
  reader.int8()
  reader.varint()
  reader.varint()
  const key = reader.varintBytes()
  return key !== null && key[3] === ABORT_MARKER
}

/** Throws a RangeError for one that fails its checksum. */
export function readBatch(bytes: Uint8Array): Batch {
  const reader = new Reader({ flexible: false }, bytes)
  const baseOffset = reader.int64()
  reader.raw(CRC_AT - reader.position)
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

/** Throws for what cannot be read. `size`: of a record as it is written. */
export function* recordsOf({ topic, partition }: TopicPartition, batch: Batch) {
  // Compaction leaves batches whose records are all gone.
  if (batch.count === 0) return
  const reader = new Reader({ flexible: false }, decompress(batch.attributes & CODEC_BITS, batch.body))
  for (let n = 0; n < batch.count; n += 1) {
    const size = reader.varint()
    const end = reader.position + size
    reader.int8()
    const deltaMs = reader.varint()
    const offset = batch.baseOffset + reader.varint()
    if (!(offset >= batch.baseOffset && offset <= batch.lastOffset)) throw new RangeError(`offset ${offset} is not its`)
    const timestampMs = batch.attributes & LOG_APPEND_TIME ? batch.maxTimestampMs : batch.baseTimestampMs + deltaMs
    const key = reader.varintBytes()
    const value = reader.varintBytes()
    const record: LogRecord = { topic, partition, offset, timestampMs, key, value, headers: readHeaders(reader) }
    if (reader.position !== end) throw new RangeError(`the record at offset ${offset} is not as long as it says`)
    yield { record, size }
  }
  if (reader.remaining > 0) throw new RangeError('there is more in it than the records that it counts')
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

/** Who wrote a batch: the broker drops what it has from this producer already. −1 everywhere: it takes everything. */
export interface ProducerState {
  readonly producerId: number
  readonly epoch: number
  readonly sequence: number
}

export function encodeBatch(
  records: readonly (NewRecord & { readonly timestampMs: number })[],
  { producerId, epoch, sequence }: ProducerState,
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
  writer.patchInt32(LENGTH_AT, writer.length - LENGTH_END)
  writer.patchUint32(CRC_AT, crc32c(writer.finish().subarray(CRC_END)))
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
