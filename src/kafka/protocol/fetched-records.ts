// Decodes the record batches of a fetch response, of any format, up to a memory limit. Control batches and batches of aborted
// transactions are skipped. Pure. Called by partition-fetcher.ts; single batches: record-batch.ts, message-set.ts.
import type { LogRecord, TopicPartition } from '../../core/events/kafka-record.ts'
import { keepShape } from '../../core/kept-shapes.ts'
import { readMessage, readMessageRecords } from './message-set.ts'
import {
  IS_CONTROL,
  IS_TRANSACTIONAL,
  isAbortMarker,
  LENGTH_POSITION,
  LENGTH_END,
  MAGIC,
  MAGIC_POSITION,
  readBatch,
  readBatchRecords,
  type RecordBatch,
} from './record-batch.ts'
import { Reader } from './reader.ts'

/** Bytes of the smallest message: version 0 without key and value. */
const MIN_LENGTH = 14
const NO_EPOCH = -1
/** Positions in a batch of version 2: the delta of the last offset, and the largest timestamp. */
const LAST_OFFSET_POSITION = 23
const TIMESTAMP_POSITION = 35

const encoder = new TextEncoder()

/** Aborted transactions in a fetch response (KIP-98). */
export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

/** Result of decoding one fetch response. */
export interface DecodedRecords {
  readonly records: readonly LogRecord[]
  /** The offset after the last complete batch, or `from` if there is none. */
  readonly next: number
}

/** Limits on decoded records: a compressed batch of a few bytes can hold millions. The rest is fetched again. */
interface DecodeLimits {
  readonly records: number
  /** Encoded bytes of the records, plus an allowance for each header. */
  readonly bytes: number
}

const LIMITS: DecodeLimits = { records: 50_000, bytes: 16 * 1_048_576 }

/** Memory of one header (two objects and a view), which can be encoded in two bytes. */
const HEADER_BYTES = 150

/**
 * Returns the records from offset `from` on. Keys, values and headers are views into `bytes` or into a decompressed batch.
 * Throws a RangeError for a wrong checksum or garbage: another fetch may succeed. A batch with a correct checksum that cannot
 * be decoded will never be readable, so one record without a value replaces it, with the reason in the header
 * `rigel-unreadable`. It becomes a dead letter, and the records after it are delivered.
 */
export function decodeRecords(
  at: TopicPartition,
  from: number,
  bytes: Uint8Array,
  aborted: readonly AbortedTransaction[] = [],
  limits = LIMITS,
): DecodedRecords {
  const records: LogRecord[] = []
  const transactions = new TransactionFilter(aborted)
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
      records.push(toUnreadableRecord(at, next, batch, error))
    }
    next = Math.max(next, lastOffset + 1)
  }
  return { records, next }
}

/**
 * Returns one record in place of a batch that is too large to be held, as for one that cannot be decoded. `start` begins with the
 * batch's header, which every format version has at the same positions.
 */
export function skipOversizedBatch(at: TopicPartition, from: number, start: Uint8Array): DecodedRecords {
  const reader = new Reader({ flexible: false }, start)
  const baseOffset = reader.int64()
  const bytes = reader.int32() + LENGTH_END
  const isOld = start[MAGIC_POSITION] !== MAGIC
  reader.raw(LAST_OFFSET_POSITION - reader.position)
  const lastOffset = isOld ? baseOffset : baseOffset + reader.int32()
  reader.raw(TIMESTAMP_POSITION - reader.position)
  const timestampMs = isOld ? 0 : reader.int64()
  const error = new RangeError(`the batch has ${bytes} bytes, more than can be held`)
  const record = toUnreadableRecord(at, from, { lastOffset, timestampMs, read: () => [] }, error)
  return { records: [record], next: Math.max(from, lastOffset) + 1 }
}

/** Returns the leader epoch of the record before `offset` (KIP-320), or −1 if unknown. */
export function leaderEpochBefore(offset: number, bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let epoch = NO_EPOCH
  for (let start = 0; start + MAGIC_POSITION < bytes.length;) {
    const reader = new Reader({ flexible: false }, bytes.subarray(start))
    if (reader.int64() >= offset) return epoch
    epoch = bytes[start + MAGIC_POSITION] === MAGIC ? view.getInt32(start + LENGTH_END) : NO_EPOCH
    start += LENGTH_END + Math.max(MIN_LENGTH, view.getInt32(start + LENGTH_POSITION))
  }
  return epoch
}

function toUnreadableRecord(
  { topic, partition }: TopicPartition,
  offset: number,
  batch: ReadableBatch,
  error: unknown,
): LogRecord {
  const why = `offsets ${offset} to ${batch.lastOffset} cannot be read: ${String(error)}`
  const headers = [{ key: 'rigel-unreadable', value: encoder.encode(why) }]
  return { topic, partition, offset, timestampMs: batch.timestampMs, key: null, value: null, headers }
}

/** Decides which batches a read_committed consumer sees. Batches must be passed in log order. */
class TransactionFilter {
  readonly #aborted: AbortedTransaction[]
  readonly #producers = new Set<number>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#aborted = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset)
  }

  isCommitted(batch: RecordBatch): boolean {
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

keepShape(new TransactionFilter([]))

interface ReadableBatch {
  readonly lastOffset: number
  /** Timestamp of the newest record, milliseconds since the epoch. */
  readonly timestampMs: number
  /** Throws if the records cannot be decoded. */
  read(): Iterable<{ readonly record: LogRecord; readonly size: number }>
}

/**
 * Yields complete batches. Stops before a batch that the broker truncated at its size limit, or that is broken: the next
 * fetch starts with it. Throws only if the first batch is broken.
 */
function* readBatches(
  at: TopicPartition,
  bytes: Uint8Array,
  transactions: TransactionFilter,
): Generator<ReadableBatch> {
  for (let start = 0; start + LENGTH_END < bytes.length;) {
    const batch = tryBatch(at, bytes.subarray(start), transactions)
    if (batch === undefined || (batch instanceof RangeError && start > 0)) return
    if (batch instanceof RangeError) throw batch
    yield batch.readable
    start += batch.size
  }
}

/** Returns undefined if the batch is truncated. */
function tryBatch(at: TopicPartition, bytes: Uint8Array, transactions: TransactionFilter) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getInt32(LENGTH_POSITION)
  if (length < MIN_LENGTH) return new RangeError(`a batch has an impossible length of ${length} bytes`)
  const size = LENGTH_END + length
  if (size > bytes.length) return undefined
  try {
    return { size, readable: toReadable(at, bytes.subarray(0, size), transactions) }
  } catch (error) {
    if (error instanceof RangeError) return error
    throw error
  }
}

function toReadable(at: TopicPartition, bytes: Uint8Array, transactions: TransactionFilter): ReadableBatch {
  const magic = bytes[MAGIC_POSITION] ?? MAGIC
  if (magic === MAGIC) {
    const batch = readBatch(bytes)
    const isCommitted = transactions.isCommitted(batch)
    const { lastOffset, maxTimestampMs: timestampMs } = batch
    return { lastOffset, timestampMs, read: () => (isCommitted ? readBatchRecords(at, batch) : []) }
  }
  if (magic > MAGIC) throw new RangeError(`a batch has format version ${magic}, but ${MAGIC} is the newest supported`)
  const message = readMessage(bytes)
  const { offset: lastOffset, timestampMs } = message
  return { lastOffset, timestampMs, read: () => withSizes(readMessageRecords(at, message)) }
}

function* withSizes(records: Iterable<LogRecord>) {
  for (const record of records) yield { record, size: (record.key?.length ?? 0) + (record.value?.length ?? 0) }
}
