// Record batches, version 2, as brokers keep them: read by fetch, written by produce. Pure. Control batches and what
// aborted transactions left are passed over; their offsets count. What is older is message-set.ts's.
// https://kafka.apache.org/documentation/#recordbatch
import type { LogRecord, NewRecord, RecordHeader, TopicPartition } from '../../core/log-record.ts'
import { CODEC_BITS, compress, decompress, type Compression } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { readMessage, recordsOfMessage } from './message-set.ts'
import { Reader, Writer } from './wire.ts'

const MAGIC = 2
/** Of every version, the base offset and the length stand first. */
const LENGTH_END = 12
const LENGTH_AT = 8
/** Also of messages of versions 0 and 1. */
const MAGIC_AT = 16
const CRC_AT = 17
const CRC_END = 21
const LOG_APPEND_TIME = 0x08
const IS_TRANSACTIONAL = 0x10
const IS_CONTROL = 0x20
const ABORT_MARKER = 0
const NO_EPOCH = -1
/** Of a message of version 0 without key and value. */
const MIN_LENGTH = 14

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

export interface DecodedRecords {
  readonly records: readonly LogRecord[]
  /** Behind the last whole batch; `from` if there is none. */
  readonly next: number
}

interface Batch {
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

/**
 * What one answer may become: batches of a few bytes may hold millions of records. What is beyond is fetched again, when
 * its turn comes.
 */
interface DecodeLimits {
  readonly records: number
  /** Of records as they are written, and of what their headers take besides. */
  readonly bytes: number
}

const LIMITS: DecodeLimits = { records: 50_000, bytes: 16 * 1_048_576 }

/** No client of Kafka's writes a hundredth of it. */
const MAX_HEADERS = 10_000

/** Each takes far more memory than the two bytes that it has at least: two objects, and a view. */
const HEADER_BYTES = 150

/**
 * The records from an offset on. Keys, values and headers are views into `bytes`, or into what a batch was decompressed to.
 * Throws a RangeError for what fails its checksum, or is no batch: another fetch may bring it whole. A batch that is what
 * its producer wrote, and cannot be read, could not be read the next time either: one record stands for it, without a value,
 * with the reason in a header, so that it becomes a dead letter, and those behind it come through.
 */
export function decodeRecords(
  at: TopicPartition,
  from: number,
  bytes: Uint8Array,
  aborted: readonly AbortedTransaction[] = [],
  limits = LIMITS,
): DecodedRecords {
  const records: LogRecord[] = []
  const transactions = new Transactions(aborted)
  let next = from
  let taken = 0
  for (const batch of readBatches(at, bytes, transactions)) {
    const { lastOffset } = batch
    try {
      for (const { record, size } of lastOffset < from ? [] : batch.read()) {
        if (record.offset < from) continue
        if (records.length >= limits.records || taken >= limits.bytes) return { records, next: record.offset }
        records.push(record)
        taken += size + record.headers.length * HEADER_BYTES
        next = record.offset + 1
      }
    } catch (error) {
      records.push(unreadable(at, next, batch, error))
    }
    next = Math.max(next, lastOffset + 1)
  }
  return { records, next }
}

/** Of the leader that wrote the record before an offset: of the last batch that begins before it. −1: not known. */
export function leaderEpochBefore(offset: number, bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let epoch = NO_EPOCH
  for (let start = 0; start + MAGIC_AT < bytes.length;) {
    const reader = new Reader({ flexible: false }, bytes.subarray(start))
    if (reader.int64() >= offset) return epoch
    epoch = bytes[start + MAGIC_AT] === MAGIC ? view.getInt32(start + LENGTH_END) : NO_EPOCH
    start += LENGTH_END + Math.max(MIN_LENGTH, view.getInt32(start + LENGTH_AT))
  }
  return epoch
}

function unreadable({ topic, partition }: TopicPartition, offset: number, batch: Readable, error: unknown): LogRecord {
  const why = `offsets ${offset} to ${batch.lastOffset} cannot be read: ${String(error)}`
  const headers = [{ key: 'rigel-unreadable', value: encoder.encode(why) }]
  return { topic, partition, offset, timestampMs: batch.timestampMs, key: null, value: null, headers }
}

/** Which batches a reader of committed data sees, in the order of the log. */
class Transactions {
  readonly #aborted: AbortedTransaction[]
  readonly #producers = new Set<number>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#aborted = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset)
  }

  isCommitted(batch: Batch): boolean {
    for (let [first] = this.#aborted; first && first.firstOffset <= batch.lastOffset; [first] = this.#aborted) {
      this.#producers.add(first.producerId)
      this.#aborted.shift()
    }
    if (batch.attributes & IS_CONTROL) {
      if (isAbortMarker(batch)) this.#producers.delete(batch.producerId)
      return false
    }
    return !(batch.attributes & IS_TRANSACTIONAL && this.#producers.has(batch.producerId))
  }
}

/** The key of a control record: version and type, 16 bits each. */
function isAbortMarker({ count, body }: Batch): boolean {
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

interface Readable {
  readonly lastOffset: number
  /** Of the newest record. */
  readonly timestampMs: number
  /** Throws for what cannot be read. */
  read(): Iterable<{ readonly record: LogRecord; readonly size: number }>
}

/**
 * A batch that the broker cut off at its limit is left for the next fetch, and so is one that is broken, behind others: it
 * is the first then, and the error.
 */
function* readBatches(at: TopicPartition, bytes: Uint8Array, transactions: Transactions): Generator<Readable> {
  for (let start = 0; start + LENGTH_END < bytes.length;) {
    const batch = tryBatch(at, bytes.subarray(start), transactions)
    if (batch === undefined || (batch instanceof RangeError && start > 0)) return
    if (batch instanceof RangeError) throw batch
    yield batch.readable
    start += batch.size
  }
}

/** Undefined: cut off. */
function tryBatch(at: TopicPartition, bytes: Uint8Array, transactions: Transactions) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getInt32(LENGTH_AT)
  if (length < MIN_LENGTH) return new RangeError(`a batch of ${length} bytes`)
  const size = LENGTH_END + length
  if (size > bytes.length) return undefined
  try {
    return { size, readable: toReadable(at, bytes.subarray(0, size), transactions) }
  } catch (error) {
    if (error instanceof RangeError) return error
    throw error
  }
}

function toReadable(at: TopicPartition, bytes: Uint8Array, transactions: Transactions): Readable {
  const magic = bytes[MAGIC_AT] ?? MAGIC
  if (magic === MAGIC) {
    const batch = readBatch(bytes)
    const isCommitted = transactions.isCommitted(batch)
    const { lastOffset, maxTimestampMs: timestampMs } = batch
    return { lastOffset, timestampMs, read: () => (isCommitted ? recordsOf(at, batch) : []) }
  }
  if (magic > MAGIC) throw new RangeError(`a batch of format ${magic}, ${MAGIC} is the newest that is known`)
  const message = readMessage(bytes)
  const { offset: lastOffset, timestampMs } = message
  return { lastOffset, timestampMs, read: () => sized(recordsOfMessage(at, message)) }
}

function* sized(records: Iterable<LogRecord>) {
  for (const record of records) yield { record, size: (record.key?.length ?? 0) + (record.value?.length ?? 0) }
}

function readBatch(bytes: Uint8Array): Batch {
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

function* recordsOf({ topic, partition }: TopicPartition, batch: Batch) {
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
