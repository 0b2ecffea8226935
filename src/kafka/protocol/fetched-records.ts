// The bytes of a fetch → records: batch after batch, of whatever format, up to what memory allows. Pure. Control batches and
// what aborted transactions left are passed over; their offsets count. One batch is record-batch.ts's, or message-set.ts's.
import type { LogRecord, TopicPartition } from '../../core/events/kafka-record.ts'
import { readMessage, recordsOfMessage } from './message-set.ts'
import {
  IS_CONTROL,
  IS_TRANSACTIONAL,
  isAbortMarker,
  LENGTH_AT,
  LENGTH_END,
  MAGIC,
  MAGIC_AT,
  readBatch,
  recordsOf,
  type Batch,
} from './record-batch.ts'
import { Reader } from './wire.ts'

/** Of a message of version 0 without key and value. */
const MIN_LENGTH = 14
const NO_EPOCH = -1

const encoder = new TextEncoder()

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

export interface DecodedRecords {
  readonly records: readonly LogRecord[]
  /** Behind the last whole batch; `from` if there is none. */
  readonly next: number
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
